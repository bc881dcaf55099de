/* Carries the contract over the boundary: the canonical ABI of `wit/`, by hand. Nothing to change here. */

#include "tidegate.h"

#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

_Static_assert(sizeof(tg_message) == 32 && offsetof(tg_message, received_ms) == 16, "as the contract lays it out");
_Static_assert(sizeof(tg_option) == 12 && sizeof(tg_outcome) == 12, "as the contract lays it out");
_Static_assert(sizeof(tg_output) == 64 && offsetof(tg_output, timestamp_ms) == 48, "as the contract lays it out");

/* ---- Memory of one call: given out from front to back, taken back as a whole ----------------------------------------- */

enum { CHUNK_BYTES = 64 << 10, CHUNK_BYTES_KEPT = 1 << 20 };

typedef struct chunk {
  struct chunk *older;
  size_t size, used;
  _Alignas(8) uint8_t bytes[];
} chunk;

static chunk *newest;
/* The host has not asked for memory since the last answer, which it may still read. */
static bool is_answered;

static void release(void) {
  while (newest && (newest->older || newest->size > CHUNK_BYTES_KEPT)) {
    chunk *older = newest->older;
    free(newest);
    newest = older;
  }
  if (newest) newest->used = 0;
  is_answered = false;
}

static void *take(size_t align, size_t len) {
  if (newest) {
    size_t at = (newest->used + align - 1) & ~(align - 1);
    if (at <= newest->size && len <= newest->size - at) {
      newest->used = at + len;
      return newest->bytes + at;
    }
  }
  size_t size = len + align > CHUNK_BYTES ? len + align : CHUNK_BYTES;
  chunk *added = malloc(sizeof(chunk) + size);
  if (!added) abort();
  *added = (chunk){.older = newest, .size = size, .used = 0};
  newest = added;
  return take(align, len);
}

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_len, size_t align, size_t len) {
  if (is_answered) release();
  void *place = take(align, len);
  if (old_len) memcpy(place, old, old_len < len ? old_len : len);
  return place;
}

void *tg_alloc(size_t len) { return take(8, len); }

/* ---- Exports ----------------------------------------------------------------------------------------------------------- */

static struct {
  uint8_t is_error;
  tg_bytes reason;
} started;

EXPORT("tidegate:plugin/transform@0.1.0#init")
void *exported_init(const uint8_t *config, size_t len) {
  const char *reason = plugin_init((tg_bytes){config, len});
  started.is_error = reason != NULL;
  if (reason) started.reason = tg_text(reason);
  is_answered = true;
  return &started;
}

static struct {
  tg_outcome *ptr;
  size_t len;
} answer;

EXPORT("tidegate:plugin/transform@0.1.0#process")
void *exported_process(const tg_message *batch, size_t len) {
  answer.ptr = tg_alloc(len * sizeof(tg_outcome));
  answer.len = len;
  for (size_t index = 0; index < len; index++) answer.ptr[index] = plugin_process(&batch[index], (uint32_t)index);
  is_answered = true;
  return &answer;
}

/* ---- Answers ------------------------------------------------------------------------------------------------------------ */

enum { PASS, DROP, REPLACE, EMIT, FAIL };

tg_outcome tg_pass(void) { return (tg_outcome){PASS, {NULL, 0}}; }

tg_outcome tg_drop(void) { return (tg_outcome){DROP, {NULL, 0}}; }

static tg_bytes copied(const void *from, size_t len) {
  uint8_t *to = tg_alloc(len);
  if (len) memcpy(to, from, len);
  return (tg_bytes){to, len};
}

tg_outcome tg_replace(const void *payload, size_t len) { return (tg_outcome){REPLACE, copied(payload, len)}; }

tg_outcome tg_emit(tg_output *outputs, size_t count) {
  return (tg_outcome){EMIT, {(const uint8_t *)outputs, count}};
}

tg_outcome tg_fail(const char *reason) { return (tg_outcome){FAIL, copied(reason, strlen(reason))}; }

tg_bytes tg_text(const char *text) { return (tg_bytes){(const uint8_t *)text, strlen(text)}; }

tg_option tg_some(tg_bytes bytes) { return (tg_option){true, bytes}; }

/* ---- Imports ------------------------------------------------------------------------------------------------------------ */

IMPORT("tidegate:plugin/log@0.1.0", "write")
void imported_write(int32_t level, const char *text, size_t len);
IMPORT("tidegate:plugin/properties@0.1.0", "content-type")
void imported_content_type(uint32_t index, tg_option *result);
IMPORT("tidegate:plugin/properties@0.1.0", "response-topic")
void imported_response_topic(uint32_t index, tg_option *result);
IMPORT("tidegate:plugin/properties@0.1.0", "correlation-data")
void imported_correlation_data(uint32_t index, tg_option *result);
IMPORT("tidegate:plugin/properties@0.1.0", "user-properties")
void imported_user_properties(uint32_t index, tg_pairs *result);
IMPORT("tidegate:plugin/properties@0.1.0", "message-expiry")
void imported_message_expiry(uint32_t index, uint32_t *result);

void tg_log(tg_level level, const char *message) { imported_write((int32_t)level, message, strlen(message)); }

tg_option tg_content_type(uint32_t index) {
  tg_option result;
  imported_content_type(index, &result);
  return result;
}

tg_option tg_response_topic(uint32_t index) {
  tg_option result;
  imported_response_topic(index, &result);
  return result;
}

tg_option tg_correlation_data(uint32_t index) {
  tg_option result;
  imported_correlation_data(index, &result);
  return result;
}

tg_pairs tg_user_properties(uint32_t index) {
  tg_pairs result;
  imported_user_properties(index, &result);
  return result;
}

int64_t tg_message_expiry(uint32_t index) {
  uint32_t result[2];
  imported_message_expiry(index, result);
  return (result[0] & 0xff) ? (int64_t)result[1] : -1;
}
