/* admin/api/openapi.h - the API's description (admin/openapi.json), as it lies in the program: made
 * by the build (cmake/openapi.cmake), without the spaces that are there for people.
 */
#ifndef KITBAG_ADMIN_API_OPENAPI_H
#define KITBAG_ADMIN_API_OPENAPI_H

#include <stddef.h>
#include <stdint.h>

extern const unsigned char admin_openapi_json[];
extern const size_t admin_openapi_size;
extern const uint64_t admin_openapi_etag; /* changes with the bytes; never 0 */

#endif
