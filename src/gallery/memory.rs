//! Memory of a gallery that is no longer searched.

/// Gives back to the system what is free. What was read for a gallery, and the one before it, lie between what is still in
/// use; of that glibc keeps every page, some 29 MiB with 10,000 people. It takes some milliseconds, in which threads that
/// want memory may have to wait.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn return_what_is_free() {
    // SAFETY: touches free memory only; glibc says it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators are not asked.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_what_is_free() {}
