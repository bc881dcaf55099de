/* Finds one number in a JSON object and checks the whole text on the way. Enough for small plugins; for more, put a
 * JSON library beside it. */

#ifndef JSON_H
#define JSON_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { JSON_INVALID, JSON_ABSENT, JSON_NUMBER, JSON_OTHER } json_found;

/* Looks for `name` in the object that `text` is; JSON_ABSENT where it is another value. */
json_found json_number(const char *text, size_t len, const char *name, double *number);

#ifdef __cplusplus
}
#endif

#endif
