/* The fleet's bag gets what the files have, no more and no less. */
#include "server/seeding.h"
#include "tests/server/sharing_fixture.h"

static void seed(struct fixture *fx, const char *text, size_t expected)
{
    struct catalogue *catalogue = NULL;
    struct err err = {0};
    size_t changes = 0;
    assert_int_equal(catalogue_new(&catalogue), 0);
    assert_int_equal(catalogue_add(catalogue, span_str(text), "test", NULL), 0);
    if (seeding_run(fx->committer, catalogue, &changes, &err) != 0) {
        fail_msg("%s", err.text);
    }
    committer_settle(fx->committer);
    assert_int_equal(changes, expected);
    catalogue_free(&catalogue);
}

#define ROW(path, more) "{\"path\":\"" path "\",\"title\":\"T\"" more "}"
#define FLAG            ",\"flag\":\"shared\""

static void what_differs_is_committed(void **state)
{
    struct fixture *fx = *state;
    fx_forget(fx);
    seed(fx,
         "{\"categories\":[" ROW("a", FLAG) "," ROW("b", "") "],\"defaults\":[{\"item\":\"b/x\","
                                                             "\"value\":\"1\"}]}",
         3);
    assert_int_equal(fx->change_count, 3);
    for (size_t i = 0; i < 3; i++) { /* one set, in nobody's name */
        assert_int_equal(fx->changes[i].change.set_left, 2 - i);
        assert_int_equal(fx->changes[i].change.bag_id, 3);
        assert_int_equal(fx->changes[i].change.origin, 0);
    }
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_null(fx_last(fx)->reply.ticket);
    assert_string_equal(fx_value(fx, 3, "@default/b/x"), "1");
    fx_forget(fx);
    seed(fx,
         "{\"categories\":[" ROW("a", FLAG) "," ROW("b", "") "],\"defaults\":[{\"item\":\"b/x\","
                                                             "\"value\":\"1\"}]}",
         0);
    assert_int_equal(fx->change_count, 0);
    /* One is another, one is new, and what the files do not have goes. */
    seed(fx, "{\"categories\":[" ROW("a", "") "," ROW("c", "") "]}", 4);
    assert_int_equal(fx->change_count, 4);
    assert_string_equal(fx_value(fx, 3, "@default/b/x"), "");
    assert_string_equal(fx_value(fx, 3, "@category/b"), "");
    assert_string_not_equal(fx_value(fx, 3, "@category/c"), "");
}

/* Also while the state has not taken in what was committed before. */
static void flags_stay_as_they_were_set(void **state)
{
    struct fixture *fx = *state;
    seed(fx, "{\"categories\":[" ROW("a", FLAG) "]}", 1);
    uint64_t seq = sx_switch_one(fx, true, "a=device");
    seed(fx, "{\"categories\":[" ROW("a", FLAG ",\"secret\":true") "]}", 1);
    assert_string_not_equal(fx_value(fx, 3, "@sharing/a"), "");
    seed(fx, "{}", 1);
    seed(fx, "{\"categories\":[" ROW("a", FLAG) "]}", 1);
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    assert_true(sx_write(fx, &a, 1, ann, (struct sx_item){.path = "a", .value = "1"})->split.is);
    assert_true(seq > 0);
}

/* What is no category takes no category's room. */
static void very_many_defaults_go(void **state)
{
    enum { MANY = SHARING_CATEGORIES_MAX + 10 };
    struct fixture *fx = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < MANY; i++) {
        (void)buf_printf(&text, "%s{\"item\":\"b/x%d\",\"value\":\"1\"}",
                         i == 0 ? "{\"defaults\":[" : ",", i);
    }
    (void)buf_printf(&text, "]}");
    assert_int_equal(buf_append_u8(&text, 0), 0);
    seed(fx, (const char *)text.data, MANY);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    seed(fx, "{\"categories\":[" ROW("a", "") "]}", MANY + 1);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_string_equal(fx_value(fx, 3, "@default/b/x0"), "");
    assert_string_not_equal(fx_value(fx, 3, "@category/a"), "");
    buf_free(&text);
}

static bool no_room(void *context)
{
    (void)context;
    return false;
}

/* A full disk does not keep the server from starting. */
static void what_can_not_be_written_now(void **state)
{
    struct fixture *fx = *state;
    fx_close(fx, true);
    fx->has_room = no_room;
    fx_open(fx);
    fx_forget(fx);
    seed(fx, "{\"categories\":[" ROW("a", FLAG) "]}", 1);
    assert_int_equal(fx->change_count, 0);
    assert_int_equal(fx_last(fx)->reply.code, E_NOSPACE);
    seeding_answered(&fx_last(fx)->reply);
    fx_close(fx, true);
    fx->has_room = NULL;
    fx_open(fx);
    seed(fx, "{\"categories\":[" ROW("a", FLAG) "]}", 1);
    seeding_answered(&fx_last(fx)->reply);
    assert_string_not_equal(fx_value(fx, 3, "@category/a"), "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_differs_is_committed),
        TEST(flags_stay_as_they_were_set),
        TEST(very_many_defaults_go),
        TEST(what_can_not_be_written_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
