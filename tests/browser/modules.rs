//! The modules of the pages that need no page: what the kiosk signs and shows.

use std::process::Command;

#[test]
fn the_kiosk_signs_and_shows_what_the_documentation_says() {
    let run = Command::new("node")
        .args(["--import", "./tests/console/assets.mjs", "--test", "--test-reporter=tap"])
        .arg("tests/console/kiosk.test.mjs")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("node: `./dev test` installs it");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && !said.contains("\n# pass 0"), "{said}");
}
