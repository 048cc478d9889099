//! What whoever trains sees meanwhile, and how they stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::train::{Look, Step, Watcher};

/// Shows a bar, and stops at Ctrl-C after the step under way.
pub(super) struct Watch {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Watch {
    /// Begins to watch a run of so many steps.
    pub fn begin(steps: u64, taken: u64) -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps, {eta} left, {msg}")?;
        let bar = ProgressBar::new(steps).with_style(style).with_position(taken);
        bar.reset_eta();
        let interrupted = Arc::new(AtomicBool::new(false));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let heard = Arc::clone(&interrupted);
        std::thread::spawn(move || {
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    // Who insists does not wait for the step: what was kept last is whole.
                    if heard.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        });
        Ok(Self { bar, interrupted })
    }

    /// Ends the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Watch {
    fn stepped(&mut self, step: &Step, faces_per_second: f64) {
        let active = step
            .measures
            .get("active")
            .map(|active| format!(", {:.0} % of triplets active", active * 100.0));
        self.bar.set_message(format!(
            "loss {:.4}{}, {faces_per_second:.0} faces a second",
            step.loss,
            active.unwrap_or_default()
        ));
        self.bar.set_position(step.step);
    }

    fn looked(&mut self, look: &Look, best: bool) {
        let figures: Vec<String> = look
            .figures
            .iter()
            .map(|(name, value)| format!("{name} {:.2} %", value * 100.0))
            .collect();
        let best = if best { "  best so far" } else { "" };
        self.bar.suspend(|| println!("step {:>6}  {}{best}", look.step, figures.join("  ")));
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
