/* admin/api/accounts.c - the accounts of administrators. */
#include "admin/auth/accounts.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api/api.h"
#include "admin/auth/sign_in.h"

enum { ACCOUNTS_LIMIT = 200, ACCOUNTS_LIMIT_MAX = AUTH_ACCOUNTS_MAX };

static json_t *document(const struct auth_account_row *row)
{
    const struct auth_account *account = &row->account;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:b, s:b, s:o}", "name", account->name, "role",
                     auth_role_name(account->role), "created_at",
                     admin_api_time(account->created_ms), "changed_at",
                     admin_api_time(account->changed_ms), "last_sign_in",
                     admin_api_time(account->used_ms), "locked", row->locked, "must_change",
                     account->must_change, "seq", admin_api_seq(account->seq));
}

static int no_memory(struct err *err)
{
    return err_set(err, E_NOMEM, "out of memory");
}

static struct auth_by by_of(const struct admin_request *request)
{
    return (struct auth_by){request->auth, request->backend, request->actor};
}

/* --- GET --- */

static int answer_list(const struct auth_account_row *rows, size_t count, bool more,
                       struct admin_response *response, struct err *err)
{
    json_t *array = json_array();
    int rc = array != NULL ? 0 : -1;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = json_array_append_new(array, document(&rows[i]));
    }
    if (rc == 0) {
        response->json = json_pack("{s:O}", "accounts", array);
    }
    if (response->json != NULL && more) {
        rc = json_object_set_new(response->json, "next",
                                 json_string(rows[count - 1].account.folded));
    }
    json_decref(array);
    return rc == 0 && response->json != NULL ? 0 : no_memory(err);
}

