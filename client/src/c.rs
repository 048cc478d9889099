//! The functions of `limen_grant.h`.

use core::ffi::{CStr, c_char};

use super::{Asked, Refusal, Request, body_hash, verify};

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

/// `struct limen_request` of `limen_grant.h`.
#[repr(C)]
pub struct CRequest {
    method: *const c_char,
    path: *const c_char,
    content_type: *const c_char,
    body: *const u8,
    body_len: usize,
    timestamp_us: u64,
    nonce: *const c_char,
    event: *const c_char,
    captured_at: *const c_char,
    badge: *const c_char,
}

/// See `limen_grant.h`.
///
/// # Safety
/// Texts end with a zero, `body` has as many bytes as said and `secret` 32; 65 and 44 bytes may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn limen_request_sign(
    secret: *const u8,
    request: *const CRequest,
    content_sha256: *mut c_char,
    signature: *mut c_char,
) -> i32 {
    let bad = code(Refusal::Malformed);
    if secret.is_null() || request.is_null() || content_sha256.is_null() || signature.is_null() {
        return bad;
    }
    // SAFETY: the caller's; none is null.
    let (secret, request) = unsafe { (*secret.cast::<[u8; 32]>(), &*request) };
    let CRequest { method, path, content_type, nonce, event, captured_at, badge, .. } = *request;
    let texts = [method, path, content_type, nonce, event, captured_at, badge];
    let mut read = [""; 7];
    for (text, read) in texts.into_iter().zip(&mut read) {
        if text.is_null() {
            continue;
        }
        // SAFETY: the caller's; it is not null.
        match unsafe { CStr::from_ptr(text) }.to_str() {
            Ok(text) => *read = text,
            Err(_) => return bad,
        }
    }
    let body = match (request.body.is_null(), request.body_len) {
        (_, 0) => &[],
        (true, _) => return bad,
        // SAFETY: the caller's; it is not null.
        (false, len) => unsafe { core::slice::from_raw_parts(request.body, len) },
    };
    let [method, path, content_type, nonce, event, captured_at, badge] = read;
    let body_sha256 = body_hash(body);
    let timestamp_us = request.timestamp_us;
    let signed = Request {
        method,
        path,
        content_type,
        body_sha256,
        timestamp_us,
        nonce,
        event,
        captured_at,
        badge,
    }
    .sign(&secret);
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default() as u8;
    let mut hex = [0; 65];
    for (digits, byte) in hex.chunks_exact_mut(2).zip(body_sha256) {
        digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    let mut text = [0; 44];
    let characters = signed.as_str().as_bytes();
    text[..characters.len()].copy_from_slice(characters);
    // SAFETY: the caller's; neither is null.
    unsafe {
        content_sha256.cast::<[u8; 65]>().write(hex);
        signature.cast::<[u8; 44]>().write(text);
    }
    0
}
