/* Turns {"f": 212} into {"c": 100.00}. */

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "tidegate.h"

const char *plugin_init(tg_bytes config) {
  bool is_empty = config.len == 0 || (config.len == 2 && memcmp(config.ptr, "{}", 2) == 0);
  return is_empty ? NULL : "this plugin takes no configuration";
}

tg_outcome plugin_process(const tg_message *message, uint32_t index) {
  (void)index;
  double fahrenheit = 0;
  switch (json_number((const char *)message->payload.ptr, message->payload.len, "f", &fahrenheit)) {
    case JSON_INVALID: return tg_fail("the payload is not JSON");
    case JSON_ABSENT: return tg_drop();
    case JSON_OTHER: return tg_fail("`f` is not a number");
    case JSON_NUMBER: break;
  }
  char text[64];
  int len = snprintf(text, sizeof text, "{\"c\":%.2f}", (fahrenheit - 32) / 1.8);
  if (len < 0 || len >= (int)sizeof text) return tg_fail("`f` is too large");
  return tg_replace(text, (size_t)len);
}
