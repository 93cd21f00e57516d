/* tests/admin/https/large.h - a route's function whose answer has megabytes. */
#ifndef KITBAG_TESTS_ADMIN_HTTPS_LARGE_H
#define KITBAG_TESTS_ADMIN_HTTPS_LARGE_H

#include <string.h>

#include "admin/route.h"

enum { LARGE_BYTES = 8 << 20 };

static inline int answer_large(const struct admin_request *request, struct admin_response *response,
                               struct err *err)
{
    (void)request;
    (void)err;
    static char text[LARGE_BYTES];
    memset(text, 'x', sizeof text - 1);
    response->json = json_pack("{s:s}", "text", text);
    return 0;
}

#endif
