/* What firmware does, in one file of C99 and POSIX: it signs what it asks, opens on a token that holds and on nothing
 * else, and reports what became of the grant.
 *
 *   cargo rustc -p limen-grant --release --features c --crate-type staticlib
 *   cc -std=c99 -I client client/examples/turnstile.c target/release/liblimen_grant.a -lpthread -ldl -lm -o turnstile
 *   export GATE_ID=... KEY_ID=... SECRET=...       # as `limen gate add north` prints them
 *   export PUBLIC_KEY=...                          # as `limen grant-key show grant.key` prints it
 *   ./turnstile localhost:8080 frame.jpg           # and a badge, where one is shown
 *
 * The last line says `open for N ms` (exit 0) or `stay shut: why` (exit 1; 2: it was not started as it must be).
 * It speaks plain HTTP/1.1 and no TLS: that is for stunnel or another proxy beside it, whose address is then given.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */
#define _POSIX_C_SOURCE 200809L

#include "limen_grant.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long an answer is awaited, in milliseconds: shorter than frames may be old, so that there is time to ask again.
 * PATIENCE_MS in the environment sets another. */
#define PATIENCE_MS 2000
#define PATIENCE_MS_MAX 30000
/* A lost answer is asked for once more. */
#define ATTEMPTS_MAX 2
/* The longest that a token opens. */
#define TOKEN_LIFETIME_S 5
#define FRAME_BYTES_MAX (10u << 20)
#define HEAD_BYTES_MAX 2048
#define ANSWER_BYTES_MAX 65536
#define BADGE_LEN_MAX 64
#define JSON_DEPTH_MAX 8

struct gate {
  const char *host, *port, *id, *key;
  uint8_t uuid[16], secret[32], public_key[32];
  int patience_ms;
};

/* One thing that is asked: what is signed, and where. */
struct ask {
  const char *path, *content_type, *event, *captured_at, *badge;
  const uint8_t *body;
  size_t body_len;
};

/* What is read of an answer: as much as decides. Absent texts are empty. */
struct answer {
  int status;
  char decision[16], reason[48], code[48], token[512];
};

enum delivery {
  UNREACHED, /* nothing was sent: there is no grant */
  LOST,      /* sent, and no answer that can be read: there may be a grant */
  ANSWERED,
};

static char why[160];

static void because(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(why, sizeof why, format, arguments);
  va_end(arguments);
}

/* ---- Texts ---- */

/* 32 bytes in base64url without padding: 43 characters, the last of which has two bits to spare. */
static bool bytes_of(const char *text, uint8_t bytes[32]) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint32_t bits = 0;
  int held = 0;
  size_t written = 0;
  if (strlen(text) != 43) return false;
  for (; *text; text++) {
    const char *digit = strchr(digits, *text);
    if (!digit) return false;
    bits = bits << 6 | (uint32_t)(digit - digits);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[written++] = (uint8_t)(bits >> held);
      bits &= (1u << held) - 1;
    }
  }
  return written == 32 && bits == 0;
}

static int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A UUID as the service writes it: 36 characters, lower case. */
static bool uuid_of(const char *text, uint8_t uuid[16]) {
  if (strlen(text) != 36) return false;
  for (int i = 0, byte = 0; i < 36;) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (text[i++] != '-') return false;
      continue;
    }
    int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return false;
    uuid[byte++] = (uint8_t)(high << 4 | low);
    i += 2;
  }
  return true;
}

/* 32 random hexadecimal digits, which nobody used before: an event's name, or a nonce. */
static bool random_text(char text[33]) {
  uint8_t bytes[16];
  int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  bool whole = read(file, bytes, sizeof bytes) == (ssize_t)sizeof bytes;
  close(file);
  for (size_t i = 0; whole && i < sizeof bytes; i++) snprintf(text + 2 * i, 3, "%02x", (unsigned)bytes[i]);
  return whole;
}

/* ---- Clocks ---- */

static uint64_t now_us(void) {
  struct timespec now;
  /* A clock that cannot be read is in 1970: every token is then from the future. */
  if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0) return 0;
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void now_text(char text[32]) {
  uint64_t now = now_us();
  time_t seconds = (time_t)(now / 1000000u);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t len = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(text + len, 32 - len, ".%03uZ", (unsigned)(now / 1000u % 1000u));
}

/* Of the clock that nobody sets, for waiting. */
static int64_t monotonic_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return INT64_MAX;
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- JSON ---- */

