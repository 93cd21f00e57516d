/* admin/auth/records.c - JSON by jansson. */
#include "admin/auth/records.h"

#include <stdio.h>
#include <string.h>

int auth_name_fold(const char *name, char folded[AUTH_NAME_MAX + 1], struct err *err)
{
    ASSERT(name != NULL && folded != NULL);
    char long_folded[NAME_MAX_BYTES + 1];
    int rc = name_fold(span_str(name), long_folded, err);
    if (rc != 0) {
        return rc;
    }
    if (strlen(name) > AUTH_NAME_MAX || strlen(long_folded) > AUTH_NAME_MAX) {
        return err_set(err, E_NAME, "the name has more than %d bytes", AUTH_NAME_MAX);
    }
    memcpy(folded, long_folded, strlen(long_folded) + 1);
    return 0;
}

static const char *const role_names[] = {"none", "viewer", "operator", "admin"};

const char *auth_role_name(enum admin_role role)
{
    ASSERT((size_t)role < sizeof role_names / sizeof role_names[0]);
    return role_names[role];
}

int auth_role_parse(const char *text, enum admin_role *role, struct err *err)
{
    ASSERT(role != NULL);
    for (int i = ADMIN_ROLE_VIEWER; text != NULL && i <= ADMIN_ROLE_ADMIN; i++) {
        if (strcmp(text, role_names[i]) == 0) {
            *role = (enum admin_role)i;
            return 0;
        }
    }
    return err_set(err, E_INVALID, "'role' is viewer, operator or admin");
}

struct span auth_account_path(char *out, const char *folded)
{
    int size = snprintf(out, AUTH_PATH_MAX, "%s%s", AUTH_ACCOUNT_PREFIX, folded);
    ASSERT(size > 0 && size < AUTH_PATH_MAX);
    return span_of(out, (size_t)size);
}

struct span auth_token_path(char *out, uint64_t id)
{
    char digits[DEVICE_TEXT_MAX];
    device_format(id, digits);
    int size = snprintf(out, AUTH_PATH_MAX, "%s%s", AUTH_TOKEN_ITEM_PREFIX, digits);
    return span_of(out, (size_t)size);
}

/* --- writing --- */

void auth_put_account(struct buf *out, const struct auth_account *account)
{
    ASSERT(out != NULL && account != NULL);
    char stamp[DEVICE_TEXT_MAX];
    device_format(account->stamp, stamp);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:b}", "name", account->name, "role",
                             auth_role_name(account->role), "password", account->password, "stamp",
                             stamp, "created_ms", (json_int_t)account->created_ms, "changed_ms",
                             (json_int_t)account->changed_ms, "must_change", account->must_change);
    (void)admin_json_append(out, json); /* the buffer keeps its error */
    json_decref(json);
}

void auth_put_token(struct buf *out, const struct auth_token *token)
{
    ASSERT(out != NULL && token != NULL);
    char secret[2 * SHA256_SIZE + 1];
    hex_encode(token->secret, SHA256_SIZE, secret);
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s}", "name", token->name, "role",
                             auth_role_name(token->role), "secret", secret, "created_ms",
                             (json_int_t)token->created_ms, "expires_ms",
                             (json_int_t)token->expires_ms, "by", token->by);
    (void)admin_json_append(out, json);
    json_decref(json);
}

/* --- reading --- */

/* Reads fields one after the other; the first fault is kept. */
struct reader {
    json_t *object;
    int rc;
    struct err *err;
};

static void fault(struct reader *reader, const char *field)
{
    if (reader->rc == 0) {
        reader->rc = err_set(reader->err, E_MALFORMED, "its '%s' is not what it should be", field);
    }
}

static const char *text_of(struct reader *reader, const char *field)
{
    const char *text = json_string_value(json_object_get(reader->object, field));
    if (text == NULL) {
        fault(reader, field);
    }
    return text != NULL ? text : "";
}

static void read_text(struct reader *reader, const char *field, char *out, size_t size)
{
    const char *text = text_of(reader, field);
    if (strlen(text) >= size) {
        fault(reader, field);
        return;
    }
    memcpy(out, text, strlen(text) + 1);
}

static void read_number(struct reader *reader, const char *field, uint64_t *out)
{
    const json_t *value = json_object_get(reader->object, field);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        fault(reader, field);
        return;
    }
    *out = (uint64_t)json_integer_value(value);
}

static void read_role(struct reader *reader, enum admin_role *out)
{
    if (auth_role_parse(text_of(reader, "role"), out, NULL) != 0) {
        fault(reader, "role");
    }
}

static void read_name(struct reader *reader, char *name, char *folded)
{
    read_text(reader, "name", name, AUTH_NAME_MAX + 1);
    if (reader->rc == 0 && auth_name_fold(name, folded, NULL) != 0) {
        fault(reader, "name");
    }
}

static bool take_prefix(struct span *path, const char *prefix)
{
    size_t size = strlen(prefix);
    if (path->size <= size || memcmp(path->data, prefix, size) != 0) {
        return false;
    }
    *path = span_of(path->data + size, path->size - size);
    return true;
}

int auth_get_account(struct auth_account *out, struct span path, struct span value, struct err *err)
{
    ASSERT(out != NULL);
    struct auth_account account = {0};
    struct reader reader = {.err = err};
    int rc = admin_json_read(value, &reader.object, err);
    if (rc != 0) {
        return rc;
    }
    read_name(&reader, account.name, account.folded);
    read_role(&reader, &account.role);
    read_text(&reader, "password", account.password, sizeof account.password);
    if (device_parse(text_of(&reader, "stamp"), &account.stamp, NULL) != 0) {
        fault(&reader, "stamp");
    }
    read_number(&reader, "created_ms", &account.created_ms);
    read_number(&reader, "changed_ms", &account.changed_ms);
    account.must_change = json_is_true(json_object_get(reader.object, "must_change"));
    json_decref(reader.object);
    if (reader.rc == 0 &&
        (!take_prefix(&path, AUTH_ACCOUNT_PREFIX) || !span_equal(path, span_str(account.folded)))) {
        reader.rc = err_set(err, E_MALFORMED, "its path is of another account");
    }
    if (reader.rc == 0) {
        *out = account;
    }
    return reader.rc;
}

static bool id_of_path(struct span path, uint64_t *id)
{
    char digits[DEVICE_TEXT_MAX] = "";
    if (!take_prefix(&path, AUTH_TOKEN_ITEM_PREFIX) || path.size != sizeof digits - 1) {
        return false;
    }
    memcpy(digits, path.data, path.size);
    return device_parse(digits, id, NULL) == 0 && *id != 0;
}

int auth_get_token(struct auth_token *out, struct span path, struct span value, struct err *err)
{
    ASSERT(out != NULL);
    struct auth_token token = {0};
    struct reader reader = {.err = err};
    if (!id_of_path(path, &token.id)) {
        return err_set(err, E_MALFORMED, "its path names no API token");
    }
    int rc = admin_json_read(value, &reader.object, err);
    if (rc != 0) {
        return rc;
    }
    read_name(&reader, token.name, token.folded);
    read_role(&reader, &token.role);
    if (hex_decode(span_str(text_of(&reader, "secret")), token.secret, SHA256_SIZE) != 0) {
        fault(&reader, "secret");
    }
    read_number(&reader, "created_ms", &token.created_ms);
    read_number(&reader, "expires_ms", &token.expires_ms);
    read_text(&reader, "by", token.by, sizeof token.by);
    json_decref(reader.object);
    if (reader.rc == 0) {
        *out = token;
    }
    return reader.rc;
}
