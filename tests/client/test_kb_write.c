/* tests/client/test_kb_write.c - writing: what is refused at once, and what is durable. */
#include "tests/client/kb_samples.h"

static void limits_are_named(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    static char big[(1 << 20) + 1];
    machine_begin(&m);
    login(&m, "Ann");
    const char *bag = "user:Ann";
    assert_int_equal(kb_set(m.kb, bag, "a", big, 1 << 20, NULL, NULL, &error), 0);
    assert_int_equal(kb_set(m.kb, bag, "a", big, sizeof big, NULL, NULL, &error), KB_E_TOO_LARGE);
    assert_non_null(strstr(error.text, "1048576"));
    assert_int_equal(kb_set(m.kb, bag, "", "", 0, NULL, NULL, &error), KB_E_PATH);
    assert_int_equal(kb_set(m.kb, bag, "a/../b", "", 0, NULL, NULL, &error), KB_E_PATH);
    assert_int_equal(kb_set(m.kb, bag, "@user/1", "", 0, NULL, NULL, &error), KB_E_PATH);
    assert_int_equal(kb_set(m.kb, "user:Bob", "a", "", 0, NULL, NULL, &error), KB_E_NOT_SIGNED_IN);
    assert_int_equal(kb_set(m.kb, "fleet", "a", "", 0, NULL, NULL, &error), KB_E_NOT_ALLOWED);
    assert_int_equal(kb_set(m.kb, "server", "a", "", 0, NULL, NULL, &error), KB_E_NOT_ALLOWED);
    struct kb_write_options options = {.size = 3};
    assert_int_equal(kb_set(m.kb, bag, "a", "", 0, &options, NULL, &error), KB_E_INVALID);
    assert_int_equal(kb_remove(m.kb, bag, "a/", NULL, NULL, &error), KB_E_PATH);
    assert_int_equal(status_of(&m).pending, 2); /* the user and the first write */
    machine_end(&m);
}

static void a_change_set_is_all_or_none(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    static char big[(1 << 20) - 10];
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "old", "1");
    struct kb_write writes[] = {
        {.item = "a", .bytes = "1", .size = 1},
        {.item = "old", .remove = true},
        {.item = "b", .bytes = "2", .size = 1},
    };
    uint64_t op = 0;
    ok(kb_apply(m.kb, "user:Ann", writes, 3, NULL, &op, &error), &error);
    assert_true(op > 0);
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    assert_null(get(&m, "user:Ann", "old"));
    writes[2].item = "no//path";
    writes[0].item = "x";
    assert_int_equal(kb_apply(m.kb, "user:Ann", writes, 3, NULL, NULL, &error), KB_E_PATH);
    assert_null(get(&m, "user:Ann", "x"));
    assert_int_equal(kb_apply(m.kb, "user:Ann", NULL, 0, NULL, NULL, &error), KB_E_INVALID);
    assert_int_equal(kb_apply(m.kb, "user:Ann", writes, 10001, NULL, NULL, &error), KB_E_TOO_LARGE);
    struct kb_write large[] = {
        {.item = "a", .bytes = big, .size = sizeof big},
        {.item = "b", .bytes = big, .size = sizeof big},
        {.item = "c", .bytes = big, .size = 20},
    };
    assert_int_equal(kb_apply(m.kb, "user:Ann", large, 3, NULL, NULL, &error), KB_E_TOO_LARGE);
    ok(kb_apply(m.kb, "user:Ann", large, 2, NULL, NULL, &error), &error);
    machine_end(&m);
}

static void a_condition_that_can_not_hold_is_refused_here(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    struct replica_bag bag = {.bag_id = 40, .cursor = 40, .complete = true, .keep = true};
    assert_int_equal(owner_make(&bag.owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_add(m.kb->replica, &bag, NULL), 0);
    struct change change = {.seq = 41,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = 40,
                            .prev = 40,
                            .path = span_str("a"),
                            .value = span_str("1")};
    const uint8_t hash[SHA256_SIZE] = {0};
    uint64_t bad = 0;
    assert_int_equal(replica_apply(m.kb->replica, &change, 1, 41, hash, &bad, NULL, NULL, NULL), 0);
    struct kb_write_options if_seq = {.size = sizeof if_seq, .has_if_seq = true, .if_seq = 40};
    assert_int_equal(kb_set(m.kb, "user:Ann", "a", "2", 1, &if_seq, NULL, &error), KB_E_CONDITION);
    assert_non_null(strstr(error.text, "41"));
    if_seq.if_seq = 0;
    assert_int_equal(kb_set(m.kb, "user:Ann", "a", "2", 1, &if_seq, NULL, &error), KB_E_CONDITION);
    ok(kb_set(m.kb, "user:Ann", "new", "2", 1, &if_seq, NULL, &error), &error);
    assert_int_equal(kb_set(m.kb, "user:Ann", "new", "3", 1, &if_seq, NULL, &error),
                     KB_E_CONDITION); /* its own write is not acknowledged */
    if_seq.if_seq = 41;
    ok(kb_set(m.kb, "user:Ann", "a", "2", 1, &if_seq, NULL, &error), &error);
    machine_end(&m);
}

static void waiting_without_a_server_says_so(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    login(&m, "Ann");
    uint64_t op = set(&m, "user:Ann", "a", "1");
    assert_int_equal(kb_wait(m.kb, op, 10000, &error), KB_E_NOT_JOINED);
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    machine_end(&m);
}

static void a_full_outbox_is_a_quota(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    static char value[10000];
    machine_begin(&m);
    kb_close(&m.kb);
    struct kb_options options = {.size = sizeof options, .data_dir = m.dir, .outbox_bytes = 100000};
    ok(kb_open(&m.kb, &options, &error), &error);
    login(&m, "Ann");
    int rc = 0;
    for (int i = 0; rc == 0 && i < 20; i++) {
        char item[8];
        (void)snprintf(item, sizeof item, "i%d", i); /* one item alone would make room for itself */
        rc = kb_set(m.kb, "user:Ann", item, value, sizeof value, NULL, NULL, &error);
    }
    assert_int_equal(rc, KB_E_QUOTA);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(a_change_set_is_all_or_none),
        cmocka_unit_test(a_condition_that_can_not_hold_is_refused_here),
        cmocka_unit_test(waiting_without_a_server_says_so),
        cmocka_unit_test(a_full_outbox_is_a_quota),
    };
    return cmocka_run_group_tests_name("client/kb_write", tests, NULL, NULL);
}