/* Whether `text` goes on with a JSON string; moves behind it. What it holds is copied where it is wanted: then it may
 * have no escapes (codes and tokens have none) and must fit. */
static bool json_string(const char **text, char *wanted, size_t wanted_size) {
  const char *at = *text;
  size_t len = 0;
  if (*at++ != '"') return false;
  for (; *at != '"'; at++) {
    if ((unsigned char)*at < 0x20) return false;
    if (*at == '\\') {
      if (wanted || !strchr("\"\\/bfnrtu", at[1]) || !at[1]) return false;
      at++;
    } else if (wanted) {
      if (len + 1 >= wanted_size) return false;
      wanted[len++] = *at;
    }
  }
  if (wanted) wanted[len] = 0;
  *text = at + 1;
  return true;
}

static void json_space(const char **text) { *text += strspn(*text, " \t\r\n"); }

static bool json_digits(const char **text) {
  size_t len = strspn(*text, "0123456789");
  *text += len;
  return len > 0;
}

/* Whether `text` goes on with a JSON number; moves behind it. */
static bool json_number(const char **text) {
  if (**text == '-') ++*text;
  /* No digit may follow a leading zero. */
  if (**text == '0') ++*text;
  else if (!json_digits(text)) return false;
  if (**text == '.') {
    ++*text;
    if (!json_digits(text)) return false;
  }
  if (**text != 'e' && **text != 'E') return true;
  ++*text;
  if (**text == '+' || **text == '-') ++*text;
  return json_digits(text);
}

/* Whether `text` goes on with a JSON value, which is of no interest; moves behind it. */
static bool json_skip(const char **text, int depth) {
  json_space(text);
  char open = **text;
  if (open == '"') return json_string(text, NULL, 0);
  if (open != '{' && open != '[') {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
      size_t len = strlen(words[i]);
      if (strncmp(*text, words[i], len) == 0) return *text += len, true;
    }
    return json_number(text);
  }
  if (depth == JSON_DEPTH_MAX) return false;
  char close = open == '{' ? '}' : ']';
  ++*text;
  json_space(text);
  if (**text == close) return ++*text, true;
  for (;;) {
    if (open == '{') {
      json_space(text);
      if (!json_string(text, NULL, 0)) return false;
      json_space(text);
      if (*(*text)++ != ':') return false;
    }
    if (!json_skip(text, depth + 1)) return false;
    json_space(text);
    char next = *(*text)++;
    if (next == close) return true;
    if (next != ',') return false;
  }
}

/* Reads what decides from the object that an answer is. A member that comes twice, or anything that is no JSON, makes
 * the whole answer unreadable. */
static bool json_answer(const char *text, struct answer *answer) {
  struct {
    const char *name;
    char *value;
    size_t size;
    bool seen;
  } wanted[] = {
      {"decision", answer->decision, sizeof answer->decision, false},
      {"reason", answer->reason, sizeof answer->reason, false},
      {"code", answer->code, sizeof answer->code, false},
      {"token", answer->token, sizeof answer->token, false},
  };
  json_space(&text);
  if (*text++ != '{') return false;
  json_space(&text);
  bool more = *text != '}';
  while (more) {
    char name[32];
    size_t i = 0, count = sizeof wanted / sizeof *wanted;
    json_space(&text);
    /* A name that does not fit, or has escapes, is none of ours. */
    if (!json_string(&text, name, sizeof name)) {
      *name = 0;
      if (!json_string(&text, NULL, 0)) return false;
    }
    while (i < count && strcmp(name, wanted[i].name) != 0) i++;
    json_space(&text);
    if (*text++ != ':') return false;
    json_space(&text);
    if (i < count && wanted[i].seen) return false;
    if (i < count) wanted[i].seen = true;
    /* A null is as good as absent. */
    bool read = i < count && *text == '"' ? json_string(&text, wanted[i].value, wanted[i].size) : json_skip(&text, 0);
    if (!read) return false;
    json_space(&text);
    more = *text == ',';
    if (more) text++;
  }
  if (*text++ != '}') return false;
  json_space(&text);
  return *text == 0;
}

/* ---- HTTP ---- */

