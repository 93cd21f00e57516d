/* tests/client/test_kb_groups.c - the groups of users, and those whom nobody needs. */
#include "tests/client/driven.h"

static struct owner owner_of(enum owner_kind kind, const char *name)
{
    struct owner owner;
    assert_int_equal(owner_make(&owner, kind, span_str(name), 0, NULL), 0);
    return owner;
}

static uint64_t add(struct driven *d, enum owner_kind kind, const char *name, uint64_t bag_id)
{
    struct replica_bag bag = {.bag_id = bag_id, .keep = true, .owner = owner_of(kind, name)};
    assert_int_equal(replica_bag_add(d->m.kb->replica, &bag, NULL), 0);
    return bag.local;
}

static void join_groups(struct driven *d, uint64_t local, const char *first, const char *second)
{
    static struct kb_groups groups;
    groups.count = second != NULL ? 2 : 1;
    groups.list[0] = owner_of(OWNER_GROUP, first);
    groups.list[1] = owner_of(OWNER_GROUP, second != NULL ? second : first);
    assert_int_equal(client_groups_set(d->m.kb, local, &groups, NULL), 0);
}

static void note_dropped(void *context, uint64_t bag_id)
{
    uint64_t *dropped = context;
    *dropped = *dropped * 100 + bag_id;
}

static uint64_t drop_spare(struct driven *d)
{
    uint64_t dropped = 0;
    assert_int_equal(client_drop_spare_groups(d->m.kb, note_dropped, &dropped, NULL), 0);
    return dropped;
}

static void groups_are_remembered_with_the_user(void **state)
{
    (void)state;
    static struct kb_groups groups;
    struct driven d;
    driven_begin(&d, 1);
    uint64_t ann = add(&d, OWNER_USER, "Ann", 40);
    assert_int_equal(client_groups_get(d.m.kb, ann, &groups, NULL), 0);
    assert_int_equal(groups.count, 0);
    join_groups(&d, ann, "Staff", "lab");
    assert_int_equal(client_groups_get(d.m.kb, ann, &groups, NULL), 0);
    assert_int_equal(groups.count, 2);
    assert_string_equal(groups.list[0].shown, "Staff");
    assert_int_equal(client_groups_forget(d.m.kb, ann, NULL), 0);
    assert_int_equal(client_groups_get(d.m.kb, ann, &groups, NULL), 0);
    assert_int_equal(groups.count, 0);
    driven_end(&d);
}

static void a_group_goes_when_the_last_user_of_it_is_gone(void **state)
{
    (void)state;
    struct driven d;
    struct replica_bag left;
    driven_begin(&d, 1);
    assert_int_equal(drop_spare(&d), 0);
    (void)add(&d, OWNER_GROUP, "staff", 11);
    (void)add(&d, OWNER_GROUP, "lab", 12);
    (void)add(&d, OWNER_GROUP, "nobody", 13);
    (void)add(&d, OWNER_GROUP, "made here", 0); /* its writes still go out */
    uint64_t ann = add(&d, OWNER_USER, "Ann", 40);
    uint64_t bob = add(&d, OWNER_USER, "Bob", 50);
    join_groups(&d, ann, "Staff", "lab");
    join_groups(&d, bob, "LAB", NULL);
    assert_int_equal(drop_spare(&d), 13);
    assert_int_equal(drop_spare(&d), 0);
    assert_int_equal(replica_bag_drop(d.m.kb->replica, ann, NULL), 0);
    assert_int_equal(drop_spare(&d), 11);
    assert_int_equal(replica_bag_by_id(d.m.kb->replica, 12, &left, NULL), 0);
    assert_int_equal(replica_bag_drop(d.m.kb->replica, bob, NULL), 0);
    assert_int_equal(drop_spare(&d), 12);
    struct owner made = owner_of(OWNER_GROUP, "made here");
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &made, &left, NULL), 0);
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_remembered_with_the_user),
        cmocka_unit_test(a_group_goes_when_the_last_user_of_it_is_gone),
    };
    return cmocka_run_group_tests_name("client/kb_groups", tests, NULL, NULL);
}
