/* Tests of admin/exports_gather.c: everything of one seq, and nothing else. */
#include "tests/admin/exports_samples.h"

static void all_of_one_seq(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("group:SALES user:ann");
    uint64_t seq = fake_head(&sample.fake);
    (void)fake_put(&sample.fake, "user:Ann", "copy/default", "later");
    assert_int_equal(made.seq, seq);
    assert_int_equal(made.users, 1);
    assert_int_equal(made.groups, 1);
    assert_int_equal(made.personal_addresses, 1);
    assert_int_equal(made.group_addresses, 1);
    const char *text = sample_snapshot(made.id, "");
    assert_non_null(strstr(text, "user:Ann"));
    assert_non_null(strstr(text, "copy/default=2-sided"));
    assert_non_null(strstr(text, "group:sales address-list/group/zoe"));
    assert_null(strstr(text, "Bob language"));
}

static void each_once(void **state)
{
    (void)state;
    struct admin_export made = sample_prepared("user:bob user:BOB user:Bob");
    assert_int_equal(made.users, 1);
    assert_string_equal(sample_snapshot(made.id, ""), "user:Bob language=en");
}

/* More than a page of the directory. */
static void everybody(void **state)
{
    (void)state;
    char name[32];
    enum { MORE = 300 };
    for (int i = 0; i < MORE; i++) {
        (void)snprintf(name, sizeof name, "user:u%03d", i);
        (void)fake_put(&sample.fake, name, "n", "1");
    }
    struct admin_export made = sample_prepared("");
    assert_true(made.all);
    assert_int_equal(made.users, MORE + 2);
    assert_int_equal(made.groups, 1);
    assert_int_equal(made.counts.users, MORE + 2);
    const char *text = sample_snapshot(made.id, "");
    assert_non_null(strstr(text, "user:u000 n=1 user:u001 n=1"));
    assert_non_null(strstr(text, "user:u299 n=1 group:sales"));
}

static void what_a_fence_hides_is_absent(void **state)
{
    (void)state;
    (void)fake_fence_up(&sample.fake, "copy/default");
    struct admin_export made = sample_prepared("user:ann");
    assert_null(strstr(sample_snapshot(made.id, ""), "copy/default"));
    (void)fake_put(&sample.fake, "user:Ann", "copy/default", "new");
    made = sample_prepared("user:ann");
    assert_non_null(strstr(sample_snapshot(made.id, ""), "copy/default=new"));
}

/* A machine's own things stay with it, unless the file is for that machine. */
static void what_is_on_machines_alone(void **state)
{
    (void)state;
    fake_machine(&sample.fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&sample.fake, 0x77, "attic", "active");
    (void)fake_put(&sample.fake, "user:Ann/device:0000000000001234", "d", "lobby's");
    (void)fake_put(&sample.fake, "user:Ann/device:0000000000000077", "d", "attic's");
    struct admin_export made = sample_prepared("user:ann");
    assert_null(strstr(sample_snapshot(made.id, ""), "'s "));
    struct admin_export_order order = {.since_device = FAKE_DEVICE, .form = {.personal = true}};
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), 0);
    const char *text = sample_snapshot(made.id, "");
    assert_non_null(strstr(text, "user:Ann/device:0000000000001234 d=lobby's"));
    assert_non_null(strstr(text, "device:0000000000001234"));
    assert_null(strstr(text, "attic"));
}

static void only_what_a_machine_lacks(void **state)
{
    (void)state;
    struct owner ann = {0};
    struct bag_row row;
    struct admin_export made;
    fake_machine(&sample.fake, FAKE_DEVICE, "lobby", "active");
    assert_int_equal(owner_make(&ann, OWNER_USER, SPAN_LITERAL("ann"), 0, NULL), 0);
    assert_int_equal(kv_bag_of(sample.fake.backend.kv, NULL, &ann, &row, NULL), 0);
    fake_sign_in(&sample.fake, FAKE_DEVICE, row.bag_id);
    sample.fake.live =
        (struct device_live){.device = FAKE_DEVICE, .current_seq = fake_head(&sample.fake)};
    struct admin_export_order order = {.since_device = FAKE_DEVICE, .form = {.personal = true}};
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), 0);
    assert_string_equal(sample_snapshot(made.id, ""), ""); /* it has all of it */
    (void)fake_put(&sample.fake, "user:Ann", "new", "1");
    (void)fake_remove(&sample.fake, "user:Ann", "copy/default");
    assert_int_equal(sample_prepare("user:ann user:bob", &order, &made, NULL), 0);
    assert_string_equal(sample_snapshot(made.id, ""),
                        "user:Ann+ copy/default removed new=1 user:Bob language=en");
    assert_int_equal(made.counts.removed, 1);
    order.since_device = 0x99;
    struct err err = {0};
    assert_int_equal(sample_prepare("user:ann", &order, &made, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "no registered machine has the ID 0000000000000099");
}

static void given_up(void **state)
{
    (void)state;
    atomic_bool gone = true;
    struct admin_export made;
    struct admin_export_order order = {.given_up = &gone, .form = {.personal = true}};
    assert_int_equal(sample_prepare("user:ann", &order, &made, NULL), E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EXPORTS_TEST(all_of_one_seq),
        EXPORTS_TEST(each_once),
        EXPORTS_TEST(everybody),
        EXPORTS_TEST(what_a_fence_hides_is_absent),
        EXPORTS_TEST(what_is_on_machines_alone),
        EXPORTS_TEST(only_what_a_machine_lacks),
        EXPORTS_TEST(given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
