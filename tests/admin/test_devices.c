/* Tests of admin/devices.c: walking the registry's items, whatever lies there. */
#include "admin/devices.h"

#include "tests/admin/fake_backend.h"

static struct fake_backend fake;
static struct kv_view *view;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    kv_view_free(&view);
    fake_close(&fake);
    return 0;
}

struct seen {
    char text[1024];
    int stop_after;
    int count;
};

static int note_device(void *context, const struct admin_device *device, struct err *err)
{
    (void)err;
    struct seen *seen = context;
    size_t size = strlen(seen->text);
    (void)snprintf(seen->text + size, sizeof seen->text - size, "%" PRIx64 ":%s:%s:%d ", device->id,
                   device->name, device->serial, device->removed);
    return ++seen->count == seen->stop_after ? 1 : 0;
}

static int note_user(void *context, uint64_t user_bag, struct err *err)
{
    (void)err;
    struct seen *seen = context;
    size_t size = strlen(seen->text);
    (void)snprintf(seen->text + size, sizeof seen->text - size, "%" PRIu64 " ", user_bag);
    return ++seen->count == seen->stop_after ? E_BUSY : 0;
}

static void look(void)
{
    kv_view_free(&view);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
}

static void a_server_without_machines_has_none(void **state)
{
    (void)state;
    struct seen seen = {0};
    look();
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 0, note_device, &seen, NULL), 0);
    assert_int_equal(admin_device_users(fake.backend.kv, view, 7, note_user, &seen, NULL), 0);
    assert_int_equal(seen.count, 0);
}

static void machines_come_in_order_of_ids(void **state)
{
    (void)state;
    fake_machine(&fake, 0xa0, "lobby", "active");
    fake_machine(&fake, 0x9, "attic", "removed");
    fake_machine(&fake, UINT64_C(0xffffffffffffffff), "last", "active");
    (void)fake_put(&fake, "server", "token/00", "{}");
    look();
    struct seen seen = {0};
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 0, note_device, &seen, NULL), 0);
    assert_string_equal(seen.text, "9:attic:SN-9:1 a0:lobby:SN-160:0 "
                                   "ffffffffffffffff:last:SN-18446744073709551615:0 ");
    seen = (struct seen){0};
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 9, note_device, &seen, NULL), 0);
    assert_int_equal(seen.count, 2);
    seen = (struct seen){.stop_after = 1};
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 0, note_device, &seen, NULL), 1);
    assert_int_equal(seen.count, 1);
}

static void what_can_not_be_understood_is_left_out(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"device/0000000000000001", "no JSON"},
        {"device/0000000000000002", "[1]"},
        {"device/0000000000000003", "{}"},
        {"device/000000000000000g", "{\"name\":\"x\"}"},
        {"device/00000000000000004", "{\"name\":\"x\"}"},
        {"device/5", "{\"name\":\"x\"}"},
        {"device/0000000000000006", "{\"name\":7,\"state\":null,\"joined_ms\":\"x\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)fake_put(&fake, "server", rows[i][0], rows[i][1]);
    }
    look();
    struct seen seen = {0};
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 0, note_device, &seen, NULL), 0);
    assert_string_equal(seen.text, "3:::0 6:::0 ");
}

static void users_are_read_from_the_machines_bag(void **state)
{
    (void)state;
    fake_machine(&fake, 7, "lobby", "active");
    fake_sign_in(&fake, 7, 12);
    fake_sign_in(&fake, 7, 4);
    (void)fake_put(&fake, "device:0000000000000007", "@user/x", "odd");
    (void)fake_put(&fake, "device:0000000000000007", "@user/0", "odd");
    (void)fake_put(&fake, "device:0000000000000007", "@user/111111111111111111111111111", "odd");
    (void)fake_put(&fake, "device:0000000000000007", "@group/9", "a group");
    look();
    struct seen seen = {0};
    assert_int_equal(admin_device_users(fake.backend.kv, view, 7, note_user, &seen, NULL), 0);
    assert_string_equal(seen.text, "12 4 ");
    seen = (struct seen){.stop_after = 1};
    assert_int_equal(admin_device_users(fake.backend.kv, view, 7, note_user, &seen, NULL), E_BUSY);
}

static uint64_t count_users(uint64_t device)
{
    uint64_t count = 77;
    look();
    assert_int_equal(admin_device_user_count(fake.backend.kv, view, device, &count, NULL), 0);
    return count;
}

