/* Joining: one use, expiry, and a repeat that gets the same answer. */
#include "base/hash.h"
#include "tests/server/fixture.h"

static struct machine newcomer(struct fixture *fx, uint8_t mark)
{
    struct machine machine = {.session = mark};
    memset(machine.token, mark, KEY_SIZE);
    memset(machine.key, 0x80 | mark, KEY_SIZE);
    fx_token(fx, machine.token, fx->time.wall_ms + 1000);
    return machine;
}

static int join_code(struct fixture *fx, const struct machine *machine)
{
    fx_try_join(fx, machine, "name");
    assert_int_equal(fx_last(fx)->reply.kind, REPLY_JOINED);
    return fx_last(fx)->reply.code;
}

static void makes_a_device(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    fx_forget(fx);
    assert_int_equal(join_code(fx, &a), 0);
    uint64_t device = fx_last(fx)->reply.id;
    assert_int_not_equal(device, 0);
    assert_int_equal(fx->change_count, 3);
    assert_int_equal(fx->changes[0].change.kind, CHANGE_BAG_CREATE);
    assert_int_equal(fx->changes[0].change.set_left, 2);
    assert_true(registry_holds(fx->registry, device, a.key));
    assert_int_equal(registry_peer(fx->registry, a.token).kind, REGISTRY_TOKEN);
    char path[RECORD_PATH_MAX];
    struct kv_item item = {0};
    struct span at = record_device_path(path, device);
    assert_int_equal(kv_item(fx->kv, NULL, 2, at, &item, NULL), 0);
    struct device_record record = {0};
    assert_int_equal(record_get_device(&record, at, item.row.value, NULL), 0);
    assert_string_equal(record.name, "name");
    assert_string_equal(record.serial, "S-1");
    assert_int_equal(record.joined_ms, fx->time.wall_ms);
    kv_item_free(&item);
    /* after a restart the registry says the same */
    fx_close(fx, true);
    fx_open(fx);
    assert_true(registry_holds(fx->registry, device, a.key));
    assert_int_equal(registry_devices(fx->registry), 1);
}

static void a_repeat_is_the_same_device(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    assert_int_equal(join_code(fx, &a), 0);
    uint64_t device = fx_last(fx)->reply.id;
    fx_forget(fx);
    assert_int_equal(join_code(fx, &a), 0);
    assert_int_equal(fx_last(fx)->reply.id, device);
    assert_int_equal(fx->change_count, 0);
    a.key[0] ^= 1;
    assert_int_equal(join_code(fx, &a), E_TOKEN_USED);
}

static void two_in_one_round(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    struct machine b = a;
    b.key[0] ^= 1;
    struct join first = {.session = 1, .token = a.token, .public_key = a.key};
    struct join second = {.session = 2, .token = a.token, .public_key = b.key};
    fx_forget(fx);
    committer_join(fx->committer, &first);
    committer_join(fx->committer, &second);
    fx_run(fx);
    assert_int_equal(fx->replies[0].reply.code, 0);
    assert_int_equal(fx->replies[1].reply.code, E_TOKEN_USED);
    /* one key with two tokens */
    struct machine c = newcomer(fx, 3);
    struct machine d = newcomer(fx, 4);
    first = (struct join){.session = 1, .token = c.token, .public_key = c.key};
    second = (struct join){.session = 2, .token = d.token, .public_key = c.key};
    fx_forget(fx);
    committer_join(fx->committer, &first);
    committer_join(fx->committer, &second);
    fx_run(fx);
    assert_int_equal(fx->replies[0].reply.code, 0);
    assert_int_equal(fx->replies[1].reply.code, E_EXISTS);
}

static void expiry_to_the_millisecond(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    struct machine b = newcomer(fx, 2);
    fx->time.wall_ms += 999;
    assert_int_equal(join_code(fx, &a), 0);
    fx->time.wall_ms += 1;
    assert_int_equal(join_code(fx, &b), E_TOKEN_EXPIRED);
    assert_int_equal(join_code(fx, &a), 0); /* a repeat is no use */
}

/* The clock was far ahead once: the journal's time stays there, tokens do not mind. */
static void expiry_goes_by_the_clock(void **state)
{
    struct fixture *fx = *state;
    fx->time.wall_ms += 86400000;
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0);
    fx->time.wall_ms -= 86400000;
    struct machine a = newcomer(fx, 1);
    assert_int_equal(join_code(fx, &a), 0);
}

static void unknown_tokens_and_removed_machines(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    assert_int_equal(join_code(fx, &a), 0);
    struct machine nobody = a;
    nobody.token[0] ^= 1;
    assert_int_equal(join_code(fx, &nobody), E_TOKEN_UNKNOWN);
    char path[RECORD_PATH_MAX];
    char text[512];
    char key[2 * KEY_SIZE + 1];
    struct span item = record_device_path(path, fx->replies[fx->reply_count - 2].reply.id);
    path[item.size] = '\0';
    hex_encode(a.key, KEY_SIZE, key);
    (void)snprintf(text, sizeof text, "{\"key\":\"%s\",\"joined_ms\":1,\"state\":\"removed\"}",
                   key);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path, text).code, 0);
    assert_int_equal(join_code(fx, &a), E_DEVICE_REMOVED);
    struct machine b = newcomer(fx, 2);
    memcpy(b.key, a.key, KEY_SIZE);
    assert_int_equal(join_code(fx, &b), E_EXISTS);
}

