/* tests/kv/test_device.c - items of all machines, on one tour. */
#include "tests/kv/state.h"

static struct state state;
static uint64_t bags[4]; /* of the machines 1, 2, 3 and the highest */

static void begin(void)
{
    static const char *const owners[] = {"device:0000000000000001", "device:0000000000000002",
                                         "device:0000000000000003", "device:ffffffffffffffff"};
    state_open(&state);
    for (size_t i = 0; i < 4; i++) { /* the bags lie the other way round */
        bags[3 - i] = state_create(&state, owners[3 - i], 0);
    }
    uint64_t user = state_create(&state, "user:ann", 0);
    (void)state_put(&state, user, "@user/9", "not a machine's");
    (void)state_put(&state, bags[0], "@user/5", "a");
    (void)state_put(&state, bags[0], "@user/12", "b");
    (void)state_put(&state, bags[0], "@user", "no item of these");
    (void)state_put(&state, bags[0], "zebra", "nor this");
    (void)state_put(&state, bags[2], "@user/5", "c");
    (void)state_put(&state, bags[2], "@user/6", "gone");
    (void)state_put(&state, bags[2], "@user/6", NULL);
    (void)state_put(&state, bags[3], "@user/7", "d");
}

struct seen {
    char text[512];
    int next; /* what the first item of each machine is answered with */
};

static int see(void *context, uint64_t device, struct span path, const struct item_row *row,
               struct err *err)
{
    struct seen *seen = context;
    size_t size = strlen(seen->text);
    (void)err;
    (void)snprintf(seen->text + size, sizeof seen->text - size, "%llx:%.*s=%.*s ",
                   (unsigned long long)device, (int)path.size, (const char *)path.data,
                   (int)row->value.size, (const char *)row->value.data);
    return seen->next;
}

static void expect(const char *prefix, int next, int rc, const char *text)
{
    struct kv_view *view = NULL;
    struct seen seen = {.next = next};
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    assert_int_equal(kv_device_items(state.kv, view, span_str(prefix), see, &seen, NULL), rc);
    assert_string_equal(seen.text, text);
    kv_view_free(&view);
}

static void test_tour(void **unused)
{
    (void)unused;
    begin();
    expect("@user/", 0, 0, "1:@user/12=b 1:@user/5=a 3:@user/5=c ffffffffffffffff:@user/7=d ");
    expect("@user/5", 0, 0, "1:@user/5=a 3:@user/5=c ");
    expect("nothing", 0, 0, "");
    expect("@user/", 1, 0, "1:@user/12=b 3:@user/5=c ffffffffffffffff:@user/7=d ");
    expect("@user/", E_BUSY, E_BUSY, "1:@user/12=b ");
    state_close(&state);
}

static void test_none(void **unused)
{
    (void)unused;
    state_open(&state);
    expect("@user/", 0, 0, "");
    state_close(&state);
}

/* A machine's bag that was deleted is nobody's, though its rows may still be there. */
static void test_deleted(void **unused)
{
    (void)unused;
    begin();
    (void)state_delete(&state, bags[0]);
    expect("@user/", 0, 0, "3:@user/5=c ffffffffffffffff:@user/7=d ");
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tour),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
