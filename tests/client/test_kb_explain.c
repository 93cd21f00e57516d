/* tests/client/test_kb_explain.c - where a value comes from, as a program is told. */
#include "tests/client/driven.h"
#include "tests/client/sharing_samples.h"

enum { ANN = 40, ANNS = 45, DEVICE = 7 };

static const uint8_t no_hash[SHA256_SIZE] = {0};

static void add_bag(struct machine *m, const char *text, uint64_t bag_id)
{
    struct replica_bag bag = {.bag_id = bag_id, .cursor = bag_id, .complete = true, .keep = true};
    assert_int_equal(owner_parse(&bag.owner, text, NULL), 0);
    assert_int_equal(replica_bag_add(m->kb->replica, &bag, NULL), 0);
}

static void add_item(struct machine *m, uint64_t bag_id, uint64_t seq, const char *path,
                     const char *value)
{
    uint64_t bad = 0;
    struct change change = {.seq = seq,
                            .time_ms = 5000,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = bag_id,
                            .prev = bag_id,
                            .origin = bag_id == ANNS ? DEVICE : 0xabc,
                            .path = span_str(path),
                            .value = span_str(value)};
    assert_int_equal(
        replica_apply(m->kb->replica, &change, 1, seq, no_hash, &bad, NULL, NULL, NULL), 0);
}

/* A machine as if it had joined as device 7, with Ann's bags and the category "copy". */
static void begin(struct machine *m)
{
    machine_begin(m);
    m->kb->identity.device = DEVICE;
    add_bag(m, "fleet", FLEET);
    add_bag(m, "user:Ann", ANN);
    add_bag(m, "user:Ann/device:0000000000000007", ANNS);
    add_item(m, ANN, 50, "copy/paper", "a4");
    add_item(m, ANNS, 52, "copy/paper", "mine");
    fleet_category(m->kb->replica, "copy", 0, 55, FLEET);
}

static struct kb_explanation explain(struct machine *m, const char *bag, const char *item)
{
    struct kb_explanation out = {.size = sizeof out};
    struct kb_error error = {0};
    ok(kb_explain(m->kb, bag, item, &out, NULL, &error), &error);
    return out;
}

static void each_layer_is_told(void **state)
{
    (void)state;
    struct machine m;
    begin(&m);
    struct kb_explanation e = explain(&m, "user:Ann", "copy/paper");
    assert_int_equal(e.layer, KB_LAYER_SHARED);
    assert_int_equal(e.sharing, KB_SHARING_SHARED);
    assert_int_equal(e.sharing_seq, 0); /* as the catalogue has it */
    assert_int_equal(e.seq, 50);
    assert_string_equal(e.origin, "0000000000000abc");
    assert_string_equal(e.device, "0000000000000007");
    assert_true(e.own.there && e.own.seq == 52 && e.own.bytes == 4);
    fleet_flag(m.kb->replica, "copy", true, true, 60, 55);
    fleet_default(m.kb->replica, "copy/paper", "letter", 61, 60);
    e = explain(&m, "user:Ann", "copy/paper");
    assert_int_equal(e.layer, KB_LAYER_DEVICE);
    assert_int_equal(e.sharing, KB_SHARING_DEVICE);
    assert_true(e.copy);
    assert_int_equal(e.sharing_seq, 60);
    assert_string_equal(e.origin, "0000000000000007");
    assert_true(e.fallback.there && e.fallback.seq == 61);
    assert_string_equal(e.fallback.origin, ""); /* an administrator */
    fleet_fence(m.kb->replica, "device/copy", 62, 61);
    e = explain(&m, "user:Ann", "copy/paper");
    assert_int_equal(e.layer, KB_LAYER_SHARED); /* the copy */
    assert_int_equal(e.own.initialised_seq, 62);
    assert_int_equal(e.shared.initialised_seq, 0);
    assert_string_equal(e.category, "copy");
    e = explain(&m, "user:Ann", "copy/none");
    assert_int_equal(e.layer, KB_LAYER_NONE);
    assert_int_equal(e.sharing, KB_SHARING_DEVICE);
    e = explain(&m, "user:Ann", "language");
    assert_int_equal(e.sharing, KB_SHARING_ALWAYS);
    assert_string_equal(e.category, "");
    machine_end(&m);
}

static void other_bags_are_explained_too(void **state)
{
    (void)state;
    struct machine m;
    begin(&m);
    fleet_flag(m.kb->replica, "copy", true, true, 60, 55);
    struct kb_explanation e = explain(&m, "user:Ann/device:0000000000000007", "copy/paper");
    assert_int_equal(e.layer, KB_LAYER_DEVICE);
    assert_true(e.own.there && !e.shared.there);
    e = explain(&m, "fleet", "@category/copy");
    assert_int_equal(e.layer, KB_LAYER_SHARED);
    assert_int_equal(e.sharing, KB_SHARING_ALWAYS);
    machine_end(&m);
}

