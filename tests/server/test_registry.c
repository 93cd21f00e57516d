/* The registry follows the server's bag, change by change, and says the same when it is loaded. */
#include "server/registry.h"
#include "tests/server/fixture.h"

static const uint8_t key_a[KEY_SIZE] = {1};
static const uint8_t key_b[KEY_SIZE] = {2};
static const uint8_t key_c[KEY_SIZE] = {3};

static const char *path_of(uint64_t device)
{
    static char path[RECORD_PATH_MAX];
    struct span item = record_device_path(path, device);
    path[item.size] = '\0';
    return path;
}

static void put(struct fixture *fx, uint64_t device, const uint8_t *key, const char *word)
{
    char text[400];
    char digits[2 * KEY_SIZE + 1];
    hex_encode(key, KEY_SIZE, digits);
    (void)snprintf(text, sizeof text, "{\"key\":\"%s\",\"joined_ms\":1,\"state\":\"%s\"}", digits,
                   word);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path_of(device), text).code, 0);
}

static void expect(const struct registry *registry, const uint8_t *key, enum registry_kind kind,
                   uint64_t device)
{
    struct registry_peer peer = registry_peer(registry, key);
    assert_int_equal(peer.kind, kind);
    assert_int_equal(peer.device, device);
}

/* What was followed and what is loaded anew are the same. */
static void expect_all(struct fixture *fx, const uint8_t *key, enum registry_kind kind,
                       uint64_t device)
{
    expect(fx->registry, key, kind, device);
    struct registry *other = NULL;
    assert_int_equal(registry_new(&other), 0);
    assert_int_equal(registry_load(other, fx->kv, 2, NULL), 0);
    expect(other, key, kind, device);
    assert_int_equal(registry_devices(other), registry_devices(fx->registry));
    registry_free(&other);
}

static void follows_devices(void **state)
{
    struct fixture *fx = *state;
    expect_all(fx, key_a, REGISTRY_NOBODY, 0);
    put(fx, 10, key_a, "active");
    expect_all(fx, key_a, REGISTRY_DEVICE, 10);
    assert_true(registry_knows(fx->registry, 10));
    assert_true(registry_holds(fx->registry, 10, key_a));
    assert_false(registry_holds(fx->registry, 10, key_b));
    assert_false(registry_holds(fx->registry, 11, key_a));
    put(fx, 10, key_b, "active"); /* another key: the old one is nobody's */
    expect_all(fx, key_a, REGISTRY_NOBODY, 0);
    expect_all(fx, key_b, REGISTRY_DEVICE, 10);
    put(fx, 11, key_c, "active");
    assert_int_equal(registry_devices(fx->registry), 2);
    put(fx, 10, key_b, "removed");
    expect_all(fx, key_b, REGISTRY_REMOVED, 10);
    assert_false(registry_holds(fx->registry, 10, key_b));
    assert_true(registry_knows(fx->registry, 10));
    assert_int_equal(registry_devices(fx->registry), 1);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path_of(10), NULL).code, 0);
    expect_all(fx, key_b, REGISTRY_NOBODY, 0);
    assert_false(registry_knows(fx->registry, 10));
}

static void put_rights(struct fixture *fx, uint64_t device, const char *state, const char *rights)
{
    char text[400];
    char digits[2 * KEY_SIZE + 1];
    hex_encode(key_a, KEY_SIZE, digits);
    (void)snprintf(text, sizeof text, "{\"key\":\"%s\",\"joined_ms\":1,\"state\":\"%s\"%s}", digits,
                   state, rights);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path_of(device), text).code, 0);
}

