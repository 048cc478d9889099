/* Signs what a turnstile asks Limen, and checks, without a network, the grant that Limen signed for it.
 *
 *   cargo rustc -p limen-grant --release --features c --crate-type staticlib
 *   cc -I client client/tests/turnstile.c target/release/liblimen_grant.a -lpthread -ldl -lm
 *
 * Bare metal: add --target, such as thumbv7em-none-eabihf, and leave out the system's libraries.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#ifndef LIMEN_GRANT_H
#define LIMEN_GRANT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum limen_grant_refusal {
  LIMEN_GRANT_OPEN = 0,        /* open, for *open_ms milliseconds */
  LIMEN_GRANT_MALFORMED = 1,   /* no token, or a null pointer */
  LIMEN_GRANT_VERSION = 2,     /* a token of another version */
  LIMEN_GRANT_KEY = 3,         /* the key is no public key of Ed25519 */
  LIMEN_GRANT_SIGNATURE = 4,   /* not signed with this key */
  LIMEN_GRANT_GATE = 5,        /* for another gate */
  LIMEN_GRANT_EVENT = 6,       /* for another event */
  LIMEN_GRANT_EXPIRED = 7,     /* expired */
  LIMEN_GRANT_FROM_FUTURE = 8, /* valid for too long: the clocks differ */
};

/* `token`: `token` of the answer. `key`: the 32 bytes of GET /v1/grant-key. `gate`: the 16 bytes of the
 * gate's UUID. `event`: the x-event-id that was sent. `now_ms`: milliseconds since 1970. Returns
 * LIMEN_GRANT_OPEN and writes `*open_ms`, or a refusal: then the gate stays shut. A gate that has opened forgets
 * the event: within its seconds a token holds as often as it is checked. */
int32_t limen_grant_verify(const char *token, size_t token_len, const uint8_t key[32],
                           const uint8_t gate[16], const char *event, size_t event_len,
                           uint64_t now_ms, uint32_t *open_ms);

/* What is asked, all of which is signed: docs/DEVICES.md. Texts end with a zero; a null pointer is the same as an
 * empty text, which stands for a header that is not sent. */
struct limen_request {
  const char *method;       /* POST */
  const char *path;         /* /v1/gates/G/passages or /v1/gates/G/inputs, exactly as it is sent */
  const char *content_type; /* as it is sent */
  const uint8_t *body;
  size_t body_len;
  uint64_t timestamp_us;   /* microseconds since 1970, more than in any request before */
  const char *nonce;       /* 16 to 64 random characters of base64url */
  const char *event;       /* x-event-id */
  const char *captured_at; /* x-captured-at; empty for a report to /inputs */
  const char *badge;       /* x-badge-id; empty where none is sent */
};

/* `secret`: the 32 bytes of the gate's credential. Writes, each with a zero behind, the header x-content-sha256 and
 * the signature, and returns 0; LIMEN_GRANT_MALFORMED when a pointer is null or a text is no UTF-8. Then send
 *   authorization: Limen-HMAC-SHA256 key=KEY_ID,timestamp=TIMESTAMP_US,nonce=NONCE,signature=SIGNATURE */
int32_t limen_request_sign(const uint8_t secret[32], const struct limen_request *request,
                           char content_sha256[65], char signature[44]);

#ifdef __cplusplus
}
#endif

#endif
