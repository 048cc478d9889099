//! Links what rustc cannot know about, and compiles what libtorch offers in C++ alone.

use std::env;
use std::path::{Path, PathBuf};

/// What libtorch's headers for CUDA include, and where it may be.
const CUDA_HEADER: &str = "cuda_runtime_api.h";
const SHIM: &str = "src/nets/station/cuda.cpp";

fn main() {
    // `sqlx::migrate!` embeds the folder: a new file there must rebuild the crate.
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed={SHIM}");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    println!("cargo:rustc-check-cfg=cfg(libtorch_cuda)");
    let Ok(libtorch) = env::var("LIBTORCH").map(PathBuf::from) else {
        return;
    };
    // The folder: a file that is not there would count as changed in every build.
    let libraries = libtorch.join("lib");
    println!("cargo:rerun-if-changed={}", libraries.display());
    if libraries.join("libtorch_cuda.so").exists() {
        println!("cargo:rustc-cfg=libtorch_cuda");
        compile_shim(&libtorch.join("include"));
        // No symbol names it, so the linker would drop it, and with it every CUDA kernel.
        println!("cargo:rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
        println!("cargo:rustc-link-lib=torch_cuda");
        println!("cargo:rustc-link-lib=c10_cuda");
    }
}

fn compile_shim(torch: &Path) {
    let home = env::var("CUDA_HOME").map(|home| Path::new(&home).join("include")).ok();
    let places = [Some(torch.to_path_buf()), home, Some("/usr/local/cuda/include".into())];
    let Some(cuda) = places.into_iter().flatten().find(|place| place.join(CUDA_HEADER).exists())
    else {
        panic!(
            "this libtorch computes with CUDA and {CUDA_HEADER} is nowhere: set CUDA_HOME to CUDA's \
             toolkit, or let `./dev --cuda` fetch both"
        );
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", env::var("LIBTORCH_CXX11_ABI").as_deref().unwrap_or("1"))
        // The headers are not ours to mend.
        .warnings(false)
        .include(torch)
        .include(torch.join("torch/csrc/api/include"))
        .include(cuda)
        .file(SHIM)
        .compile("limen_cuda");
}
