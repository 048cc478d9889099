//! The development data, which lie beside the checkout and are never part of it.

use std::path::PathBuf;

/// A folder of the development data (`../shared/data`, or `$LIMEN_TEST_DATA`); none where it is not there, which CI must
/// not pass without.
pub fn development_data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var("LIMEN_TEST_DATA")
        .map_or_else(|_| PathBuf::from("../shared/data"), PathBuf::from)
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is not there", folder.display());
    eprintln!("{} is not there: nothing was measured", folder.display());
    None
}
