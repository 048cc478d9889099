//! What a process is told of the steps to come.

use tch::Device;

/// Prepares this thread and the heap for steps on a device. [`train`](super::train()) does so by itself.
pub fn expect_steps(device: Device) {
    keep_memory();
    if device.is_cuda() {
        // Little is left for the processor, too little to wait for a thread of each core.
        tch::set_num_threads(1);
    }
}

/// Tells glibc once that what a step frees the next one wants again: from then on the heap keeps it, and large blocks come
/// out of the heap, too. A step of 64 faces took its maps, up to 103 MB each, anew from the system, 4 KiB at a time. The
/// process stays as large as its largest step.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_memory() {
    // SAFETY: sets two numbers of the allocator's.
    unsafe {
        // No block straight from the system.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // -1: nothing that is free at the heap's end goes back (mallopt(3)).
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Other allocators need not be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_memory() {}
