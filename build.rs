//! Links what rustc cannot know about.

use std::env;
use std::path::Path;

fn main() {
    // `sqlx::migrate!` embeds the folder: a new file there must rebuild the crate.
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = env::var("LIBTORCH") else {
        return;
    };
    // The folder: a file that is not there would count as changed in every build.
    let libraries = Path::new(&libtorch).join("lib");
    println!("cargo:rerun-if-changed={}", libraries.display());
    if libraries.join("libtorch_cuda.so").exists() {
        // No symbol names it, so the linker would drop it, and with it every CUDA kernel.
        println!("cargo:rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
    }
}
