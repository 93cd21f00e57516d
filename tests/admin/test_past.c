/* Tests of admin/past.c: any state of a bag, also of a deleted one, with its fences; a model of a
 * thousand random changes tells what is right.
 */
#include "tests/admin/past_fixture.h"

static void each_moment_is_told(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "b", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "a", "2"); /* 4 */
    (void)fake_put(&fake, "user:bob", "a", "x"); /* 5, 6 */
    (void)fake_put(&fake, "user:ann", "b", "3"); /* 7 */
    (void)fake_remove(&fake, "user:ann", "a");   /* 8 */
    (void)fake_put(&fake, "user:ann", "c", "");  /* 9 */
    (void)fake_put(&fake, "user:ann", "a", "4"); /* 10 */
    assert_past("user:ann", ADMIN_PAST_NOW, "a=4 b=3 c=");
    assert_past("user:ann", 10, "a=4 b=3 c=");
    assert_past("user:ann", 9, "b=3 c=");
    assert_past("user:ann", 8, "b=3");
    assert_past("user:ann", 7, "a=2 b=3");
    assert_past("user:ann", 6, "a=2 b=1");
    assert_past("user:ann", 4, "a=2 b=1");
    assert_past("user:ann", 3, "b=1");
    assert_past("user:ann", 2, "");
    assert_past("user:bob", 6, "a=x");
}

static void who_and_when_are_looked_up(void **state)
{
    (void)state;
    fake.origin = 0x77;
    fake.conflict = true;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    fake.origin = 0;
    fake.conflict = false;
    (void)fake_put(&fake, "user:ann", "a", "2");
    struct kv_view *view = NULL;
    struct owner owner;
    struct admin_past_bag bag = {0};
    struct admin_past *past = NULL;
    struct admin_past_item item;
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_past_bag(&fake.backend, view, &owner, 3, &bag, NULL), 0);
    struct admin_past_options options = {
        .backend = &fake.backend, .view = view, .bag = &bag, .seq = 3, .about = true};
    assert_int_equal(admin_past_open(&past, &options, NULL), 0);
    assert_int_equal(admin_past_next(past, &item, NULL), 0);
    assert_int_equal(item.seq, 3);
    assert_int_equal(item.time_ms, 1700000001000);
    assert_int_equal(item.origin, 0x77);
    assert_true(item.conflict);
    assert_null(item.value.data); /* nobody asked for it */
    assert_int_equal(item.size, 1);
    assert_int_equal(admin_past_next(past, &item, NULL), E_NOT_FOUND);
    admin_past_seek(past, span_of(NULL, 0));
    assert_int_equal(admin_past_next(past, &item, NULL), 0);
    admin_past_seek(past, SPAN_LITERAL("a"));
    assert_int_equal(admin_past_next(past, &item, NULL), E_NOT_FOUND);
    admin_past_close(&past);
    kv_view_free(&view);
}

static void a_deleted_bag_is_there_in_its_time(void **state)
{
    (void)state;
    char line[256];
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "a", "2"); /* 4 */
    (void)fake_delete(&fake, "user:ann");        /* 5 */
    (void)fake_put(&fake, "user:ann", "z", "9"); /* 6, 7 */
    for (int cleaned = 0; cleaned < 2; cleaned++) {
        assert_past("user:ann", 3, "a=1");
        assert_past("user:ann", 4, "a=2");
        assert_past("user:ann", 7, "z=9");
        assert_int_equal(past_line("user:ann", 5, false, line, sizeof line), E_NOT_FOUND);
        assert_past("user:ann", 6, "");
        clean_all(); /* then the bag is put together from its changes alone */
    }
}