/* Waits until the socket can be read or written, no longer than until the deadline. */
static bool ready(int socket, short events, int64_t deadline) {
  for (;;) {
    int64_t left = deadline - monotonic_ms();
    struct pollfd one = {.fd = socket, .events = events};
    if (left <= 0) return false;
    int found = poll(&one, 1, (int)left);
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

static int connected(const struct gate *gate, int64_t deadline) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int file = -1, error = getaddrinfo(gate->host, gate->port, &hints, &found);
  if (error != 0) {
    because("%s has no address: %s", gate->host, gai_strerror(error));
    return -1;
  }
  for (struct addrinfo *one = found; one && file < 0; one = one->ai_next) {
    int failed = 0;
    socklen_t len = sizeof failed;
    file = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
    if (file < 0) continue;
    fcntl(file, F_SETFL, O_NONBLOCK);
    if (connect(file, one->ai_addr, one->ai_addrlen) != 0) {
      if (errno != EINPROGRESS) failed = errno;
      else if (!ready(file, POLLOUT, deadline)) failed = ETIMEDOUT;
      else getsockopt(file, SOL_SOCKET, SO_ERROR, &failed, &len);
    }
    if (failed) {
      because("the service cannot be reached: %s", strerror(failed));
      close(file);
      file = -1;
    }
  }
  freeaddrinfo(found);
  return file;
}

static bool sent(int socket, const void *bytes, size_t len, int64_t deadline) {
  const char *at = bytes;
  while (len > 0) {
    if (!ready(socket, POLLOUT, deadline)) return false;
    ssize_t count = send(socket, at, len, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) at += count, len -= (size_t)count;
  }
  return true;
}

/* A header of the answer's head, which ends with an empty line; NULL: none. */
static const char *header(const char *head, const char *name) {
  size_t len = strlen(name);
  const char *line = head;
  while ((line = strstr(line, "\r\n"))) {
    line += 2;
    if (strncmp(line, "\r\n", 2) == 0) return NULL;
    if (strncasecmp(line, name, len) == 0 && line[len] == ':') return line + len + 1 + strspn(line + len + 1, " \t");
  }
  return NULL;
}

/* Reads an answer whole: one that was cut off, or is of no stated length, is none. */
static bool received(int socket, int64_t deadline, struct answer *answer) {
  static char text[ANSWER_BYTES_MAX + 1];
  size_t len = 0;
  memset(answer, 0, sizeof *answer);
  for (;;) {
    text[len] = 0;
    const char *end = strstr(text, "\r\n\r\n");
    if (end) {
      const char *length = header(text, "content-length");
      int status = 0;
      if (sscanf(text, "HTTP/1.%*1[01] %3d", &status) != 1 || !length) break;
      char *behind = NULL;
      unsigned long body_len = strtoul(length, &behind, 10);
      const char *body = end + 4;
      size_t read = len - (size_t)(body - text);
      if (behind == length || *behind != '\r' || body_len > ANSWER_BYTES_MAX || read > body_len) break;
      if (read == body_len) {
        answer->status = status;
        /* A zero within would hide what is behind it. */
        return strlen(body) == body_len && json_answer(body, answer);
      }
    }
    if (len == ANSWER_BYTES_MAX || !ready(socket, POLLIN, deadline)) break;
    ssize_t count = recv(socket, text + len, ANSWER_BYTES_MAX - len, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) break;
    if (count > 0) len += (size_t)count;
  }
  return false;
}

/* Signs what is asked, and reads the answer. */
static enum delivery ask_once(const struct gate *gate, const struct ask *ask, struct answer *answer) {
  char nonce[33], content_sha256[65], signature[44], head[HEAD_BYTES_MAX];
  int64_t deadline = monotonic_ms() + gate->patience_ms;
  if (!random_text(nonce)) return because("there is no randomness"), UNREACHED;
  int file = connected(gate, deadline);
  if (file < 0) return UNREACHED;
  /* Signed once the connection stands: a signature is soon stale. */
  struct limen_request request = {
      .method = "POST",
      .path = ask->path,
      .content_type = ask->content_type,
      .body = ask->body,
      .body_len = ask->body_len,
      .timestamp_us = now_us(),
      .nonce = nonce,
      .event = ask->event,
      .captured_at = ask->captured_at,
      .badge = ask->badge,
  };
  enum delivery delivery = UNREACHED;
  if (limen_request_sign(gate->secret, &request, content_sha256, signature) != 0) because("cannot be signed");
  else {
    /* A header that is empty is not sent. */
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nhost: %s:%s\r\nconnection: close\r\ncontent-length: %zu\r\n"
                       "authorization: Limen-HMAC-SHA256 key=%s,timestamp=%016" PRIu64 ",nonce=%s,signature=%s\r\n"
                       "content-type: %s\r\nx-content-sha256: %s\r\nx-event-id: %s\r\n%s%s%s%s%s%s\r\n",
                       ask->path, gate->host, gate->port, ask->body_len, gate->key, request.timestamp_us, nonce,
                       signature, ask->content_type, content_sha256, ask->event,
                       *ask->captured_at ? "x-captured-at: " : "", ask->captured_at, *ask->captured_at ? "\r\n" : "",
                       *ask->badge ? "x-badge-id: " : "", ask->badge, *ask->badge ? "\r\n" : "");
    if (len < 0 || (size_t)len >= sizeof head) because("the head is longer than %d bytes", HEAD_BYTES_MAX);
    else {
      delivery = LOST;
      because("there was no answer that can be read within %d ms", gate->patience_ms);
      /* Who refuses by the head alone may answer before all of the frame is sent. */
      if (sent(file, head, (size_t)len, deadline)) (void)sent(file, ask->body, ask->body_len, deadline);
      if (received(file, deadline, answer)) delivery = ANSWERED;
    }
  }
  close(file);
  return delivery;
}

