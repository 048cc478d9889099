//! What the service logs.

use std::io::Write;
use std::sync::{Arc, OnceLock};

/// What was logged of this, from the first call on.
pub fn logged(of: &str) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Log(Arc<parking_lot::Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writes = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter("limen=info")
            .with_ansi(false)
            .with_writer(move || writes.clone())
            .init();
        log
    });
    let text = String::from_utf8(log.0.lock().clone()).unwrap();
    text.lines().filter(|line| line.contains(of)).map(str::to_owned).collect()
}
