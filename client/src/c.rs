//! The function of `limen_grant.h`.

use core::ffi::c_char;

use super::{Asked, Refusal, verify};

/// See `limen_grant.h`.
///
/// # Safety
/// `token` and `event` have as many bytes as said, `key` has 32 and `gate` 16; `open_ms` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn limen_grant_verify(
    token: *const c_char,
    token_len: usize,
    key: *const u8,
    gate: *const u8,
    event: *const c_char,
    event_len: usize,
    now_ms: u64,
    open_ms: *mut u32,
) -> i32 {
    if [token.cast(), event.cast(), key, gate, open_ms.cast_const().cast()]
        .contains(&core::ptr::null())
    {
        return code(Refusal::Malformed);
    }
    // SAFETY: the caller's; none is null.
    let (token, event, key, gate) = unsafe {
        (
            core::slice::from_raw_parts(token.cast::<u8>(), token_len),
            core::slice::from_raw_parts(event.cast::<u8>(), event_len),
            *key.cast::<[u8; 32]>(),
            *gate.cast::<[u8; 16]>(),
        )
    };
    let (Ok(token), Ok(event)) = (core::str::from_utf8(token), core::str::from_utf8(event)) else {
        return code(Refusal::Malformed);
    };
    match verify(token, &key, &Asked { gate, event, now_ms }) {
        Ok(grant) => {
            // SAFETY: the caller's; it is not null.
            unsafe { open_ms.write(grant.open_ms) };
            0
        }
        Err(refusal) => code(refusal),
    }
}

fn code(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::Malformed => 1,
        Refusal::Version => 2,
        Refusal::Key => 3,
        Refusal::Signature => 4,
        Refusal::Gate => 5,
        Refusal::Event => 6,
        Refusal::Expired => 7,
        Refusal::FromFuture => 8,
    }
}