static void a_local_write_is_this_machines(void **state)
{
    (void)state;
    struct machine m;
    struct kb_value value = {0};
    struct kb_error error = {0};
    struct kb_explanation e = {.size = sizeof e};
    begin(&m);
    (void)set(&m, "user:Ann", "copy/paper", "b5");
    ok(kb_explain(m.kb, "user:Ann", "copy/paper", &e, &value, &error), &error);
    assert_int_equal(e.layer, KB_LAYER_SHARED);
    assert_true(e.pending && value.pending);
    assert_string_equal(value.data, "b5");
    assert_string_equal(e.origin, "0000000000000007");
    assert_int_equal(e.seq, 0);
    assert_true(e.shared.there && e.shared.seq == 50); /* what it lies over */
    kb_value_free(&value);
    fleet_flag(m.kb->replica, "copy", true, false, 60, 55);
    assert_int_equal(explain(&m, "user:Ann", "copy/paper").layer, KB_LAYER_DEVICE);
    machine_end(&m);
}

static void a_default_has_no_seq_of_the_items(void **state)
{
    (void)state;
    struct machine m;
    struct kb_value value = {0};
    struct kb_error error = {0};
    struct kb_explanation e = {.size = sizeof e};
    begin(&m);
    fleet_default(m.kb->replica, "copy/zoom", "1", 60, 55);
    ok(kb_explain(m.kb, "user:Ann", "copy/zoom", &e, &value, &error), &error);
    assert_int_equal(e.layer, KB_LAYER_DEFAULT);
    assert_int_equal(e.seq, 60);
    assert_int_equal(value.seq, 0);
    kb_value_free(&value);
    ok(kb_get(m.kb, "user:Ann", "copy/zoom", &value, &error), &error);
    assert_int_equal(value.seq, 0);
    assert_false(value.pending);
    kb_value_free(&value);
    /* "only when there is none" holds */
    struct kb_write_options options = {.size = sizeof options, .has_if_seq = true};
    ok(kb_set(m.kb, "user:Ann", "copy/zoom", "2", 1, &options, NULL, &error), &error);
    assert_string_equal(get(&m, "user:Ann", "copy/zoom"), "2*");
    machine_end(&m);
}

static void what_can_not_be_explained_is_said(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct kb_explanation e = {.size = sizeof e};
    begin(&m);
    assert_int_equal(kb_explain(m.kb, "user:Bob", "a", &e, NULL, &error), KB_E_NOT_SIGNED_IN);
    assert_int_equal(kb_explain(m.kb, "user:Ann", "", &e, NULL, &error), KB_E_PATH);
    assert_int_equal(kb_explain(m.kb, "what", "a", &e, NULL, NULL), KB_E_INVALID);
    e.size--;
    assert_int_equal(kb_explain(m.kb, "user:Ann", "a", &e, NULL, &error), KB_E_INVALID);
    machine_end(&m);
}

static void a_machine_alone_shares_all(void **state)
{
    (void)state;
    struct machine m;
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "copy/paper", "a4");
    struct kb_explanation e = explain(&m, "user:Ann", "copy/paper");
    assert_int_equal(e.layer, KB_LAYER_SHARED);
    assert_int_equal(e.sharing, KB_SHARING_ALWAYS);
    assert_true(e.pending);
    assert_string_equal(e.origin, "");
    assert_string_equal(e.device, "");
    machine_end(&m);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct machine m;
    begin(&m);
    (void)set(&m, "user:Ann", "copy/paper", "b5");
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct kb_explanation e = {.size = sizeof e};
        struct kb_value value = {0};
        fail_alloc_at(nth);
        int rc = kb_explain(m.kb, "user:Ann", "copy/paper", &e, &value, NULL);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == KB_E_NOMEM));
        assert_true((value.data != NULL) == (rc == 0));
        kb_value_free(&value);
    }
    assert_true(nth > 3);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layer_is_told),
        cmocka_unit_test(other_bags_are_explained_too),
        cmocka_unit_test(a_local_write_is_this_machines),
        cmocka_unit_test(a_default_has_no_seq_of_the_items),
        cmocka_unit_test(what_can_not_be_explained_is_said),
        cmocka_unit_test(a_machine_alone_shares_all),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/kb_explain", tests, NULL, NULL);
}
