/* Tests of admin/past_bags.c: whose bag it was, and the sentences when there was none. */
#include "tests/admin/past_fixture.h"

static int find(const char *owner, uint64_t seq, struct admin_past_bag *bag, struct err *err)
{
    struct kv_view *view = NULL;
    struct owner whose;
    *err = (struct err){0};
    *bag = (struct admin_past_bag){0};
    assert_int_equal(owner_parse(&whose, owner, NULL), 0);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    int rc = admin_past_bag(&fake.backend, view, &whose, seq, bag, err);
    kv_view_free(&view);
    return rc;
}

static void a_name_had_several_bags(void **state)
{
    (void)state;
    struct admin_past_bag bag;
    struct err err;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_delete(&fake, "user:Ann");        /* 4 */
    (void)fake_put(&fake, "user:bob", "a", "1"); /* 5, 6 */
    (void)fake_put(&fake, "user:ANN", "a", "2"); /* 7, 8 */
    (void)fake_delete(&fake, "user:ann");        /* 9 */
    (void)fake_put(&fake, "user:ann", "a", "3"); /* 10, 11 */
    assert_int_equal(find("user:ann", 3, &bag, &err), 0);
    assert_int_equal(bag.row.bag_id, 2);
    assert_true(bag.deleted && bag.whole);
    assert_int_equal(bag.deleted_seq, 4);
    assert_int_equal(find("user:ann", 8, &bag, &err), 0);
    assert_int_equal(bag.row.bag_id, 7);
    assert_string_equal(bag.row.owner.shown, "ANN");
    assert_int_equal(find("user:ann", ADMIN_PAST_NOW, &bag, &err), 0);
    assert_int_equal(bag.row.bag_id, 10);
    assert_false(bag.deleted);
    assert_int_equal(find("user:ann", 5, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "after change 5 there was no user 'ann', it was deleted with "
                                  "change 4, it was made with change 7");
    assert_int_equal(find("user:ann", 1, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text,
                        "after change 1 there was no user 'ann', it was made with change 2");
    assert_int_equal(find("user:bob", 4, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text,
                        "after change 4 there was no user 'bob', it was made with change 5");
    assert_int_equal(find("group:ann", 3, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "there is no group 'ann'");
    (void)fake_delete(&fake, "user:bob");
    assert_int_equal(find("user:bob", ADMIN_PAST_NOW, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "there is no user 'bob', it was deleted with change 12");
}

static void the_last_deletion_is_found(void **state)
{
    (void)state;
    struct kv_view *view = NULL;
    struct owner owner;
    struct admin_past_bag bag = {0};
    struct err err = {0};
    (void)fake_put(&fake, "user:ann", NULL, NULL); /* 2 */
    (void)fake_delete(&fake, "user:ann");          /* 3 */
    (void)fake_put(&fake, "user:ann", NULL, NULL); /* 4 */
    (void)fake_delete(&fake, "user:ann");          /* 5 */
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(admin_past_deleted(&fake.backend, view, &owner, ADMIN_PAST_NOW, &bag, &err),
                     0);
    assert_int_equal(bag.row.bag_id, 4);
    assert_int_equal(admin_past_deleted(&fake.backend, view, &owner, 3, &bag, &err), 0);
    assert_int_equal(bag.row.bag_id, 2);
    assert_int_equal(admin_past_deleted(&fake.backend, view, &owner, 1, &bag, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "no user 'ann' was deleted that anything is known of");
    kv_view_free(&view);
}

static int add_device(void *context, const struct admin_past_bag *bag, struct err *err)
{
    (void)err;
    char *out = context;
    size_t used = strlen(out);
    (void)snprintf(out + used, 128 - used, "%llu%s ", (unsigned long long)bag->row.owner.device,
                   bag->deleted ? "d" : "");
    return 0;
}

static void device_specific_bags_go_with_their_user(void **state)
{
    (void)state;
    static const char one[] = "user:ann/device:0000000000000001";
    static const char two[] = "user:ann/device:0000000000000002";
    struct bag_row user = {.bag_id = fake_put(&fake, "user:ann", "a", "1")}; /* 2, 3 */
    assert_int_equal(owner_parse(&user.owner, "user:ann", NULL), 0);
    (void)fake_put(&fake, one, "a", "1"); /* 4, 5 */
    (void)fake_put(&fake, two, "a", "1"); /* 6, 7 */
    char text[128];
    static const struct {
        uint64_t seq;
        const char *wanted;
    } before[] = {{3, ""}, {5, "1 "}, {7, "1 2 "}, {ADMIN_PAST_NOW, "1 2 "}};
    for (int deleted = 0; deleted < 2; deleted++) {
        struct kv_view *view = NULL;
        assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
            text[0] = '\0';
            assert_int_equal(admin_past_children(&fake.backend, view, &user, before[i].seq,
                                                 add_device, text, NULL),
                             0);
            const char *wanted = deleted == 0 ? before[i].wanted
                                 : i == 1     ? "1d "
                                 : i == 2     ? "1d 2d "
                                              : "";
            assert_string_equal(text, wanted);
        }
        kv_view_free(&view);
        if (deleted == 0) {
            (void)fake_delete(&fake, "user:ann");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(a_name_had_several_bags),
        FAKE_TEST(the_last_deletion_is_found),
        FAKE_TEST(device_specific_bags_go_with_their_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