/* Asks again where the answer got lost: the same event and frame, signed anew, get the recorded answer. */
static enum delivery ask_until_answered(const struct gate *gate, const struct ask *ask, struct answer *answer) {
  enum delivery delivery = UNREACHED;
  for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    enum delivery now = ask_once(gate, ask, answer);
    /* A fault of the service says nothing about what it had decided, and a refusal nothing about what was decided
     * before, where that answer got lost. */
    if (now == ANSWERED && answer->status >= (delivery == LOST ? 400 : 500)) {
      because("%s: %d %s", answer->status >= 500 ? "the service failed" : "refused", answer->status, answer->code);
      now = LOST;
    }
    if (now == ANSWERED) return ANSWERED;
    if (now == LOST) delivery = LOST;
  }
  return delivery;
}

/* Reports what became of a grant, by the event that asked for it. Real firmware keeps a report that got lost and sends
 * it again under its own event id. */
static void report(const struct gate *gate, const char *became, const char *grant_event) {
  char path[80], body[224], event[33], now[32];
  struct answer answer;
  if (!random_text(event)) return;
  now_text(now);
  snprintf(path, sizeof path, "/v1/gates/%s/inputs", gate->id);
  snprintf(body, sizeof body, "{\"input\":\"%s\",\"happened_at\":\"%s\",\"passage_event_id\":\"%s\"}", became, now,
           grant_event);
  struct ask ask = {path, "application/json", event, "", "", (const uint8_t *)body, strlen(body)};
  if (ask_until_answered(gate, &ask, &answer) != ANSWERED) fprintf(stderr, "%s was not recorded: %s\n", became, why);
  /* not_a_grant: there was none. */
  else if (answer.status != 200) fprintf(stderr, "%s was not recorded: %d %s\n", became, answer.status, answer.code);
}

/* For how long to open; 0: not at all, and `why`. Only the token opens: whatever else the answer says, anybody could
 * have written. */
static uint32_t granted(const struct gate *gate, const char *event, const struct answer *answer) {
  static const char *const refusals[] = {"open",          "it is no token",      "of another version",
                                         "no public key", "not signed by Limen", "for another gate",
                                         "another event", "expired",             "from the future: set the clock"};
  uint32_t open_ms = 0;
  if (!*answer->token) return because("%s without a token", *answer->decision ? answer->decision : "an answer"), 0;
  int32_t refusal = limen_grant_verify(answer->token, strlen(answer->token), gate->public_key, gate->uuid, event,
                                       strlen(event), now_us() / 1000u, &open_ms);
  if (refusal == LIMEN_GRANT_OPEN) return open_ms;
  bool known = refusal > 0 && (size_t)refusal < sizeof refusals / sizeof *refusals;
  return because("the token does not hold: %s", known ? refusals[refusal] : "unknown"), 0;
}

/* Asks for a passage with a frame that was captured now: for how long to open, and the event to report it by; 0: not at
 * all, and `why`. */
