/* server/tokens.c - one request to the local administrative socket. */
#include "server/tokens.h"

#include <inttypes.h>
#include <jansson.h>

#include "admin/local_request.h"

enum { ANSWER_MAX_BYTES = 64 << 20, TIMEOUT_MS = 60000 };

int tokens_read(struct span json, struct buf *out, struct err *err)
{
    ASSERT(out != NULL);
    size_t before = out->size;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *tokens = json_object_get(root, "tokens");
    int rc = json_is_array(tokens) ? 0 : E_MALFORMED;
    size_t index = 0;
    json_t *token = NULL;
    json_array_foreach(tokens, index, token)
    {
        if (!json_is_string(token)) {
            rc = E_MALFORMED;
        } else if (rc == 0) {
            rc = buf_printf(out, "%s\n", json_string_value(token));
        }
    }
    json_decref(root);
    if (rc != 0) {
        buf_truncate(out, before);
        return err_set(err, rc, "the server's answer holds no join tokens");
    }
    return 0;
}

int tokens_request(const char *data_dir, uint64_t count, uint64_t expires_ms, struct buf *out,
                   struct err *err)
{
    ASSERT(data_dir != NULL && out != NULL);
    struct buf body;
    struct buf answer;
    buf_init(&body, 256);
    buf_init(&answer, ANSWER_MAX_BYTES);
    (void)buf_printf(&body, "{\"count\":%" PRIu64 ",\"expires_s\":%" PRIu64 "}", count,
                     (expires_ms + 999) / 1000);
    struct admin_local_request request = {
        .data_dir = data_dir,
        .method = "POST",
        .target = "/api/v1/enrollments",
        .body = buf_span(&body),
        .timeout_ms = TIMEOUT_MS,
    };
    int rc = buf_error(&body);
    if (rc != 0) {
        rc = err_set(err, rc, "a request for tokens: out of memory");
    } else {
        rc = admin_local_request(&request, &answer, err);
    }
    if (rc == 0) {
        rc = tokens_read(buf_span(&answer), out, err);
    }
    buf_free(&body);
    buf_free(&answer);
    return rc;
}
