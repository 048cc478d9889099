//! Folders of weights that are not as they ship.

use tempfile::TempDir;

/// The weights without what was measured of any encoder.
pub fn uncalibrated_weights() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir("weights").unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            let file = std::path::absolute(entry.path()).unwrap();
            std::os::unix::fs::symlink(file, folder.path().join(entry.file_name())).unwrap();
        }
    }
    folder
}
