/* Tests of admin/holders.c: the machines at which somebody is signed in. */
#include "admin/holders.h"

#include "tests/admin/fake_backend.h"

static struct fake_backend fake;
static struct kv_view *view;
static uint64_t ann, bob, cyd;
static struct admin_holders holders;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    ann = fake_put(&fake, "user:Ann", "@group/sales", "Sales");
    bob = fake_put(&fake, "user:bob", "@group/sales", "Sales");
    cyd = fake_put(&fake, "user:cyd", "a", "1");
    fake_machine(&fake, 2, "lobby", "active");
    fake_machine(&fake, 3, "attic", "active");
    fake_machine(&fake, 4, "cellar", "active");
    fake_sign_in(&fake, 3, bob);
    fake_sign_in(&fake, 3, ann);
    fake_sign_in(&fake, 2, ann);
    fake_sign_in(&fake, 4, cyd);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    admin_holders_free(&holders);
    kv_view_free(&view);
    fake_close(&fake);
    return 0;
}

static void add_user(uint64_t bag)
{
    assert_int_equal(admin_holders_add_user(&holders, bag, NULL), 0);
}

static void add_group(const char *folded)
{
    assert_int_equal(admin_holders_add_group(&holders, fake.backend.kv, view, folded, NULL), 0);
}

/* The numbers of the machines. */
static void expect(const char *text)
{
    char have[128] = "";
    assert_int_equal(admin_holders_find(&holders, fake.backend.kv, view, NULL), 0);
    for (size_t i = 0; i < holders.count; i++) {
        size_t size = strlen(have);
        (void)snprintf(have + size, sizeof have - size, "%" PRIu64 " ", holders.list[i].device);
        assert_ptr_equal(admin_holders_at(&holders, holders.list[i].device), &holders.list[i]);
    }
    assert_string_equal(have, text);
    assert_null(admin_holders_at(&holders, 1));
    assert_null(admin_holders_at(&holders, 5));
}

static uint64_t time_of(const char *owner, const char *path)
{
    struct owner by = {0};
    struct bag_row bag = {0};
    struct kv_item item = {0};
    assert_int_equal(owner_parse(&by, owner, NULL), 0);
    assert_int_equal(kv_bag_of(fake.backend.kv, NULL, &by, &bag, NULL), 0);
    assert_int_equal(kv_item(fake.backend.kv, NULL, bag.bag_id, span_str(path), &item, NULL), 0);
    uint64_t time_ms = item.row.time_ms;
    kv_item_free(&item);
    assert_true(time_ms > 0);
    return time_ms;
}

static void of_nobody(void **state)
{
    (void)state;
    expect("");
}

static void of_users_each_machine_once(void **state)
{
    (void)state;
    add_user(cyd);
    add_user(bob);
    add_user(ann);
    add_user(bob);
    add_user(UINT64_MAX);
    expect("2 3 4 ");
    char path[64];
    (void)snprintf(path, sizeof path, "@user/%" PRIu64, ann); /* later than bob's there */
    assert_int_equal(admin_holders_at(&holders, 3)->since_ms,
                     time_of("device:0000000000000003", path));
}

static void of_a_group(void **state)
{
    (void)state;
    add_group("sales");
    add_group("nothing");
    expect("2 3 ");
    assert_int_equal(admin_holders_at(&holders, 2)->since_ms, time_of("user:ann", "@group/sales"));
    assert_int_equal(admin_holders_at(&holders, 3)->since_ms, time_of("user:bob", "@group/sales"));
}

static void of_both(void **state)
{
    (void)state;
    add_user(bob);
    add_group("sales");
    add_user(cyd);
    expect("2 3 4 ");
}

#define HOLDERS_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOLDERS_TEST(of_nobody),
        HOLDERS_TEST(of_users_each_machine_once),
        HOLDERS_TEST(of_a_group),
        HOLDERS_TEST(of_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
