/* base/json.h - is it JSON, is it UTF-8? Nothing is made of it, and no memory is needed. */
#ifndef KITBAG_BASE_JSON_H
#define KITBAG_BASE_JSON_H

#include "base/buf.h"

enum { JSON_DEPTH_MAX = 64 }; /* of arrays and objects in each other */

/* One value of any type as RFC 8259 has it, blanks around it allowed. Not: other encodings than
 * UTF-8, a byte order mark, half a surrogate pair, what lies deeper than JSON_DEPTH_MAX. The same
 * name twice in an object is allowed. */
bool json_is_valid(struct span text);

/* Is it UTF-8 throughout? What a string of JSON can be made of. */
bool json_is_utf8(struct span text);

#endif
