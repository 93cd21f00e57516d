/* No route tells a secret: the same words are written wherever secrets lie, and looked for in every
 * answer to every question that the table of routes knows.
 */
#include "admin/backups.h"
#include "admin/exports.h"
#include "base/log_ring.h"
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/catalogue_samples.h"

#define HISTORY      "30313233343536373839616263646566"
#define WORDS        "Sesame-Open-4711"
#define WORDS_BASE64 "U2VzYW1lLU9wZW4tNDcxM" /* and its last digit */
#define PLAIN        "nobody-minds"

static struct admin_auth *auth;

/* Each is written, written anew, and one of them removed, so that there are old values too. */
static void plant(const char *owner, const char *path)
{
    (void)fake_put(&fake, owner, path, WORDS);
    (void)fake_put(&fake, owner, path, WORDS "\xff"); /* shown in base64, if at all */
    (void)fake_put(&fake, owner, path, WORDS);
}

/* A server without backups, that was not restored from one. */
static void no_backup(void *context, struct admin_backup_view *out)
{
    (void)context;
    *out = (struct admin_backup_view){0};
}

static int no_folder(void *context, admin_backup_folder_fn *each, void *each_context,
                     struct err *err)
{
    (void)context;
    (void)each;
    (void)each_context;
    (void)err;
    return 0;
}

static int not_restored(void *context, struct admin_restored *out, struct err *err)
{
    (void)context;
    (void)err;
    *out = (struct admin_restored){0};
    return 0;
}

static const struct admin_backups backups = {
    .view = no_backup, .folders = no_folder, .restored = not_restored};

/* Nothing is prepared for export. */
static void open_exports(void)
{
    static const uint8_t key[SNAPSHOT_SECRET_SIZE];
    char dir[TMP_FOLDER_MAX];
    tmp_folder_path(dir, fake.folder, "exports");
    const struct admin_exports_options options = {.dir = dir,
                                                  .name = "localhost",
                                                  .secret_key = key,
                                                  .clock = &clock_system,
                                                  .keep_ms = 1000,
                                                  .users_max = 1,
                                                  .groups_max = 1};
    assert_int_equal(admin_exports_start(&fake.backend.exports, &options, NULL), 0);
}

static int plant_all(void **state)
{
    int rc = open_fake(state);
    fake.backend.backups = &backups;
    open_exports();
    assert_int_equal(log_ring_open(1000, NULL), 0);
    assert_int_equal(admin_auth_new(&auth, &clock_system, NULL), 0);
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    ask_as.auth = auth;
    (void)fake_put(&fake, "user:ann", "copy/default", PLAIN);
    fake_machine(&fake, FAKE_DEVICE, "Lobby", "active");
    plant("user:ann", "keychain/wiki");
    plant("user:ann/device:0000000000001234", "keychain/here");
    plant("user:ann", "network/wifi");
    plant("group:sales", "keychain/shared");
    (void)fake_remove(&fake, "group:sales", "keychain/shared");
    plant("user:bob", "keychain/wiki");
    (void)fake_delete(&fake, "user:bob");
    plant("server", "@account/admin");
    plant("server", "@token/7");
    plant("server", "token/00ff");
    plant("server", "device/not-a-number"); /* as a record with a key */
    plant("user:ann", "fax/pins/7");        /* secret by the catalogue alone */
    plant("fleet", "@default/fax/pins/7");
    sample_category(&fake, "fax/pins", (struct category){.has_flag = true, .secret = true});
    return rc;
}

static int dig_up(void **state)
{
    ask_as.auth = NULL;
    admin_auth_free(&auth);
    log_ring_close();
    admin_exports_stop(&fake.backend.exports);
    return close_api(state);
}

/* How often something was looked at, so that a test of nothing is noticed. */
static size_t answers;
static size_t bytes;

static void look_at(const char *target, const char *text, size_t size)
{
    if (memmem(text, size, WORDS, strlen(WORDS)) != NULL ||
        memmem(text, size, WORDS_BASE64, strlen(WORDS_BASE64)) != NULL) {
        fail_msg("%s tells a secret: %.*s", target, (int)size, text);
    }
    answers++;
    bytes += size;
}

static void read_stream(const char *target, struct admin_stream *stream)
{
    int rc = 1;
    for (int i = 0; rc >= 0 && i < 50; i++) {
        struct buf out;
        struct err err = {0};
        buf_init(&out, 8 << 20);
        rc = stream->next(stream, 30000, &out, &err);
        look_at(target, out.size > 0 ? (const char *)out.data : "", out.size);
        look_at(target, err.text, strlen(err.text));
        buf_free(&out);
    }
    stream->free(stream);
}