static uint32_t pass(const struct gate *gate, const uint8_t *frame, size_t frame_len, const char *badge,
                     char event[33]) {
  char path[80], captured_at[32];
  struct answer answer;
  if (!random_text(event)) return because("there is no randomness"), 0;
  now_text(captured_at);
  snprintf(path, sizeof path, "/v1/gates/%s/passages", gate->id);
  const char *kind = frame[0] == 0x89 ? "image/png" : "image/jpeg";
  struct ask ask = {path, kind, event, captured_at, badge, frame, frame_len};
  enum delivery delivery = ask_until_answered(gate, &ask, &answer);
  if (delivery == UNREACHED) return 0;
  if (delivery == ANSWERED) {
    if (answer.status >= 400) return because("refused: %d %s", answer.status, answer.code), 0;
    if (strcmp(answer.decision, "deny") == 0 || strcmp(answer.decision, "retry") == 0)
      return because("%s: %s", answer.decision, answer.reason), 0;
    uint32_t open_ms = granted(gate, event, &answer);
    if (open_ms > 0) return open_ms;
  }
  /* There may be a grant all the same, on which nobody opens once its token has expired. */
  char before[sizeof why];
  memcpy(before, why, sizeof before);
  struct timespec wait = {.tv_sec = TOKEN_LIFETIME_S};
  while (nanosleep(&wait, &wait) != 0 && errno == EINTR) continue;
  report(gate, "grant_unused", event);
  memcpy(why, before, sizeof before);
  return 0;
}

/* ---- From the command line ---- */

static bool setting(const char *name, const char **value) {
  *value = getenv(name);
  if (!*value) fprintf(stderr, "%s is not set\n", name);
  return *value != NULL;
}

static bool gate_of(char *address, struct gate *gate) {
  const char *secret, *public_key, *patience = getenv("PATIENCE_MS");
  uint8_t key[16];
  char *colon = strrchr(address, ':');
  if (!colon || colon == address || strlen(address) > 256) return fprintf(stderr, "no HOST:PORT: %s\n", address), false;
  *colon = 0;
  gate->host = address, gate->port = colon + 1;
  if (!setting("GATE_ID", &gate->id) || !setting("KEY_ID", &gate->key) || !setting("SECRET", &secret) ||
      !setting("PUBLIC_KEY", &public_key))
    return false;
  gate->patience_ms = patience ? atoi(patience) : PATIENCE_MS;
  if (gate->patience_ms < 1 || gate->patience_ms > PATIENCE_MS_MAX)
    return fprintf(stderr, "PATIENCE_MS: 1 to %d\n", PATIENCE_MS_MAX), false;
  if (!uuid_of(gate->id, gate->uuid) || !uuid_of(gate->key, key))
    return fprintf(stderr, "GATE_ID and KEY_ID are UUIDs in lower case\n"), false;
  if (!bytes_of(secret, gate->secret) || !bytes_of(public_key, gate->public_key))
    return fprintf(stderr, "SECRET and PUBLIC_KEY are 32 bytes in base64url, 43 characters\n"), false;
  return true;
}

/* A badge goes into a header: visible ASCII alone. */
static bool is_badge(const char *badge) {
  size_t len = strlen(badge);
  for (size_t i = 0; i < len; i++)
    if (badge[i] <= ' ' || badge[i] > '~') return false;
  return len <= BADGE_LEN_MAX;
}

int main(int count, char **arguments) {
  static uint8_t frame[FRAME_BYTES_MAX + 1];
  struct gate gate;
  if (count != 3 && count != 4) return fprintf(stderr, "usage: turnstile HOST:PORT FRAME [BADGE]\n"), 2;
  const char *badge = count == 4 ? arguments[3] : "";
  if (!is_badge(badge)) return fprintf(stderr, "a badge has up to %d visible characters\n", BADGE_LEN_MAX), 2;
  if (!gate_of(arguments[1], &gate)) return 2;
  FILE *file = fopen(arguments[2], "rb");
  size_t len = file ? fread(frame, 1, sizeof frame, file) : 0;
  if (!file || ferror(file)) return fprintf(stderr, "%s: %s\n", arguments[2], strerror(errno)), 2;
  fclose(file);
  if (len == 0 || len > FRAME_BYTES_MAX)
    return fprintf(stderr, "%s: a frame has 1 to %u bytes\n", arguments[2], FRAME_BYTES_MAX), 2;

  char event[33];
  uint32_t open_ms = pass(&gate, frame, len, badge, event);
  if (open_ms == 0) return printf("stay shut: %s\n", why), 1;
  /* It opens before anything else is sent: who waits does not wait for a report. */
  printf("open for %" PRIu32 " ms\n", open_ms);
  fflush(stdout);
  /* Here the turnstile turns, and is shut again; what follows is reported then. */
  report(&gate, "rotation_done", event);
  return 0;
}
