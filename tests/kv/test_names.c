/* tests/kv/test_names.c - names in memory against a model: random changes, before, while and after
 * the directory is read in slices; searches and pages; no memory; readers beside the writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/thread.h"
#include "kv/names.h"
#include "tests/support/fail_alloc.h"

enum { NAMES = 3000, SLICE = 100, TRIES_MAX = 100 };

/* Sorted candidates of one kind, and which of them are in the directory. */
struct world {
    uint64_t random;
    char texts[NAMES][NAME_MAX_BYTES + 1];
    bool stored[NAMES];
    struct kv_names names;
};

static struct world world;

static uint64_t draw(uint64_t below)
{
    world.random = hash64(span_of(&world.random, sizeof world.random), 3);
    return world.random % below;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Short and long ones, of few different letters, so that parts are found in many. */
static void make_texts(void)
{
    static const char *const parts[] = {"a", "b", "an", "na", ".", "\xc3\xa9", "\xe6\xbc\xa2"};
    for (size_t i = 0; i < NAMES; i++) {
        char *text = world.texts[i];
        size_t size = (size_t)snprintf(text, 16, "%u", (unsigned)draw(50));
        size_t wanted = draw(20) == 0 ? 1 + draw(240) : 1 + draw(20);
        while (size < wanted) {
            const char *part = parts[draw(sizeof parts / sizeof parts[0])];
            size += (size_t)snprintf(text + size, NAME_MAX_BYTES + 1 - size, "%s", part);
        }
        (void)snprintf(text + size, NAME_MAX_BYTES + 1 - size, "%zu", i);
    }
    qsort(world.texts, NAMES, sizeof world.texts[0], by_text);
}

static void begin_world(uint64_t seed)
{
    world.random = seed;
    make_texts();
    for (size_t i = 0; i < NAMES; i++) {
        world.stored[i] = draw(2) == 0;
    }
    kv_names_init(&world.names);
}

static void note(size_t which)
{
    kv_names_note(&world.names, OWNER_USER, span_str(world.texts[which]), world.stored[which]);
}

static void change_some(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t which = draw(NAMES);
        world.stored[which] = !world.stored[which];
        note(which);
    }
}

/* What the store has behind `after`. True: there is no more. */
static bool read_slice(const char *after, struct buf *out)
{
    size_t count = 0;
    for (size_t i = 0; i < NAMES; i++) {
        if (world.stored[i] && strcmp(world.texts[i], after) > 0) {
            if (count++ == SLICE) {
                return false;
            }
            (void)buf_append_span(out, span_of(world.texts[i], strlen(world.texts[i]) + 1));
        }
    }
    return true;
}

/* False: all are whole. A change may reach the store before a slice is read, and be noted after. */
static bool fill_once(size_t changes)
{
    enum owner_kind kind = 0;
    char after[NAME_MAX_BYTES + 1];
    struct buf slice;
    if (!kv_names_begin(&world.names, &kind, after)) {
        return false;
    }
    if (kind == OWNER_GROUP) {
        assert_int_equal(kv_names_end(&world.names, span_of(NULL, 0), true), 0);
        return true;
    }
    buf_init(&slice, 1 << 20);
    change_some(changes);
    size_t late = draw(NAMES);
    world.stored[late] = !world.stored[late];
    bool end = read_slice(after, &slice);
    change_some(changes);
    bool before = draw(2) == 0;
    if (before) {
        note(late);
    }
    if (draw(10) == 0) {
        kv_names_give_up(&world.names);
    } else {
        assert_int_equal(kv_names_end(&world.names, buf_span(&slice), end), 0);
    }
    if (!before) {
        note(late);
    }
    buf_free(&slice);
    return true;
}

static bool is_wanted(size_t which, const char *search, const char *after)
{
    return world.stored[which] && strstr(world.texts[which], search) != NULL &&
           strcmp(world.texts[which], after) > 0;
}