/* Few are counted one by one, many by what else there is. */
static void users_are_counted(void **state)
{
    (void)state;
    static const char *const others[] = {"@group/9", "@user", "@users", "@user0", "a", "z/z"};
    assert_int_equal(count_users(7), 0);
    fake_machine(&fake, 7, "lobby", "active");
    assert_int_equal(count_users(7), 0);
    for (uint64_t bag = 1; bag <= 499; bag++) {
        fake_sign_in(&fake, 7, bag);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)fake_put(&fake, "device:0000000000000007", others[i], "no user");
    }
    (void)fake_remove(&fake, "device:0000000000000007", "z/z");
    assert_int_equal(count_users(7), 499);
    for (uint64_t bag = 500; bag <= 502; bag++) {
        fake_sign_in(&fake, 7, bag);
        assert_int_equal(count_users(7), bag);
    }
    (void)fake_remove(&fake, "device:0000000000000007", "@user/3");
    assert_int_equal(count_users(7), 501);
}

static void one_machine_is_found(void **state)
{
    (void)state;
    struct seen seen = {0};
    look(); /* not even the server's bag is there */
    assert_int_equal(admin_device_find(fake.backend.kv, view, 9, note_device, &seen, NULL),
                     E_NOT_FOUND);
    fake_machine(&fake, 0x9, "attic", "removed");
    fake_machine(&fake, 0xa, "lobby", "active");
    look();
    assert_int_equal(admin_device_find(fake.backend.kv, view, 9, note_device, &seen, NULL), 0);
    assert_int_equal(admin_device_find(fake.backend.kv, view, 8, note_device, &seen, NULL),
                     E_NOT_FOUND);
    assert_string_equal(seen.text, "9:attic:SN-9:1 ");
    seen = (struct seen){.stop_after = 1};
    assert_int_equal(admin_device_find(fake.backend.kv, view, 0xa, note_device, &seen, NULL), 1);
}

static bool only_lobby(void *context, uint64_t device, struct span record)
{
    (void)context;
    return device != 0x9 && memmem(record.data, record.size, "lobby", 5) != NULL;
}

static void only_some_records_are_read(void **state)
{
    (void)state;
    fake_machine(&fake, 0x9, "lobby", "active");
    fake_machine(&fake, 0xa, "lobby", "active");
    fake_machine(&fake, 0xb, "attic", "active");
    look();
    struct seen seen = {0};
    assert_int_equal(
        admin_devices_some(fake.backend.kv, view, 0, only_lobby, note_device, &seen, NULL), 0);
    assert_string_equal(seen.text, "a:lobby:SN-10:0 ");
}

static void paths_name_users(void **state)
{
    (void)state;
    assert_int_equal(admin_device_user_bag(SPAN_LITERAL("@user/12")), 12);
    assert_int_equal(admin_device_user_bag(SPAN_LITERAL("@user/")), 0);
    assert_int_equal(admin_device_user_bag(SPAN_LITERAL("@user")), 0);
    assert_int_equal(admin_device_user_bag(SPAN_LITERAL("@group/12")), 0);
    assert_int_equal(admin_device_user_bag(SPAN_LITERAL("@user/1234567890123456789012345")), 0);
}

/* More than one page of the walk, which looks at 256 KiB at once. */
static void many_machines_are_all_seen(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    for (uint64_t id = 1; id <= MANY; id++) {
        char path[ADMIN_DEVICE_PATH_MAX];
        char value[512];
        (void)admin_device_path(path, id);
        (void)snprintf(value, sizeof value, "{\"state\":\"active\",\"serial\":\"%0300d\"}", 0);
        (void)fake_put(&fake, "server", path, value);
    }
    look();
    struct seen seen = {0};
    assert_int_equal(admin_devices_each(fake.backend.kv, view, 0, note_device, &seen, NULL), 0);
    assert_int_equal(seen.count, MANY);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(a_server_without_machines_has_none),
        WITH_FAKE(machines_come_in_order_of_ids),
        WITH_FAKE(what_can_not_be_understood_is_left_out),
        WITH_FAKE(users_are_read_from_the_machines_bag),
        WITH_FAKE(users_are_counted),
        WITH_FAKE(one_machine_is_found),
        WITH_FAKE(only_some_records_are_read),
        WITH_FAKE(paths_name_users),
        WITH_FAKE(many_machines_are_all_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
