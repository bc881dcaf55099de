/* Tidegate's contract for C: what a plugin reads, answers and may call. `tidegate.c` carries it over the boundary. */

#ifndef TIDEGATE_H
#define TIDEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes at `ptr`. What the host gives lives until `process` returns. */
typedef struct {
  const uint8_t *ptr;
  size_t len;
} tg_bytes;

/* Bytes that may be absent. */
typedef struct {
  bool is_there;
  tg_bytes bytes;
} tg_option;

/* One MQTT message. */
typedef struct {
  tg_bytes topic;
  tg_bytes payload;
  uint64_t received_ms; /* when Tidegate received it: milliseconds since 1970 */
  uint8_t qos;          /* 0, 1 or 2 */
  bool retain;          /* the broker kept this message and sent it at subscription */
} tg_message;

/* One Kafka header, or one user property of MQTT 5. */
typedef struct {
  tg_bytes name;
  tg_bytes value;
} tg_pair;

typedef struct {
  tg_pair *ptr;
  size_t len;
} tg_pairs;

/* One Kafka record to produce. What is absent is as the rule says; an absent payload is a tombstone. */
typedef struct {
  tg_option topic;
  tg_option key;
  tg_option payload;
  tg_pairs headers;
  struct {
    bool is_there;
    uint64_t value;
  } timestamp_ms;
} tg_output;

/* What became of one message; made by the functions below. */
typedef struct {
  uint8_t kind;
  tg_bytes body;
} tg_outcome;

/* ---- What the plugin has ------------------------------------------------------------------------------------------ */

/* Once, before any message. `config` is the rule's `config` as JSON, or empty. Answer NULL, or why it is refused. */
const char *plugin_init(tg_bytes config);

/* Says what becomes of one message. `index` is its place in the batch in hand, for the properties. */
tg_outcome plugin_process(const tg_message *message, uint32_t index);

/* ---- Answers ------------------------------------------------------------------------------------------------------- */

tg_outcome tg_pass(void);                                   /* forward unchanged */
tg_outcome tg_drop(void);                                   /* filter out */
tg_outcome tg_replace(const void *payload, size_t len);     /* forward with this payload, which is copied */
tg_outcome tg_emit(tg_output *outputs, size_t count);       /* forward these records; from tg_alloc */
tg_outcome tg_fail(const char *reason);                     /* cannot be transformed */

/* Memory, not initialised, that lives until the answer was read. Never NULL; not to be freed. */
void *tg_alloc(size_t len);
/* The bytes of a text, which must live until the answer was read. */
tg_bytes tg_text(const char *text);
tg_option tg_some(tg_bytes bytes);

/* ---- What the plugin may call ----------------------------------------------------------------------------------------- */

typedef enum { TG_TRACE, TG_DEBUG, TG_INFO, TG_WARN, TG_ERROR } tg_level;
void tg_log(tg_level level, const char *message);

/* MQTT 5 properties of a message of the batch in hand. */
tg_option tg_content_type(uint32_t index);
tg_option tg_response_topic(uint32_t index);
tg_option tg_correlation_data(uint32_t index);
tg_pairs tg_user_properties(uint32_t index);
/* Seconds until the message is stale, or -1. */
int64_t tg_message_expiry(uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
