/* turnstile PUBLIC_KEY GATE EVENT NOW_MS TOKEN, the first two in hex: prints the code and for how long to open.
 * turnstile sign SECRET PATH BODY TIMESTAMP_US EVENT BADGE, the secret in hex: prints hash and signature.
 * SPDX-License-Identifier: Apache-2.0 OR MIT */
#include "limen_grant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bytes_of(const char *hex, uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
}

static int sign(char **arguments) {
  uint8_t secret[32];
  char content_sha256[65], signature[44];
  struct limen_request request = {
      .method = "POST",
      .path = arguments[3],
      .content_type = "image/jpeg",
      .body = (const uint8_t *)arguments[4],
      .body_len = strlen(arguments[4]),
      .timestamp_us = strtoull(arguments[5], NULL, 10),
      .nonce = "q83vASNFZ4mrze8B",
      .event = arguments[6],
      .captured_at = "2027-01-15T08:00:00.000Z",
      .badge = arguments[7][0] ? arguments[7] : NULL,
  };
  bytes_of(arguments[2], secret, sizeof secret);
  if (limen_request_sign(NULL, &request, content_sha256, signature) != LIMEN_GRANT_MALFORMED) return 1;
  if (limen_request_sign(secret, &request, content_sha256, signature) != 0) return 1;
  printf("%s %s\n", content_sha256, signature);
  return 0;
}

int main(int count, char **arguments) {
  if (count == 8 && strlen(arguments[2]) == 64) return sign(arguments);
  uint8_t key[32], gate[16];
  uint32_t open_ms = 0;
  if (count != 6 || strlen(arguments[1]) != 64 || strlen(arguments[2]) != 32) return 2;
  bytes_of(arguments[1], key, sizeof key);
  bytes_of(arguments[2], gate, sizeof gate);
  int32_t code = limen_grant_verify(arguments[5], strlen(arguments[5]), key, gate, arguments[3],
                                    strlen(arguments[3]), strtoull(arguments[4], NULL, 10), &open_ms);
  printf("%" PRId32 " %" PRIu32 "\n", code, open_ms);
  return code == LIMEN_GRANT_OPEN || open_ms == 0 ? 0 : 1;
}