/* Ask, whatever the answer is. */
static void look_into(const char *method, const char *target, const char *body)
{
    struct answer answer = ask(&fake, method, target, body);
    if (answer.stream != NULL) {
        read_stream(target, answer.stream);
    }
    char *text = answer.json != NULL ? json_dumps(answer.json, 0) : NULL;
    look_at(target, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    look_at(target, answer.raw, strlen(answer.raw));
    free(text);
    answer_free(&answer);
}

/* The queries that may show more, one after the other. */
static void ask_with_queries(const struct admin_route *route, const char *path)
{
    static const struct {
        const char *needs, *query;
    } queries[] = {
        {"", ""},
        {"values", "values=1"},
        {"at", "at=15"},
        {"device", "device=0000000000001234"},
        {"device values", "device=0000000000001234&values=1"},
        {"from values", "from=1&values=1"},
        {"from", "from=5&to=20"},
        {"since values", "since=" HISTORY ":0&values=1&follow=0"},
        {"since feed values", "since=" HISTORY ":0&values=1&feed=sse&follow=0"},
        {"since wait values", "since=" HISTORY ":0&values=1&feed=longpoll"},
        {"bag values", "bag=server&values=1&since=" HISTORY ":0&follow=0"},
        {"bag values", "bag=server&values=1&tail=100&follow=0"},
        {"feed", "feed=sse"},
        {"item device", "item=keychain%2Fwiki&device=0000000000001234"},
        {"item device", "item=fax%2Fpins%2F7"},
        {"format", "format=json"},
        {"verbose", "verbose"},
        {"search", "search=a"},
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        char needs[64];
        char target[512];
        bool known = true;
        char *rest = NULL;
        (void)snprintf(needs, sizeof needs, "%s", queries[i].needs);
        for (char *word = strtok_r(needs, " ", &rest); word != NULL;
             word = strtok_r(NULL, " ", &rest)) {
            known = known && strstr(route->query, word) != NULL;
        }
        if (known) {
            (void)snprintf(target, sizeof target, "%s?%s", path, queries[i].query);
            look_into("GET", target, NULL);
        }
    }
}

/* The path with "{kind}/{name}", "{path}" and "{id}" filled in. */
static void fill(char *out, size_t size, const char *pattern, const char *owner, const char *item)
{
    const char *id = "0000000000001234";
    out[0] = '\0';
    for (const char *at = pattern; *at != '\0';) {
        size_t used = strlen(out);
        const char *with = strncmp(at, "{kind}/{name}", 13) == 0 ? owner
                           : strncmp(at, "{path}", 6) == 0       ? item
                           : at[0] == '{'                        ? id
                                                                 : NULL;
        if (with == NULL) {
            (void)snprintf(out + used, size - used, "%c", *at++);
        } else {
            (void)snprintf(out + used, size - used, "%s", with);
            at = strchr(with == owner ? strchr(at, '/') : at, '}') + 1;
        }
    }
}

static void no_question_is_answered_with_a_secret(void **state)
{
    (void)state;
    static const char *const owners[] = {"user/ann", "group/sales", "user/bob"};
    static const char *const items[] = {"keychain%2Fwiki", "network%2Fwifi", "keychain%2Fhere",
                                        "keychain%2Fshared", "fax%2Fpins%2F7"};
    size_t routes = 0;
    for (const struct admin_route *route = admin_api_routes; route->method != NULL; route++) {
        if (strcmp(route->method, "GET") != 0) {
            continue;
        }
        routes++;
        bool owned = strstr(route->pattern, "{name}") != NULL;
        bool item = strstr(route->pattern, "{path}") != NULL;
        for (size_t i = 0; i < (owned ? sizeof owners / sizeof owners[0] : 1); i++) {
            for (size_t k = 0; k < (item ? sizeof items / sizeof items[0] : 1); k++) {
                char path[256];
                fill(path, sizeof path, route->pattern, owners[i], items[k]);
                ask_with_queries(route, path);
            }
        }
    }
    assert_true(routes > 10);
    assert_true(answers > 100);
    assert_true(bytes > 20000);
}

static void no_deed_tells_a_secret(void **state)
{
    (void)state;
    look_into("POST", "/api/v1/owners/restore", "{\"users\":[\"bob\"],\"dry_run\":true}");
    look_into("POST", "/api/v1/owners/restore",
              "{\"users\":[\"ann\"],\"items\":[\"keychain/wiki\"],\"at\":\"8\",\"dry_run\":true}");
    look_into("POST", "/api/v1/owners/delete", "{\"users\":[\"ann\"],\"dry_run\":true}");
    look_into("PUT", "/api/v1/owners/user/ann/items/keychain%2Fwiki?dry_run=1", WORDS);
    look_into("DELETE", "/api/v1/owners/user/ann/items/keychain%2Fwiki?dry_run=1", NULL);
    look_into("PUT", "/api/v1/owners/user/ann/items/keychain%2Fwiki", WORDS);
    look_into("DELETE", "/api/v1/owners/user/ann/items/keychain%2Fwiki", NULL);
    look_into("GET", "/api/v1/log", NULL);
}

/* What is no secret is shown in the same places: the test would notice if nothing were. */
static void what_is_no_secret_is_shown(void **state)
{
    (void)state;
    struct answer answer =
        ask(&fake, "GET", "/api/v1/changes?values=1&feed=longpoll&since=" HISTORY ":0", NULL);
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(answer.stream->next(answer.stream, 0, &out, NULL), E_CLOSED);
    assert_non_null(memmem(out.data, out.size, PLAIN, strlen(PLAIN)));
    assert_non_null(memmem(out.data, out.size, "\"masked\":true", 13));
    buf_free(&out);
    answer.stream->free(answer.stream);
    answer = ask(&fake, "GET", "/api/v1/owners/user/ann/history?values=1", NULL);
    char *text = json_dumps(answer.json, JSON_COMPACT);
    assert_non_null(strstr(text, PLAIN));
    assert_non_null(strstr(text, "\"masked\":true"));
    free(text);
    answer_free(&answer);
}

#define SECRET_TEST(test) cmocka_unit_test_setup_teardown(test, plant_all, dig_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SECRET_TEST(no_question_is_answered_with_a_secret),
        SECRET_TEST(no_deed_tells_a_secret),
        SECRET_TEST(what_is_no_secret_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
