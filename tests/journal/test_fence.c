/* tests/journal/test_fence.c - fences: paths, values, and which items they make void. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "journal/fence.h"
#include "tests/support/fail_alloc.h"

static struct span text(const char *value)
{
    return span_str(value);
}

/* Puts the fence of a category, at `seq` or, when not 0, at `from`. */
static int put(struct fences *set, enum fence_layer layer, const char *category, uint64_t seq,
               const struct fence *fence)
{
    struct buf path;
    struct buf value;
    buf_init(&path, 512);
    buf_init(&value, 65536);
    assert_int_equal(fence_path(&path, layer, text(category)), 0);
    fence_put_value(&value, fence);
    int rc = buf_error(&value);
    if (rc == 0) {
        rc = fences_put(set, buf_span(&path), seq, buf_span(&value), NULL);
    }
    buf_free(&path);
    buf_free(&value);
    return rc;
}

static uint64_t shared(const struct fences *set, const char *path)
{
    return fences_position(set, OWNER_USER, text(path));
}

static void paths(void **state)
{
    (void)state;
    struct buf path;
    enum fence_layer layer = FENCE_SHARED;
    struct span category;
    buf_init(&path, 512);
    assert_int_equal(fence_path(&path, FENCE_DEVICE, text("copy/default")), 0);
    assert_true(span_equal(buf_span(&path), text("@fence/device/copy/default")));
    assert_true(fence_path_is(buf_span(&path)));
    assert_int_equal(fence_of_path(buf_span(&path), &layer, &category), 0);
    assert_int_equal(layer, FENCE_DEVICE);
    assert_true(span_equal(category, text("copy/default")));
    const char *const bad[] = {
        "@fence/",          "@fence/both/copy",  "@fence/shared/",      "@fence/shared",
        "@fence/device//x", "fence/shared/copy", "@fence/shared/@fence"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(fence_of_path(text(bad[i]), &layer, &category), E_MALFORMED);
    }
    buf_free(&path);
}

static void a_category_has_a_longest_length(void **state)
{
    (void)state;
    char name[FENCE_CATEGORY_MAX + 2];
    struct buf path;
    buf_init(&path, 512);
    memset(name, 'a', sizeof name);
    for (size_t size = FENCE_CATEGORY_MAX - 1; size <= FENCE_CATEGORY_MAX + 1; size++) {
        buf_reset(&path);
        int rc = fence_path(&path, FENCE_SHARED, span_of(name, size));
        assert_int_equal(rc, size <= FENCE_CATEGORY_MAX ? 0 : E_PATH);
        assert_true(path.size <= PATH_MAX_BYTES);
    }
    assert_int_equal(fence_path(&path, FENCE_SHARED, text("")), E_PATH);
    assert_int_equal(fence_path(&path, FENCE_SHARED, text("@user/1")), E_PATH);
    assert_int_equal(fence_path(&path, FENCE_SHARED, text("a//b")), E_PATH);
    buf_free(&path);
}

static void values_are_read_as_written(void **state)
{
    (void)state;
    struct unpacked scratch = {0};
    struct buf value;
    struct fence read = {0};
    const struct fence fence = {.from = 70000,
                                .cleared = true,
                                .except_count = 2,
                                .except = {SPAN_LITERAL("copy/a"), SPAN_LITERAL("copy/b")}};
    static const uint8_t golden[] = "\x93\xce\x00\x01\x11\x70\xc3\x92\xa6"
                                    "copy/a\xa6"
                                    "copy/b";
    buf_init(&value, 4096);
    fence_put_value(&value, &fence);
    assert_true(span_equal(buf_span(&value), span_of(golden, sizeof golden - 1)));
    assert_int_equal(fence_get_value(buf_span(&value), &scratch, &read, NULL), 0);
    assert_true(read.from == 70000 && read.cleared && read.except_count == 2);
    assert_true(span_equal(read.except[1], text("copy/b")));
    for (size_t size = 0; size < value.size; size++) {
        assert_int_equal(fence_get_value(span_of(value.data, size), &scratch, &read, NULL),
                         E_MALFORMED);
    }
    static const char *const bad[] = {"\x90",
                                      "\x92\x00\xc2",
                                      "\x93\x00\xc2\x91\xa0",
                                      "\x93\x00\xc2\x91\xa2@x",
                                      "\x93\xa0\xc2\x90",
                                      "\x94\x01\xc2\x90\x01",
                                      "\xa1x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(fence_get_value(text(bad[i]), &scratch, &read, NULL), E_MALFORMED);
    }
    unpack_close(&scratch);
    buf_free(&value);
}

static void the_number_of_exceptions_is_limited(void **state)
{
    (void)state;
    struct unpacked scratch = {0};
    struct fence read = {0};
    struct buf value;
    buf_init(&value, 4096);
    for (size_t count = FENCE_EXCEPT_MAX - 1; count <= FENCE_EXCEPT_MAX + 1; count++) {
        buf_reset(&value);
        pack_array(&value, 3);
        pack_u64(&value, 0);
        pack_bool(&value, false);
        pack_array(&value, (uint32_t)count);
        for (size_t i = 0; i < count; i++) {
            pack_cstr(&value, "a");
        }
        int rc = fence_get_value(buf_span(&value), &scratch, &read, NULL);
        assert_int_equal(rc, count <= FENCE_EXCEPT_MAX ? 0 : E_MALFORMED);
    }
    unpack_close(&scratch);
    buf_free(&value);
}

