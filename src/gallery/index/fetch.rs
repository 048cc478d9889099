//! Asking for memory before it is read.

/// Bytes of a line of a cache.
pub(super) const LINE: usize = 64;

/// Asks for what lies some bytes behind the start of something, which need not be its own.
#[inline(always)]
pub(super) fn fetch<T>(start: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        // SAFETY: a hint, which reads nothing and may point anywhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.cast::<i8>().wrapping_add(bytes)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// Asks for all of some numbers.
pub(super) fn fetch_all(numbers: &[f32]) {
    (0..size_of_val(numbers)).step_by(LINE).for_each(|byte| fetch(numbers.as_ptr(), byte));
    // They may begin within a line.
    if let Some(last) = numbers.last() {
        fetch(last, 0);
    }
}
