/* tests/admin/auth/auth_fixture.h - accounts over a fake server, with a clock that stands still and
 * hashes that cost little.
 */
#ifndef KITBAG_TESTS_ADMIN_AUTH_FIXTURE_H
#define KITBAG_TESTS_ADMIN_AUTH_FIXTURE_H

#include "admin/auth/inside.h"
#include "admin/auth/sign_in.h"
#include "admin/auth/tokens.h"
#include "tests/admin/fake_backend.h"
#include "tests/support/fail_alloc.h"

static struct fake_backend fake;
static struct clock_fake time_now;
static struct clock fake_clock;
static struct admin_auth *auth;

static const struct auth_cost cheap = {1, 8192};

#define PASSWORD "correct horse"

/* The server's bag is there, and nothing in it that is ours. */
static inline int open_auth(void **state)
{
    (void)state;
    fake_open(&fake);
    (void)fake_put(&fake, "server", "device/0000000000000001", "{}");
    time_now = (struct clock_fake){.wall_ms = 1800000000000, .mono_ms = 5000000};
    fake_clock = clock_of_fake(&time_now);
    assert_int_equal(admin_auth_new(&auth, &fake_clock, NULL), 0);
    auth->cost = cheap;
    assert_int_equal(admin_auth_load(auth, &fake.backend, NULL), 0);
    return 0;
}

static inline int close_auth(void **state)
{
    (void)state;
    admin_auth_free(&auth);
    fake_close(&fake);
    return 0;
}

#define AUTH_TEST(test) cmocka_unit_test_setup_teardown(test, open_auth, close_auth)

static inline void pass_ms(uint64_t ms)
{
    time_now.wall_ms += ms;
    time_now.mono_ms += ms;
}

static inline struct auth_by by_admin(void)
{
    return (struct auth_by){auth, &fake.backend, "admin"};
}

/* An account with PASSWORD, or another. */
static inline void add_account(const char *name, enum admin_role role, const char *password)
{
    struct auth_by by = by_admin();
    struct auth_new_account wanted = {
        .name = name, .role = role, .password = password, .chosen = true};
    struct auth_account_row row;
    struct err err = {0};
    char made_up[ADMIN_MADE_UP_MAX];
    if (auth_account_add(&by, &wanted, made_up, &row, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

/* From 192.0.2.1, unless it is told otherwise. */
static inline int sign_in_from(const char *address, const char *name, const char *password,
                               struct auth_entry *entry)
{
    struct auth_by by = by_admin();
    struct auth_sign_in asked = {.name = name, .password = password, .from = {address, false}};
    return auth_sign_in(&by, &asked, entry, NULL);
}

static inline int sign_in(const char *name, const char *password, struct auth_entry *entry)
{
    return sign_in_from("192.0.2.1", name, password, entry);
}

/* What comes with a request of somebody who has this cookie. */
static inline int check(const struct auth_entry *entry, bool changes, const char *csrf,
                        struct admin_identity *out)
{
    char cookie[128];
    (void)snprintf(cookie, sizeof cookie, "a=b; " AUTH_COOKIE "=%s", entry->id);
    struct admin_credentials given = {.cookie = span_str(cookie),
                                      .csrf = span_str(csrf != NULL ? csrf : ""),
                                      .changes = changes,
                                      .address = "192.0.2.1",
                                      .now_ms = time_now.wall_ms};
    return admin_auth_check(auth, &given, out, NULL);
}

static inline int check_token(const char *text, struct admin_identity *out)
{
    char header[128];
    (void)snprintf(header, sizeof header, "Bearer %s", text);
    struct admin_credentials given = {.authorization = span_str(header),
                                      .changes = true,
                                      .address = "192.0.2.1",
                                      .now_ms = time_now.wall_ms};
    return admin_auth_check(auth, &given, out, NULL);
}

/* The newest value of an item of the server's bag, as text; "" when there is none. */
static inline const char *server_item(const char *path)
{
    static char text[4096];
    struct owner server = {.kind = OWNER_SERVER};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    assert_int_equal(kv_bag_of(fake.backend.kv, NULL, &server, &bag, NULL), 0);
    assert_int_equal(kv_item(fake.backend.kv, NULL, bag.bag_id, span_str(path), &item, NULL), 0);
    text[0] = '\0';
    if (item.row.state == ITEM_LIVE) {
        (void)snprintf(text, sizeof text, "%.*s", (int)item.row.value.size,
                       (const char *)item.row.value.data);
    }
    kv_item_free(&item);
    return text;
}

#endif
