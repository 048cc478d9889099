//! Memory that is not needed to run.

/// Up to this many bytes a block comes out of the heap; larger ones from the system, and go back to it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAP_BLOCK_MAX: libc::c_int = 32 << 20;

/// More than this many bytes free at a heap's end go back to the system: what the maps of a frame take of it stays, or every
/// frame would ask for its pages anew.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FREE_AT_END_MAX: libc::c_int = 6 << 20;

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

/// Gives back to the system what the files of the weights took until they were packed, and what was read of the
/// libraries only while they were linked and libtorch registered its thousands of operators: some 45 MiB,
/// read again from the files where they are needed after all.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn return_what_only_the_start_needed() {
    // SAFETY: touches free memory only; glibc says it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    for (start, len) in unwritten(&smaps) {
        // SAFETY: pages of a file that nobody may write to and nobody has written to: what is dropped is read
        // again as it was.
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(start), len, libc::MADV_DONTNEED);
        }
    }
}

/// Elsewhere the system takes back what it wants.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn return_what_only_the_start_needed() {}

/// Where `/proc/self/smaps` has files that are mapped to be read or run, none of whose pages is our own, and how
/// many bytes. Of such pages as the linker wrote to before it protected them there would be no second copy.
///
/// A mapping is a line `START-END PERMISSIONS OFFSET DEVICE INODE /PATH` and its figures, `Private_Dirty` among
/// them (proc_pid_smaps(5)).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn unwritten(smaps: &str) -> Vec<(usize, usize)> {
    let (mut found, mut mapping) = (Vec::new(), None);
    for line in smaps.lines() {
        if let Some(figure) = line.strip_prefix("Private_Dirty:") {
            found.extend(mapping.take().filter(|_| figure.trim() == "0 kB"));
        } else if line.split_once(' ').is_some_and(|(first, _)| first.contains('-')) {
            mapping = read_only_file(line);
        }
    }
    found
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn read_only_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_read_only = matches!(fields.next()?, "r-xp" | "r--p");
    let is_file = fields.nth(3)?.starts_with('/');
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    (is_read_only && is_file).then_some((start?, end?.checked_sub(start?)?))
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_read_again_from_files_is_dropped() {
        let mapping = |permissions: &str, rest: &str, dirty_kb: u32| {
            format!(
                "7f00a000-7f00c000 {permissions} 00001000 fe:00 {rest}\nRss:   8 kB\n\
                 Private_Clean:  4 kB\nPrivate_Dirty:  {dirty_kb} kB\nVmFlags: rd mr\n"
            )
        };
        for permissions in ["r-xp", "r--p"] {
            let file = mapping(permissions, "42    /lib/a b.so", 0);
            assert_eq!(unwritten(&file), [(0x7f00_a000, 0x2000)]);
            assert_eq!(unwritten(&(file.clone() + &file)).len(), 2);
            assert_eq!(unwritten(&mapping(permissions, "42 /lib/a.so", 4)), [], "relocated");
            assert_eq!(unwritten(&mapping(permissions, "0 [vdso]", 0)), []);
            assert_eq!(unwritten(&mapping(permissions, "0", 0)), []);
        }
        for permissions in ["rw-p", "r--s", "---p"] {
            assert_eq!(unwritten(&mapping(permissions, "42 /lib/a.so", 0)), [], "{permissions}");
        }
        assert_eq!(unwritten(""), []);
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
