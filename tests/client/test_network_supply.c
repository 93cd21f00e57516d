/* tests/client/test_network_supply.c - the server deleted a bag, and wants this machine's copy. */
#include "tests/client/driven.h"

/* Ann's bag goes while the machine is away. */
static void delete_ann(struct driven *d, int code)
{
    struct toy_bag *ann = toy_ensure(d->toy, OWNER_USER, span_str("Ann"));
    d->toy->gone_code = code;
    d->toy->head++;
    ann->gone = true;
}

static bool toy_has(struct driven *d, const char *path)
{
    struct toy_bag *ann = toy_ensure(d->toy, OWNER_USER, span_str("Ann"));
    return toy_item(ann, span_str(path))->live;
}

static void the_copy_becomes_a_new_bag(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    driven_server_goes(&d);
    (void)set(&d.m, "user:Ann", "late", "2");
    delete_ann(&d, E_BAG_WANTED);
    d.refuses = false;
    driven_pass(&d, 10000);
    assert_true(toy_has(&d, "a"));
    assert_true(toy_has(&d, "late"));
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_string_equal(get(&d.m, "user:Ann", "late"), "2");
    struct kb_status status = status_of(&d.m);
    assert_int_equal(status.pending, 0);
    assert_int_equal(status.refused, 0); /* what was on its way to the old bag is in the new one */
    driven_end(&d);
}

static void the_new_bag_is_followed(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    driven_begin_with_ann(&d);
    driven_server_goes(&d);
    delete_ann(&d, E_BAG_WANTED);
    d.refuses = false;
    driven_pass(&d, 10000);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    toy_put_text(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")), "b", "3");
    driven_pass(&d, 10000);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "3"); /* the new bag is followed */
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_end(&d);
}

static void put_fleet(struct driven *d, const char *path, struct span value)
{
    (void)toy_put(d->toy, &d->toy->bags[0], span_str(path), &value);
}

/* What is each machine's own goes to the new bag on this machine; a default is nobody's. */
static void each_value_is_supplied_to_its_layer(void **state)
{
    (void)state;
    struct driven d;
    const struct category row = {
        .class = SHARING_DEFAULT_SETTINGS, .has_flag = true, .title = "C", .title_ja = "C"};
    struct buf value;
    buf_init(&value, TOY_VALUE);
    driven_begin_with_ann(&d);
    sharing_put_category(&value, &row);
    put_fleet(&d, "@category/copy", buf_span(&value));
    buf_reset(&value);
    sharing_put_flag(&value, true, false);
    put_fleet(&d, "@sharing/copy", buf_span(&value));
    buf_free(&value);
    put_fleet(&d, "@default/zoom", SPAN_LITERAL("1"));
    d.toy->own_copies = true;
    driven_settle(&d);
    (void)set(&d.m, "user:Ann", "copy/paper", "mine");
    driven_pass(&d, 1000);
    driven_server_goes(&d);
    (void)set(&d.m, "user:Ann", "copy/tray", "late");
    assert_string_equal(get(&d.m, "user:Ann", "zoom"), "1");
    toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")))->gone = true;
    delete_ann(&d, E_BAG_WANTED);
    d.refuses = false;
    driven_pass(&d, 10000);
    struct toy_bag *own = toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    assert_true(toy_item(own, span_str("copy/paper"))->live);
    assert_true(toy_item(own, span_str("copy/tray"))->live);
    assert_true(toy_has(&d, "a"));
    assert_false(toy_has(&d, "copy/paper"));
    assert_false(toy_has(&d, "zoom"));
    assert_string_equal(get(&d.m, "user:Ann", "copy/paper"), "mine");
    assert_string_equal(get(&d.m, "user:Ann", "copy/tray"), "late");
    assert_int_equal(status_of(&d.m).pending, 0);
    driven_end(&d);
}

/* Without the wish the deletion is obeyed. */
static void nothing_is_supplied_that_is_not_wanted(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    driven_server_goes(&d);
    (void)set(&d.m, "user:Ann", "late", "2");
    delete_ann(&d, 0);
    d.refuses = false;
    driven_pass(&d, 10000);
    assert_int_equal(status_of(&d.m).users, 0);
    assert_int_equal(status_of(&d.m).refused, 1);
    assert_false(toy_has(&d, "a"));
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_becomes_a_new_bag),
        cmocka_unit_test(the_new_bag_is_followed),
        cmocka_unit_test(each_value_is_supplied_to_its_layer),
        cmocka_unit_test(nothing_is_supplied_that_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