/* One page, as the model has it. */
static void check_page(const char *search, const char *after, size_t limit)
{
    const struct kv_names_query query = {OWNER_USER, search, after, limit};
    struct buf page;
    bool more = false;
    size_t at = 0;
    size_t count = 0;
    buf_init(&page, 8 << 20);
    assert_int_equal(kv_names_find(&world.names, &query, &page, &more), 0);
    for (size_t i = 0; i < NAMES; i++) {
        if (is_wanted(i, search, after) && count++ < limit) {
            assert_true(at < page.size);
            assert_string_equal((const char *)page.data + at, world.texts[i]);
            at += strlen(world.texts[i]) + 1;
        }
    }
    assert_int_equal(at, page.size);
    assert_int_equal(more, count > limit);
    buf_free(&page);
}

/* Two neighbours are never so small that they could be one: memory is bounded by the names. */
static void check_blocks(void)
{
    const struct kv_names_list *list = &world.names.lists[0];
    size_t bytes = 0;
    for (size_t i = 0; i < NAMES; i++) {
        bytes += world.stored[i] ? strlen(world.texts[i]) + 1 : 0;
    }
    assert_true(list->count <= 1 + bytes / (2048 / 4 - 8));
}

static void check_pages(void)
{
    static const char *const searches[] = {"", "a", "an", "nana", "1", "49", "\xc3\xa9", "none"};
    for (size_t i = 0; i < sizeof searches / sizeof searches[0]; i++) {
        check_page(searches[i], "", NAMES);
        check_page(searches[i], "", 1 + draw(40));
        check_page(searches[i], world.texts[draw(NAMES)], draw(40));
        check_page(searches[i], "3", 20); /* a cursor that is nobody's name */
        check_page(searches[i], world.texts[NAMES - 1], 20);
    }
    check_page(world.texts[draw(NAMES)], "", 2); /* a whole name */
}

static void test_model(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct kv_names_query query = {OWNER_USER, "", "", 1};
        struct buf page;
        bool more = false;
        begin_world(seed);
        buf_init(&page, 1 << 20);
        assert_int_equal(kv_names_find(&world.names, &query, &page, &more), E_BUSY);
        buf_free(&page);
        while (fill_once(draw(30))) {
        }
        check_pages();
        for (int i = 0; i < 10; i++) {
            change_some(200);
            check_pages();
            check_blocks();
        }
        kv_names_free(&world.names);
    }
}

/* Blocks come and go: all is taken out, and put in anew. */
static void test_emptied(void **unused)
{
    (void)unused;
    begin_world(11);
    while (fill_once(0)) {
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < NAMES; i++) {
            size_t which = (i * 1009 + 7) % NAMES;
            world.stored[which] = false;
            note(which);
            if (i % 500 == 499) {
                check_blocks();
            }
        }
        assert_int_equal(world.names.lists[0].count, 0);
        assert_int_equal(world.names.lists[0].names, 0);
        check_pages();
        for (size_t i = 0; i < NAMES; i++) {
            size_t which = (i * 1013 + 3) % NAMES;
            world.stored[which] = true;
            note(which);
            note(which); /* twice is as good as once */
        }
        assert_int_equal(world.names.lists[0].names, NAMES);
        check_pages();
    }
    kv_names_free(&world.names);
}

/* A name of the full length in blocks of all fillings, and a block that holds one name only. */
static void test_longest(void **unused)
{
    (void)unused;
    begin_world(12);
    memset(world.stored, 0, sizeof world.stored);
    for (size_t i = 0; i < NAMES; i++) {
        memset(world.texts[i], 'x', NAME_MAX_BYTES);
        (void)snprintf(world.texts[i] + NAME_MAX_BYTES - 4, 5, "%04zu", i);
    }
    while (fill_once(0)) {
    }
    change_some(NAMES);
    check_pages();
    kv_names_free(&world.names);
}

