/* A JSON reader that keeps nothing (RFC 8259). */

#include "json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64, NUMBER_CHARS_MAX = 63 };

typedef struct {
  const char *at, *end, *name;
  json_found found;
  double number;
} reader;

static bool value(reader *r, int depth, bool is_wanted);

static void blanks(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool next(reader *r, char wanted) {
  blanks(r);
  if (r->at == r->end || *r->at != wanted) return false;
  r->at++;
  return true;
}

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

static bool escape(reader *r) {
  if (r->at == r->end) return false;
  char c = *r->at++;
  if (c != 'u') return strchr("\"\\/bfnrt", c) != NULL;
  for (int digit = 0; digit < 4; digit++) {
    if (r->at == r->end || !is_hex(*r->at++)) return false;
  }
  return true;
}

/* Whether the text is `name` is told by its bytes: a name with escapes is another. */
static bool string(reader *r, bool *is_name) {
  if (!next(r, '"')) return false;
  const char *start = r->at;
  while (r->at < r->end && *r->at != '"') {
    if ((unsigned char)*r->at < 0x20) return false;
    if (*r->at++ == '\\' && !escape(r)) return false;
  }
  if (r->at == r->end) return false;
  size_t len = (size_t)(r->at++ - start);
  *is_name = len == strlen(r->name) && memcmp(start, r->name, len) == 0;
  return true;
}

static bool digits(reader *r) {
  const char *start = r->at;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
  return r->at > start;
}

static bool number(reader *r, bool is_wanted) {
  const char *start = r->at;
  if (*r->at == '-') r->at++;
  bool is_zero = r->at < r->end && *r->at == '0';
  if (is_zero) r->at++;
  if (!is_zero && !digits(r)) return false;
  if (r->at < r->end && *r->at == '.' && (r->at++, !digits(r))) return false;
  if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
    r->at++;
    if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
    if (!digits(r)) return false;
  }
  if (!is_wanted) return true;
  char copy[NUMBER_CHARS_MAX + 1];
  size_t len = (size_t)(r->at - start);
  if (len > NUMBER_CHARS_MAX) return false;
  memcpy(copy, start, len);
  copy[len] = '\0';
  r->found = JSON_NUMBER;
  r->number = strtod(copy, NULL);
  return true;
}

static bool word(reader *r, const char *text) {
  size_t len = strlen(text);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) return false;
  r->at += len;
  return true;
}

static bool object(reader *r, int depth) {
  if (next(r, '}')) return true;
  do {
    bool is_name = false;
    if (!string(r, &is_name) || !next(r, ':')) return false;
    if (!value(r, depth + 1, is_name && depth == 0)) return false;
  } while (next(r, ','));
  return next(r, '}');
}

static bool array(reader *r, int depth) {
  if (next(r, ']')) return true;
  do {
    if (!value(r, depth + 1, false)) return false;
  } while (next(r, ','));
  return next(r, ']');
}

static bool value(reader *r, int depth, bool is_wanted) {
  bool ignored;
  blanks(r);
  if (r->at == r->end || depth > DEPTH_MAX) return false;
  if (is_wanted) r->found = JSON_OTHER;
  switch (*r->at) {
    case '{': r->at++; return object(r, depth);
    /* Names inside an array are not those of the outermost object. */
    case '[': r->at++; return array(r, depth + 1);
    case '"': return string(r, &ignored);
    case 't': return word(r, "true");
    case 'f': return word(r, "false");
    case 'n': return word(r, "null");
    default: return (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) && number(r, is_wanted);
  }
}

json_found json_number(const char *text, size_t len, const char *name, double *found) {
  reader r = {.at = text, .end = text + len, .name = name, .found = JSON_ABSENT};
  if (!value(&r, 0, false)) return JSON_INVALID;
  blanks(&r);
  if (r.at != r.end) return JSON_INVALID;
  *found = r.number;
  return r.found;
}