static void put_record(struct fixture *fx, uint64_t device, const uint8_t *key, const char *state,
                       const char *rights)
{
    char path[RECORD_PATH_MAX];
    char text[512];
    char digits[2 * KEY_SIZE + 1];
    path[record_device_path(path, device).size] = '\0';
    hex_encode(key, KEY_SIZE, digits);
    (void)snprintf(text, sizeof text,
                   "{\"name\":\"Lobby\",\"key\":\"%s\",\"joined_ms\":1,\"state\":\"%s\"%s}", digits,
                   state, rights);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path, text).code, 0);
}

static void put_replacing(struct fixture *fx, const uint8_t *token, uint64_t device, bool rights)
{
    char path[RECORD_PATH_MAX];
    char text[512];
    path[record_token_path(path, token).size] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"state\":\"new\",\"expires_ms\":%llu,\"device\":\"\",\"replaces\":"
                   "\"%016llx\",\"keeps_rights\":%s}",
                   (unsigned long long)fx->time.wall_ms + 1000, (unsigned long long)device,
                   rights ? "true" : "false");
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "server", path, text).code, 0);
}

/* The ID and what hangs on it stay; the old key is nobody's, also after a restart. */
static void a_new_machine_takes_an_old_one_s_place(void **state)
{
    static const char rights[] = ",\"keep\":\"everybody\",\"mirror\":true";
    struct fixture *fx = *state;
    struct machine old;
    fx_join(fx, &old, 1);
    uint64_t ann = fx_user(fx, &old, "Ann");
    for (uint8_t i = 0; i < 4; i++) {
        bool removed = i % 2 == 1;
        bool keeps_rights = i / 2 == 1;
        struct machine next = newcomer(fx, (uint8_t)(10 + i));
        put_record(fx, old.device, old.key, removed ? "removed" : "active", rights);
        put_replacing(fx, next.token, old.device, keeps_rights);
        fx_forget(fx);
        assert_int_equal(join_code(fx, &next), 0);
        assert_int_equal(fx_last(fx)->reply.id, old.device);
        assert_int_equal(fx->change_count, 2); /* no bag: it is there */
        assert_int_equal(fx->devices_changed[0], old.device);
        assert_int_equal(registry_peer(fx->registry, old.key).kind, REGISTRY_NOBODY);
        assert_true(registry_holds(fx->registry, old.device, next.key));
        assert_int_equal(registry_devices(fx->registry), 1);
        struct registry_rights now = registry_rights(fx->registry, old.device);
        assert_int_equal(now.keep, keeps_rights ? KEEP_EVERYBODY : KEEP_SIGNED_IN);
        assert_int_equal(now.mirror, keeps_rights);
        char path[RECORD_PATH_MAX];
        path[record_device_path(path, old.device).size] = '\0';
        assert_non_null(strstr(fx_value(fx, 2, path), "\"name\":\"Lobby\""));
        assert_non_null(strstr(fx_value(fx, 2, path), "\"serial\":\"S-1\""));
        memcpy(old.key, next.key, KEY_SIZE);
        fx_forget(fx);
        assert_int_equal(join_code(fx, &next), 0); /* its answer may have been lost */
        assert_int_equal(fx_last(fx)->reply.id, old.device);
        assert_int_equal(fx->change_count, 0);
    }
    fx_close(fx, true);
    fx_open(fx);
    assert_true(registry_holds(fx->registry, old.device, old.key));
    assert_int_equal(fx_write(fx, &old, 1, ann, "p", "v")->code,
                     0); /* who was signed in still is */
}

static void a_place_that_is_gone(void **state)
{
    struct fixture *fx = *state;
    struct machine a = newcomer(fx, 1);
    put_replacing(fx, a.token, 0x77, true);
    fx_forget(fx);
    assert_int_equal(join_code(fx, &a), E_NOT_FOUND);
    assert_int_equal(fx->change_count, 0);
    struct machine old;
    fx_join(fx, &old, 2);
    char owner[64];
    (void)snprintf(owner, sizeof owner, "device:%016llx", (unsigned long long)old.device);
    assert_int_equal(fx_submit(fx, SUBMIT_DELETE, owner, NULL, NULL).code, 0);
    put_replacing(fx, a.token, old.device, true);
    fx_forget(fx);
    assert_int_equal(join_code(fx, &a), 0); /* only its bag was: that is made anew */
    assert_int_equal(fx->change_count, 3);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_machine_takes_an_old_one_s_place),
        TEST(a_place_that_is_gone),
        TEST(makes_a_device),
        TEST(a_repeat_is_the_same_device),
        TEST(two_in_one_round),
        TEST(expiry_to_the_millisecond),
        TEST(expiry_goes_by_the_clock),
        TEST(unknown_tokens_and_removed_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
