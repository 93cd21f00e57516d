/* admin/api/tokens.c - API tokens, what scripts come in with. */
#include "admin/auth/tokens.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"

enum {
    TOKENS_LIMIT = 200,
    TOKENS_LIMIT_MAX = AUTH_TOKENS_MAX,
    DAY_S = 86400,
    LASTS_MIN_S = 60,
};

static json_t *document(const struct auth_token *token)
{
    char id[DEVICE_TEXT_MAX];
    device_format(token->id, id);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:s}", "id", id, "name", token->name, "role",
                     auth_role_name(token->role), "created_at", admin_api_time(token->created_ms),
                     "expires_at", admin_api_time(token->expires_ms), "last_used",
                     admin_api_time(token->used_ms), "by", token->by);
}

static int no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

/* --- GET --- */

static int answer_list(const struct auth_token *rows, size_t count, bool more,
                       struct admin_response *response, struct err *err)
{
    json_t *array = json_array();
    int rc = array != NULL ? 0 : -1;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = json_array_append_new(array, document(&rows[i]));
    }
    if (rc == 0) {
        response->json = json_pack("{s:O}", "tokens", array);
    }
    if (response->json != NULL && more) {
        char id[DEVICE_TEXT_MAX];
        device_format(rows[count - 1].id, id);
        rc = json_object_set_new(response->json, "next", json_string(id));
    }
    json_decref(array);
    return rc == 0 && response->json != NULL ? 0 : no_memory(err);
}

int admin_api_tokens(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    uint64_t limit = TOKENS_LIMIT;
    uint64_t after = 0;
    bool more = false;
    const char *cursor = admin_query(request, "cursor");
    int rc = admin_query_number(request, "limit", 1, TOKENS_LIMIT_MAX, &limit, err);
    if (rc == 0 && cursor != NULL && device_parse(cursor, &after, NULL) != 0) {
        rc = err_set(err, E_INVALID, "'cursor' is not what an earlier answer gave as 'next'");
    }
    if (rc != 0) {
        return rc;
    }
    struct auth_token *rows = calloc(limit, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    size_t count = auth_tokens_list(request->auth, after, limit, rows, &more);
    rc = answer_list(rows, count, more, response, err);
    free(rows);
    return rc;
}

/* --- POST --- */

static int read_new(const struct admin_request *request, json_t *body,
                    struct auth_new_token *wanted, struct err *err)
{
    const json_t *name = json_object_get(body, "name");
    uint64_t lasts_s = (uint64_t)AUTH_TOKEN_DAYS * DAY_S;
    wanted->name = json_string_value(name);
    if (wanted->name == NULL || strlen(wanted->name) != json_string_length(name)) {
        return err_set(err, E_INVALID, "'name' is a text, and has to be there");
    }
    int rc = auth_role_parse(json_string_value(json_object_get(body, "role")), &wanted->role, err);
    if (rc == 0) {
        rc = admin_api_number(body, "expires_s", LASTS_MIN_S, (uint64_t)AUTH_TOKEN_DAYS_MAX * DAY_S,
                              &lasts_s, err);
    }
    if (rc == 0 && wanted->role > request->role) {
        rc = err_set(err, E_NOT_ALLOWED, "an API token can't do more than whoever makes it");
    }
    wanted->lasts_ms = lasts_s * 1000;
    return rc;
}

static int answer_new(const struct auth_token *token, const char *text,
                      struct admin_response *response, struct err *err)
{
    response->status = 201;
    response->json = document(token);
    response->about =
        json_pack("{s:s, s:s, s:o}", "token", token->name, "role", auth_role_name(token->role),
                  "expires_at", admin_api_time(token->expires_ms));
    bool told = response->json != NULL &&
                json_object_set_new(response->json, "token", json_string(text)) == 0;
    return told ? 0 : no_memory(err);
}

int admin_api_tokens_add(const struct admin_request *request, struct admin_response *response,
                         struct err *err)
{
    json_t *body = NULL;
    struct auth_by by = {request->auth, request->backend, request->actor};
    struct auth_new_token wanted = {0};
    struct auth_token token;
    char text[AUTH_TOKEN_TEXT_MAX] = "";
    int rc = admin_body_json(request, "name role expires_s", &body, err);
    if (rc == 0) {
        rc = read_new(request, body, &wanted, err);
    }
    if (rc == 0) {
        rc = auth_token_add(&by, &wanted, text, &token, err);
    }
    if (rc == 0) {
        rc = answer_new(&token, text, response, err);
    }
    sodium_memzero(text, sizeof text);
    json_decref(body);
    return rc;
}

/* --- deleting --- */

static json_t *names_of(const struct auth_token_deletion *deletion, const json_t *ids, bool gone)
{
    json_t *names = json_array();
    for (size_t i = 0; i < deletion->count; i++) {
        if (deletion->gone[i] == gone) {
            (void)json_array_append(names, json_array_get(ids, i));
        }
    }
    return names;
}

static int answer_deletion(const struct auth_token_deletion *deletion, const json_t *ids,
                           struct admin_response *response, struct err *err)
{
    response->json = json_pack("{s:b, s:I, s:o, s:o}", "dry_run", deletion->dry_run, "tokens",
                               (json_int_t)deletion->deleted, "seq",
                               deletion->seq > 0 ? admin_api_seq(deletion->seq) : json_null(),
                               "missing", names_of(deletion, ids, false));
    response->about = json_pack("{s:o}", "tokens", names_of(deletion, ids, true));
    if (response->json == NULL) {
        return no_memory(err);
    }
    return deletion->deleted > 0 ? 0
                                 : err_set(err, E_NOT_FOUND, "no API token has %s",
                                           deletion->count > 1 ? "one of these ids" : "this id");
}

static int delete_named(const struct admin_request *request, const struct admin_api_named *wanted,
                        struct admin_response *response, struct err *err)
{
    const json_t *texts = wanted->names;
    size_t count = json_array_size(texts);
    struct auth_by by = {request->auth, request->backend, request->actor};
    uint64_t *ids = calloc(count, sizeof *ids);
    bool *gone = calloc(count, sizeof *gone);
    struct auth_token_deletion deletion = {
        .ids = ids, .count = count, .dry_run = wanted->dry_run, .gone = gone};
    int rc = ids != NULL && gone != NULL ? 0 : no_memory(err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        /* what is no id stays 0, which no token has */
        (void)!device_parse(json_string_value(json_array_get(texts, i)), &ids[i], NULL);
    }
    if (rc == 0) {
        rc = auth_tokens_delete(&by, &deletion, err);
    }
    if (rc == 0) {
        rc = answer_deletion(&deletion, texts, response, err);
    }
    free(ids);
    free(gone);
    return rc;
}

int admin_api_tokens_delete(const struct admin_request *request, struct admin_response *response,
                            struct err *err)
{
    struct admin_api_named wanted = {0};
    int rc = admin_api_named(request, "ids", AUTH_TOKENS_MAX, "API token", &wanted, err);
    if (rc == 0) {
        rc = delete_named(request, &wanted, response, err);
    }
    json_decref(wanted.body);
    return rc;
}