static void follows_rights(void **state)
{
    struct fixture *fx = *state;
    struct registry_rights none = registry_rights(fx->registry, 10);
    assert_int_equal(none.keep, KEEP_SIGNED_IN);
    assert_false(none.mirror);
    put_rights(fx, 10, "active", ",\"keep\":\"everybody\",\"mirror\":true");
    struct registry_rights all = registry_rights(fx->registry, 10);
    assert_int_equal(all.keep, KEEP_EVERYBODY);
    assert_true(all.mirror);
    put_rights(fx, 10, "active", ",\"keep\":\"groups\"");
    struct registry_rights groups = registry_rights(fx->registry, 10);
    assert_int_equal(groups.keep, KEEP_GROUPS);
    assert_false(groups.mirror);
    put_rights(fx, 10, "removed", ",\"keep\":\"everybody\",\"mirror\":true");
    struct registry_rights gone = registry_rights(fx->registry, 10);
    assert_int_equal(gone.keep, KEEP_SIGNED_IN);
    assert_false(gone.mirror);
}

static void follows_tokens(void **state)
{
    struct fixture *fx = *state;
    char path[RECORD_PATH_MAX];
    struct span item = record_token_path(path, key_a);
    path[item.size] = '\0';
    fx_token(fx, key_a, 1);
    expect_all(fx, key_a, REGISTRY_TOKEN, 0);
    fx_token(fx, key_a, 2);
    expect_all(fx, key_a, REGISTRY_TOKEN, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path, NULL).code, 0);
    expect_all(fx, key_a, REGISTRY_NOBODY, 0);
    assert_int_equal(registry_devices(fx->registry), 0);
}

static void what_is_unreadable_counts_as_absent(void **state)
{
    struct fixture *fx = *state;
    put(fx, 10, key_a, "active");
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path_of(10), "{").code, 0);
    expect_all(fx, key_a, REGISTRY_NOBODY, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", "device/odd", "{}").code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", "token/odd", "{}").code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", "account/x", "{}").code, 0);
    assert_int_equal(registry_devices(fx->registry), 0);
}

static void only_the_server_s_bag_counts(void **state)
{
    struct fixture *fx = *state;
    char text[400];
    char digits[2 * KEY_SIZE + 1];
    hex_encode(key_a, KEY_SIZE, digits);
    (void)snprintf(text, sizeof text, "{\"key\":\"%s\",\"joined_ms\":1,\"state\":\"active\"}",
                   digits);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", path_of(10), text).code, 0);
    expect_all(fx, key_a, REGISTRY_NOBODY, 0);
}

static void many(void **state)
{
    struct fixture *fx = *state;
    uint8_t key[KEY_SIZE] = {0};
    for (uint8_t i = 1; i <= 200; i++) {
        key[5] = i;
        put(fx, 1000 + i, key, "active");
        fx_forget(fx);
    }
    assert_int_equal(registry_devices(fx->registry), 200);
    for (uint8_t i = 1; i <= 200; i++) {
        key[5] = i;
        expect(fx->registry, key, REGISTRY_DEVICE, 1000u + i);
    }
    expect_all(fx, key, REGISTRY_DEVICE, 1200);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

static void expect_held(struct fixture *fx, const char *text, bool held)
{
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", RESTORED_ITEM, text).code, 0);
    assert_int_equal(registry_held(fx->registry), held);
    struct registry *other = NULL;
    assert_int_equal(registry_new(&other), 0);
    assert_false(registry_held(other));
    assert_int_equal(registry_load(other, fx->kv, 2, NULL), 0);
    assert_int_equal(registry_held(other), held);
    registry_free(&other);
}

#define RECORD(more) "{\"parent\":\"00000000000000000000000000000000\"," more "}"

static void knows_whether_anybody_may_be_served(void **state)
{
    struct fixture *fx = *state;
    assert_false(registry_held(fx->registry));
    expect_held(fx, RECORD("\"removals\":\"known\""), false);
    expect_held(fx, RECORD("\"removals\":\"unknown\""), true);
    expect_held(fx, RECORD("\"removals\":\"unknown\",\"confirmed_ms\":7"), false);
    expect_held(fx, "nonsense", true); /* whom it is about nobody knows */
    expect_held(fx, NULL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(follows_devices),
        TEST(knows_whether_anybody_may_be_served),
        TEST(follows_rights),
        TEST(follows_tokens),
        TEST(what_is_unreadable_counts_as_absent),
        TEST(only_the_server_s_bag_counts),
        TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
