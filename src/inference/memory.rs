//! Memory that is not needed to run.

/// Up to this many bytes a block comes out of the heap; larger ones from the system, and go back to it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAP_BLOCK_MAX: libc::c_int = 32 << 20;

/// More than this many bytes free at a heap's end go back to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE_AT_END_MAX: libc::c_int = 8 << 20;

/// Tells glibc once how large the blocks are that come and go with every frame. It would learn it from each
/// block that it has taken from the system, and keep some 12 MiB more.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn expect_frames() {
    // SAFETY: sets two numbers of the allocator's.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_AT_END_MAX);
    }
}

/// Other allocators need not be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn expect_frames() {}

/// Gives back to the system what the files of the weights took until they were packed, and the code that
/// ran only while libtorch registered its thousands of operators: some 30 MiB, read again from the file
/// where it is called after all.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn return_what_only_the_start_needed() {
    // SAFETY: touches free memory only; glibc says it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, len) in maps.lines().filter_map(code) {
        // SAFETY: code of a file, which nobody writes to: what is dropped is read again as it was.
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(start), len, libc::MADV_DONTNEED);
        }
    }
}

/// Elsewhere the system takes back what it wants.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_what_only_the_start_needed() {}

/// Where a line of `/proc/self/maps` has code of a file, and how many bytes: `START-END r-xp OFFSET DEVICE
/// INODE /PATH` (proc_pid_maps(5)).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn code(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_code = fields.next()? == "r-xp" && fields.nth(3)?.starts_with('/');
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    is_code.then_some((start?, end?.checked_sub(start?)?))
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_dropped() {
        let at = "7f00a000-7f00c000";
        assert_eq!(
            code(&format!("{at} r-xp 00001000 fe:00 42    /lib/a b.so")),
            Some((0x7f00_a000, 0x2000))
        );
        for other in [
            "rw-p 0 fe:00 42 /lib/a.so",
            "r--p 0 fe:00 42 /lib/a.so",
            "r-xp 0 00:00 0 [vdso]",
            "r-xp 0 00:00 0",
            "",
        ] {
            assert_eq!(code(&format!("{at} {other}")), None, "{other}");
        }
    }

    #[test]
    fn everything_still_runs_afterwards() {
        return_what_only_the_start_needed();
        assert_eq!(
            tch::Tensor::from_slice(&[1f32, 2.0]).sum(tch::Kind::Float).double_value(&[]),
            3.0
        );
    }
}
