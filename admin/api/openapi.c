/* admin/api/openapi.c - GET /openapi.json: what the API is, for programs and for whoever writes
 * them. Anybody may ask: it tells nothing of this server.
 */
#include "admin/api/openapi.h"

#include "admin/api/api.h"

int admin_api_openapi(const struct admin_request *request, struct admin_response *response,
                      struct err *err)
{
    (void)request;
    buf_init(&response->raw, ADMIN_RESPONSE_MAX_BYTES);
    response->is_raw = true;
    response->content_type = "application/json";
    response->etag = admin_openapi_etag;
    int rc = buf_append(&response->raw, admin_openapi_json, admin_openapi_size);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}