static void test_other_kind(void **unused)
{
    (void)unused;
    begin_world(13);
    while (fill_once(0)) {
    }
    kv_names_note(&world.names, OWNER_GROUP, SPAN_LITERAL("staff"), true);
    const struct kv_names_query query = {OWNER_GROUP, "taf", "", 5};
    struct buf page;
    bool more = true;
    buf_init(&page, 1 << 10);
    assert_int_equal(kv_names_find(&world.names, &query, &page, &more), 0);
    assert_int_equal(page.size, sizeof "staff");
    assert_false(more);
    buf_free(&page);
    check_page("staff", "", 5);
    kv_names_free(&world.names);
}

/* Wherever memory is missing, what is told is right, or all is forgotten and read anew. */
static void test_no_memory(void **unused)
{
    (void)unused;
    bool failed = true;
    unsigned failures = 0;
    for (unsigned nth = 1; failed; nth++) {
        assert_true(nth < TRIES_MAX);
        begin_world(20 + nth);
        for (size_t i = 0; i < 5; i++) { /* a part is read */
            (void)fill_once(0);
        }
        enum owner_kind kind = 0;
        char after[NAME_MAX_BYTES + 1];
        struct buf slice;
        buf_init(&slice, 1 << 20);
        assert_true(kv_names_begin(&world.names, &kind, after));
        bool end = read_slice(after, &slice);
        fail_alloc_at(nth);
        change_some(50);
        int rc = kv_names_end(&world.names, buf_span(&slice), end);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || rc == E_NOMEM);
        failures += failed;
        while (fill_once(5)) {
        }
        check_pages();
        buf_free(&slice);
        kv_names_free(&world.names);
    }
    assert_true(failures > 10);
}

/* --- beside each other --- */

struct reader {
    struct thread *thread;
    atomic_bool *stop;
    size_t rounds;
};

static void read_on(struct thread *self, void *context)
{
    struct reader *reader = context;
    thread_ready(self, 0, NULL);
    while (!atomic_load(reader->stop)) {
        const struct kv_names_query query = {OWNER_USER, "an", "", NAMES};
        struct buf page;
        bool more = false;
        buf_init(&page, 8 << 20);
        int rc = kv_names_find(&world.names, &query, &page, &more);
        ASSERT(rc == 0 || rc == E_BUSY);
        const char *before = "";
        for (size_t at = 0; at < page.size; at += strlen(before) + 1) {
            const char *name = (const char *)page.data + at;
            ASSERT(strcmp(before, name) < 0 && strstr(name, "an") != NULL);
            before = name;
        }
        reader->rounds += rc == 0;
        buf_free(&page);
    }
}

static void fill_on(struct thread *self, void *context)
{
    enum owner_kind kind = 0;
    char after[NAME_MAX_BYTES + 1];
    (void)context;
    thread_ready(self, 0, NULL);
    while (kv_names_begin(&world.names, &kind, after)) { /* of an empty store */
        int rc = kv_names_end(&world.names, span_of(NULL, 0), true);
        ASSERT(rc == 0);
    }
}

static void test_threads(void **unused)
{
    (void)unused;
    atomic_bool stop = false;
    struct reader readers[2] = {{.stop = &stop}, {.stop = &stop}};
    struct thread *filler = NULL;
    begin_world(30);
    memset(world.stored, 0, sizeof world.stored);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(thread_start(&readers[i].thread, "reader", read_on, &readers[i], NULL), 0);
    }
    assert_int_equal(thread_start(&filler, "filler", fill_on, NULL, NULL), 0);
    thread_join(&filler);
    for (int i = 0; i < 200; i++) {
        change_some(100);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        thread_join(&readers[i].thread);
        assert_true(readers[i].rounds > 0);
    }
    check_pages();
    kv_names_free(&world.names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),     cmocka_unit_test(test_emptied),
        cmocka_unit_test(test_longest),   cmocka_unit_test(test_other_kind),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