static void fences_count_as_of_the_moment(void **state)
{
    (void)state;
    char line[256];
    (void)fake_put(&fake, "user:ann", "copy/a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "scan/a", "2"); /* 4 */
    (void)fake_put(&fake, "group:g", "copy/a", "3");  /* 5, 6 */
    uint64_t up = fake_fence_up(&fake, "copy");       /* 7, 8 */
    (void)fake_put(&fake, "user:ann", "copy/b", "4"); /* 9 */
    assert_int_equal(up, 8);
    assert_past("user:ann", ADMIN_PAST_NOW, "copy/b=4 scan/a=2");
    assert_past("user:ann", 8, "scan/a=2");
    assert_past("user:ann", 7, "copy/a=1 scan/a=2");
    assert_past("group:g", ADMIN_PAST_NOW, "copy/a=3");
    assert_int_equal(past_line("user:ann", ADMIN_PAST_NOW, true, line, sizeof line), 0);
    assert_string_equal(line, "(copy/a=1) copy/b=4 scan/a=2");
    uint64_t down = fake_fence_down(&fake, "copy"); /* 10 */
    assert_past("user:ann", down, "copy/a=1 copy/b=4 scan/a=2");
    assert_past("user:ann", 9, "copy/b=4 scan/a=2");
    assert_past("user:ann", 8, "scan/a=2");
}

static void one_item_alone_is_read(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy", "1");
    (void)fake_put(&fake, "user:ann", "copy/a", "2");
    (void)fake_put(&fake, "user:ann", "copy", "3");
    struct kv_view *view = NULL;
    struct owner owner;
    struct admin_past_bag bag = {0};
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_past_bag(&fake.backend, view, &owner, 4, &bag, NULL), 0);
    static const uint64_t moments[] = {3, 4, ADMIN_PAST_NOW};
    static const char *const wanted[] = {"1", "1", "3"};
    for (size_t i = 0; i < 3; i++) {
        struct admin_past *past = NULL;
        struct admin_past_item item;
        struct admin_past_options options = {.backend = &fake.backend,
                                             .view = view,
                                             .bag = &bag,
                                             .seq = moments[i],
                                             .only = SPAN_LITERAL("copy"),
                                             .values = true};
        assert_int_equal(admin_past_open(&past, &options, NULL), 0);
        assert_int_equal(admin_past_next(past, &item, NULL), 0);
        assert_true(span_equal(item.value, span_str(wanted[i])));
        assert_int_equal(admin_past_next(past, &item, NULL), E_NOT_FOUND);
        admin_past_close(&past);
    }
    kv_view_free(&view);
}

static void who_does_not_wait_is_not_answered(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1");
    (void)fake_put(&fake, "user:ann", "a", "2");
    struct kv_view *view = NULL;
    struct owner owner;
    struct admin_past_bag bag = {0};
    struct admin_past *past = NULL;
    atomic_bool given_up = true;
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    assert_int_equal(admin_past_bag(&fake.backend, view, &owner, 3, &bag, NULL), 0);
    struct admin_past_options options = {
        .backend = &fake.backend, .view = view, .bag = &bag, .seq = 3, .given_up = &given_up};
    assert_int_equal(admin_past_open(&past, &options, NULL), E_CLOSED);
    assert_null(past);
    kv_view_free(&view);
}

/* --- against a model --- */

enum { MODEL_STEPS = 120, MODEL_PATHS = 12, MODEL_LINE = 512 };

static void model_line(char values[MODEL_PATHS][8], const bool *there, char out[MODEL_LINE])
{
    out[0] = '\0';
    for (int i = 0; i < MODEL_PATHS; i++) {
        size_t used = strlen(out);
        if (there[i]) {
            (void)snprintf(out + used, MODEL_LINE - used, "%sp%02d=%s", used > 0 ? " " : "", i,
                           values[i]);
        }
    }
}

static void every_moment_of_a_long_history_is_right(void **state)
{
    (void)state;
    static char lines[MODEL_STEPS][MODEL_LINE];
    static uint64_t seqs[MODEL_STEPS];
    char values[MODEL_PATHS][8];
    bool there[MODEL_PATHS] = {false};
    uint32_t seed = 4711;
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    for (int i = 0; i < MODEL_STEPS; i++) {
        seed = seed * 1664525 + 1013904223;
        int at = (int)((seed >> 16) % MODEL_PATHS);
        char path[8];
        (void)snprintf(path, sizeof path, "p%02d", at);
        if (there[at] && (seed >> 8) % 3 == 0) {
            (void)fake_remove(&fake, "user:ann", path);
            there[at] = false;
        } else {
            (void)snprintf(values[at], sizeof values[at], "%d", i);
            (void)fake_put(&fake, "user:ann", path, values[at]);
            there[at] = true;
        }
        model_line(values, there, lines[i]);
        seqs[i] = fake_head(&fake);
    }
    for (int i = 0; i < MODEL_STEPS; i++) {
        assert_past("user:ann", seqs[i], lines[i]);
    }
    (void)fake_delete(&fake, "user:ann");
    for (int i = 0; i < MODEL_STEPS; i += 37) {
        assert_past("user:ann", seqs[i], lines[i]);
    }
    clean_all();
    for (int i = 0; i < MODEL_STEPS; i += 41) {
        assert_past("user:ann", seqs[i], lines[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(each_moment_is_told),
        FAKE_TEST(who_and_when_are_looked_up),
        FAKE_TEST(a_deleted_bag_is_there_in_its_time),
        FAKE_TEST(fences_count_as_of_the_moment),
        FAKE_TEST(one_item_alone_is_read),
        FAKE_TEST(who_does_not_wait_is_not_answered),
        FAKE_TEST(every_moment_of_a_long_history_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