int admin_api_accounts(const struct admin_request *request, struct admin_response *response,
                       struct err *err)
{
    uint64_t limit = ACCOUNTS_LIMIT;
    const char *after = admin_query(request, "cursor");
    bool more = false;
    int rc = admin_query_number(request, "limit", 1, ACCOUNTS_LIMIT_MAX, &limit, err);
    if (rc != 0) {
        return rc;
    }
    struct auth_account_row *rows = calloc(limit, sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    size_t count =
        auth_accounts_list(request->auth, after != NULL ? after : "", limit, rows, &more);
    rc = answer_list(rows, count, more, response, err);
    free(rows);
    return rc;
}

/* --- POST --- */

/* Absent: NULL. */
static int optional_text(const json_t *body, const char *member, const char **out, struct err *err)
{
    const json_t *value = json_object_get(body, member);
    const char *text = json_string_value(value);
    if (value != NULL && (text == NULL || strlen(text) != json_string_length(value))) {
        return err_set(err, E_INVALID, "'%s' is a text", member);
    }
    *out = text;
    return 0;
}

static int read_new(const json_t *body, struct auth_new_account *wanted, struct err *err)
{
    const char *role = NULL;
    int rc = optional_text(body, "name", &wanted->name, err);
    if (rc == 0) {
        rc = optional_text(body, "password", &wanted->password, err);
    }
    if (rc == 0) {
        rc = optional_text(body, "role", &role, err);
    }
    if (rc == 0 && wanted->name == NULL) {
        rc = err_set(err, E_INVALID, "'name' has to be there");
    }
    return rc == 0 ? auth_role_parse(role, &wanted->role, err) : rc;
}

static int answer_new(const struct auth_account_row *row, const char *made_up,
                      struct admin_response *response, struct err *err)
{
    response->status = 201;
    response->etag = row->account.seq;
    response->json = document(row);
    response->about = json_pack("{s:s, s:s}", "account", row->account.name, "role",
                                auth_role_name(row->account.role));
    int rc = response->json != NULL ? 0 : -1;
    if (rc == 0 && made_up[0] != '\0') {
        rc = json_object_set_new(response->json, "password", json_string(made_up));
    }
    return rc == 0 ? 0 : no_memory(err);
}

int admin_api_accounts_add(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    json_t *body = NULL;
    struct auth_by by = by_of(request);
    struct auth_new_account wanted = {0};
    struct auth_account_row row;
    char made_up[ADMIN_MADE_UP_MAX] = "";
    int rc = admin_body_json(request, "name role password", &body, err);
    if (rc == 0) {
        rc = read_new(body, &wanted, err);
    }
    if (rc == 0) {
        rc = auth_account_add(&by, &wanted, made_up, &row, err);
    }
    if (rc == 0) {
        rc = answer_new(&row, made_up, response, err);
    }
    sodium_memzero(made_up, sizeof made_up);
    json_decref(body);
    return rc;
}

/* --- PATCH --- */

static bool is_own(const struct admin_request *request)
{
    char asked[AUTH_NAME_MAX + 1];
    char asks[AUTH_NAME_MAX + 1];
    return request->who != NULL && request->who->via == ADMIN_VIA_SESSION &&
           auth_name_fold(request->parts[0], asked, NULL) == 0 &&
           auth_name_fold(request->who->actor, asks, NULL) == 0 && strcmp(asked, asks) == 0;
}

static int read_change(const struct admin_request *request, json_t *body,
                       struct auth_account_change *change, struct err *err)
{
    const char *role = NULL;
    change->own = is_own(request);
    int rc = admin_request_condition(request, &change->condition, err);
    if (rc == 0) {
        rc = admin_api_bool(body, "unlock", &change->unlock, err);
    }
    if (rc == 0) {
        rc = optional_text(body, "password", &change->password, err);
    }
    if (rc == 0) {
        rc = optional_text(body, "role", &role, err);
    }
    if (rc == 0 && role == NULL && change->password == NULL && !change->unlock) {
        return err_set(err, E_INVALID, "nothing is to be changed: give role, password or unlock");
    }
    return rc == 0 && role != NULL ? auth_role_parse(role, &change->role, err) : rc;
}

static int answer_change(const struct auth_account_row *row,
                         const struct auth_account_change *change, struct admin_response *response,
                         struct err *err)
{
    response->etag = row->account.seq;
    response->json = document(row);
    response->about = json_pack("{s:s, s:b, s:b}", "account", row->account.name, "password",
                                change->password != NULL, "unlock", change->unlock);
    if (response->about != NULL && change->role != ADMIN_ROLE_NONE) {
        (void)json_object_set_new(response->about, "role",
                                  json_string(auth_role_name(change->role)));
    }
    return response->json != NULL ? 0 : no_memory(err);
}

int admin_api_accounts_change(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    json_t *body = NULL;
    struct auth_by by = by_of(request);
    struct auth_account_change change = {0};
    struct auth_account_row row;
    int rc = admin_body_json(request, "role password unlock", &body, err);
    if (rc == 0) {
        rc = read_change(request, body, &change, err);
    }
    if (rc == 0) {
        rc = auth_account_change(&by, request->parts[0], &change, &row, err);
    }
    if (rc == 0) {
        rc = answer_change(&row, &change, response, err);
    }
    json_decref(body);
    return rc;
}

/* --- deleting --- */

static int answer_deletion(const struct auth_deletion *deletion, struct admin_response *response,
                           struct err *err)
{
    json_t *missing = json_array();
    json_t *gone = json_array();
    for (size_t i = 0; i < deletion->count; i++) {
        (void)json_array_append_new(deletion->gone[i] ? gone : missing,
                                    json_string(deletion->names[i]));
    }
    response->json = json_pack("{s:b, s:I, s:o, s:O}", "dry_run", deletion->dry_run, "accounts",
                               (json_int_t)deletion->deleted, "seq",
                               deletion->seq > 0 ? admin_api_seq(deletion->seq) : json_null(),
                               "missing", missing);
    response->about = json_pack("{s:O}", "accounts", gone);
    json_decref(missing);
    json_decref(gone);
    if (response->json == NULL) {
        return no_memory(err);
    }
    return deletion->deleted > 0
               ? 0
               : err_set(err, E_NOT_FOUND, "there is no account of %s",
                         deletion->count > 1 ? "one of these names" : "this name");
}

static int delete_named(const struct admin_request *request, const struct admin_api_named *wanted,
                        struct admin_response *response, struct err *err)
{
    size_t count = json_array_size(wanted->names);
    struct auth_by by = by_of(request);
    const char **texts = calloc(count, sizeof *texts);
    bool *gone = calloc(count, sizeof *gone);
    struct auth_deletion deletion = {
        .names = texts, .count = count, .dry_run = wanted->dry_run, .gone = gone};
    int rc = texts != NULL && gone != NULL ? 0 : no_memory(err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        texts[i] = json_string_value(json_array_get(wanted->names, i));
    }
    if (rc == 0) {
        rc = auth_accounts_delete(&by, &deletion, err);
    }
    if (rc == 0) {
        rc = answer_deletion(&deletion, response, err);
    }
    free(texts);
    free(gone);
    return rc;
}

int admin_api_accounts_delete(const struct admin_request *request, struct admin_response *response,
                              struct err *err)
{
    struct admin_api_named wanted = {0};
    int rc = admin_api_named(request, "names", AUTH_ACCOUNTS_MAX, "account", &wanted, err);
    if (rc == 0) {
        rc = delete_named(request, &wanted, response, err);
    }
    json_decref(wanted.body);
    return rc;
}