static void void_is_what_is_in_the_category(void **state)
{
    (void)state;
    struct fences set = {0};
    const struct fence plain = {0};
    assert_int_equal(shared(&set, "copy"), 0);
    assert_int_equal(put(&set, FENCE_SHARED, "copy", 50, &plain), 0);
    assert_int_equal(shared(&set, "copy"), 50);
    assert_int_equal(shared(&set, "copy/default"), 50);
    assert_int_equal(shared(&set, "copy/default/x"), 50);
    assert_int_equal(shared(&set, "copier"), 0);
    assert_int_equal(shared(&set, "cop"), 0);
    assert_int_equal(shared(&set, "fax/copy"), 0);
    /* Its layer only. */
    assert_int_equal(fences_position(&set, OWNER_USER_DEVICE, text("copy")), 0);
    assert_int_equal(fences_position(&set, OWNER_GROUP, text("copy")), 0);
    assert_int_equal(fences_position(&set, OWNER_FLEET, text("copy")), 0);
    assert_int_equal(put(&set, FENCE_DEVICE, "copy", 60, &plain), 0);
    assert_int_equal(fences_position(&set, OWNER_USER_DEVICE, text("copy")), 60);
    assert_int_equal(shared(&set, "copy"), 50);
    fences_free(&set);
}

static void the_newest_of_several_counts(void **state)
{
    (void)state;
    struct fences set = {0};
    const struct fence plain = {0};
    const struct fence except = {.except_count = 1, .except = {SPAN_LITERAL("copy/keep")}};
    const struct fence lifted = {.from = 10};
    assert_int_equal(put(&set, FENCE_SHARED, "copy/default", 80, &plain), 0);
    assert_int_equal(put(&set, FENCE_SHARED, "copy", 50, &except), 0);
    assert_int_equal(shared(&set, "copy/default"), 80);
    assert_int_equal(shared(&set, "copy/other"), 50);
    assert_int_equal(shared(&set, "copy/keep"), 0);
    assert_int_equal(shared(&set, "copy/keep/x"), 0);
    assert_int_equal(shared(&set, "copy/keeper"), 50);
    assert_int_equal(put(&set, FENCE_SHARED, "copy", 90, &plain), 0); /* replaces */
    assert_int_equal(set.count, 2);
    assert_int_equal(shared(&set, "copy/default"), 90);
    assert_int_equal(shared(&set, "copy/keep"), 90);
    assert_int_equal(put(&set, FENCE_SHARED, "copy", 100, &lifted), 0);
    assert_int_equal(shared(&set, "copy/other"), 10);
    fences_remove(&set, text("@fence/shared/copy"));
    fences_remove(&set, text("@fence/shared/copy"));
    fences_remove(&set, text("@fence/nowhere"));
    assert_int_equal(shared(&set, "copy/other"), 0);
    assert_int_equal(shared(&set, "copy/default"), 80);
    fences_free(&set);
    assert_int_equal(set.count, 0);
}

static void the_set_is_limited_and_sorted(void **state)
{
    (void)state;
    struct fences set = {0};
    const struct fence plain = {0};
    char name[32];
    for (size_t i = 0; i < FENCES_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%zu", (i * 2654435761u) % FENCES_MAX);
        assert_int_equal(put(&set, FENCE_SHARED, name, i + 1, &plain), 0);
    }
    assert_int_equal(set.count, FENCES_MAX);
    assert_int_equal(put(&set, FENCE_SHARED, "one-more", 1, &plain), E_QUOTA);
    assert_int_equal(put(&set, FENCE_SHARED, "c7", 9999, &plain), 0);
    assert_int_equal(shared(&set, "c7/x"), 9999);
    for (size_t i = 0; i < FENCES_MAX; i++) {
        (void)snprintf(name, sizeof name, "c%zu", i);
        assert_true(shared(&set, name) > 0);
    }
    fences_free(&set);
}

static void what_is_no_fence_changes_nothing(void **state)
{
    (void)state;
    struct fences set = {0};
    struct err err = {0};
    const struct fence plain = {0};
    assert_int_equal(put(&set, FENCE_SHARED, "copy", 50, &plain), 0);
    assert_int_equal(fences_put(&set, text("copy"), 60, text("x"), &err), E_MALFORMED);
    assert_int_equal(fences_put(&set, text("@fence/shared/copy"), 60, text("x"), &err),
                     E_MALFORMED);
    assert_true(err.text[0] != '\0');
    assert_int_equal(shared(&set, "copy"), 50);
    fences_free(&set);
}

static void without_memory_it_stays_as_it_was(void **state)
{
    (void)state;
    const struct fence first = {0};
    const struct fence second = {.except_count = 1, .except = {SPAN_LITERAL("copy/keep")}};
    unsigned nth = 1;
    for (;; nth++) {
        struct fences set = {0};
        struct buf value;
        buf_init(&value, 4096);
        assert_int_equal(put(&set, FENCE_SHARED, "copy", 50, &first), 0);
        fence_put_value(&value, &second);
        fail_alloc_at(nth);
        int rc = fences_put(&set, text("@fence/shared/copy"), 60, buf_span(&value), NULL);
        bool failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        assert_int_equal(shared(&set, "copy/keep"), failed ? 50 : 0);
        buf_free(&value);
        fences_free(&set);
        if (!failed) {
            break;
        }
    }
    assert_true(nth > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(a_category_has_a_longest_length),
        cmocka_unit_test(values_are_read_as_written),
        cmocka_unit_test(the_number_of_exceptions_is_limited),
        cmocka_unit_test(void_is_what_is_in_the_category),
        cmocka_unit_test(the_newest_of_several_counts),
        cmocka_unit_test(the_set_is_limited_and_sorted),
        cmocka_unit_test(what_is_no_fence_changes_nothing),
        cmocka_unit_test(without_memory_it_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
