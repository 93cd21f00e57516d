/* tests/journal/test_past.c - the chain of a bag's changes backwards, and single changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/past.h"
#include "tests/journal/journal_samples.h"
#include "tests/support/fail_alloc.h"

enum { MIB = 1 << 20, BAGS = 3 };

static struct journal *journal;
static struct journal_opened opened;
static struct past *past;

static int setup(void **state)
{
    (void)state;
    static struct disk quick;
    quick = sample_quick_disk();
    tmp_folder_make(sample_dir);
    assert_int_equal(sample_open(&journal, &quick, &opened, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    past_close(&past);
    journal_close(&journal, false);
    tmp_folder_remove(sample_dir);
    return 0;
}

/* Changes of three bags in turn, `each` in a batch: bag i is created by change i; change n is of
 * bag (n - 1) % 3 + 1. */
static void fill(uint64_t count, uint32_t each, size_t size)
{
    static uint8_t value[MIB];
    struct buf payload;
    buf_init(&payload, BATCH_PAYLOAD_MAX);
    struct journal_position head;
    journal_head(journal, &head);
    for (uint64_t seq = head.seq + 1; seq <= count;) {
        buf_reset(&payload);
        batch_begin(&payload, each);
        for (uint32_t i = 0; i < each; i++, seq++) {
            sample_bytes(value, size, seq);
            struct change change = {.seq = seq,
                                    .kind = CHANGE_ITEM_SET,
                                    .bag_id = (seq - 1) % BAGS + 1,
                                    .prev = seq - BAGS,
                                    .actor = SPAN_LITERAL("admin"),
                                    .path = SPAN_LITERAL("copy/default"),
                                    .value = span_of(value, size)};
            if (seq <= BAGS) {
                change.kind = CHANGE_BAG_CREATE;
                change.bag_id = seq;
                change.prev = 0;
                change.owner = (struct owner){.kind = OWNER_DEVICE, .device = seq};
            } else if (seq > 2 * BAGS) {
                change.old_seq = seq - BAGS;
                change.has_old = true;
                change.old_value = SPAN_LITERAL("before");
            }
            change_encode(&payload, &change, CHANGE_JOURNAL);
        }
        assert_int_equal(buf_error(&payload), 0);
        assert_int_equal(journal_append(journal, each, 1000 + seq, buf_span(&payload), NULL, NULL),
                         0);
    }
    buf_free(&payload);
}

/* The chain from `seq` down to the bag's first change. */
static void assert_chain(uint64_t seq, uint64_t least, int end)
{
    struct change change;
    struct err err = {0};
    uint64_t bag = (seq - 1) % BAGS + 1;
    for (; seq >= least && seq <= UINT64_MAX - BAGS; seq -= BAGS) {
        if (past_next(past, &change, &err) != 0) {
            fail_msg("change %d: %s", (int)seq, err.text);
        }
        assert_int_equal(change.seq, seq);
        assert_int_equal(change.bag_id, bag);
        assert_true(seq <= BAGS || sample_is(change.value, seq));
        assert_int_equal(change.kind, seq <= BAGS ? CHANGE_BAG_CREATE : CHANGE_ITEM_SET);
    }
    assert_int_equal(past_next(past, &change, &err), end);
}

static void a_chain_is_followed_to_its_beginning(void **state)
{
    (void)state;
    fill(3000, 100, 200);
    for (uint64_t bag = 1; bag <= BAGS; bag++) {
        assert_int_equal(past_open(&past, journal, 3000 - BAGS + bag, NULL), 0);
        assert_chain(3000 - BAGS + bag, 1, E_NOT_FOUND);
        assert_int_equal(past_next(past, &(struct change){0}, NULL), E_NOT_FOUND);
        past_seek(past, bag + 30);
        assert_chain(bag + 30, 1, E_NOT_FOUND);
        past_close(&past);
    }
}

static void it_crosses_segments_and_ends_at_the_floor(void **state)
{
    (void)state;
    fill(3, 3, 0);
    fill(33, 1, MIB - 200); /* segments begin with 1, 9 or so, 16, ... */
    assert_int_equal(past_open(&past, journal, 33, NULL), 0);
    assert_chain(33, 1, E_NOT_FOUND);
    uint64_t floor = 0;
    assert_int_equal(journal_drop(journal, 20, &floor, NULL), 0);
    assert_true(floor > 10 && floor <= 20);
    past_seek(past, 33);
    assert_chain(33, floor, E_TOO_OLD);
    struct err err = {0};
    struct change change;
    assert_int_equal(past_next(past, &change, &err), E_TOO_OLD); /* and again */
    char words[64];
    (void)snprintf(words, sizeof words, "begins at change %d", (int)floor);
    assert_non_null(strstr(err.text, words));
}

/* What is being read is not dropped; once it is left it may be. */
static void a_reader_in_the_past_holds_its_segment(void **state)
{
    (void)state;
    struct change change;
    struct journal_stat stat;
    fill(3, 3, 0);
    fill(18, 1, MIB - 200);
    assert_int_equal(past_open(&past, journal, 5, NULL), 0);
    assert_int_equal(past_next(past, &change, NULL), 0);
    assert_int_equal(journal_drop(journal, 18, NULL, NULL), 0);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_true(stat.leaving_bytes > 0);
    assert_true(sample_is(change.value, 5));
    assert_int_equal(past_next(past, &change, NULL), E_TOO_OLD);
    assert_int_equal(journal_drop(journal, 18, NULL, NULL), 0);
    assert_int_equal(journal_stat(journal, &stat, NULL), 0);
    assert_int_equal(stat.leaving_bytes, 0);
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    struct past_change change = {0};
    fill(30, 10, 20);
    assert_int_equal(journal_change_at(journal, 0, &change, NULL), E_NOT_FOUND);
    assert_int_equal(journal_change_at(journal, 31, &change, NULL), E_NOT_FOUND);
    assert_int_equal(journal_change_at(journal, UINT64_MAX, &change, NULL), E_NOT_FOUND);
    assert_null(change.bytes);
    assert_int_equal(past_open(&past, journal, 0, NULL), 0);
    assert_int_equal(past_next(past, &change.change, NULL), E_NOT_FOUND);
}

static void a_change_is_owned(void **state)
{
    (void)state;
    struct past_change change = {0};
    fill(30, 10, 20);
    for (uint64_t seq = 1; seq <= 30; seq++) {
        assert_int_equal(journal_change_at(journal, seq, &change, NULL), 0);
        assert_int_equal(change.change.seq, seq);
        assert_int_equal(change.change.time_ms, 1000 + (seq + 9) / 10 * 10 + 1);
        assert_true(span_equal(change.change.actor, SPAN_LITERAL("admin")));
        assert_true(seq <= BAGS || sample_is(change.change.value, seq));
        assert_true(seq <= 2 * BAGS || span_equal(change.change.old_value, SPAN_LITERAL("before")));
    }
    struct past_change copy = {0};
    assert_int_equal(past_change_copy(&copy, &change.change, NULL), 0);
    past_change_free(&change);
    past_change_free(&change);
    past_change_free(NULL);
    assert_true(sample_is(copy.change.value, 30));
    past_change_free(&copy);
}

static void damage_is_told(void **state)
{
    (void)state;
    char path[TMP_FOLDER_MAX];
    struct past_change change = {0};
    struct err err = {0};
    fill(30, 10, 20);
    sample_file(path, 1);
    spoil_flip(path, SEGMENT_HEADER_SIZE + 200, 1);
    assert_int_equal(journal_change_at(journal, 4, &change, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
}

static void without_memory_it_is_an_error(void **state)
{
    (void)state;
    struct past_change change = {0};
    unsigned failed = 0;
    fill(30, 10, 20);
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = journal_change_at(journal, 14, &change, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        failed++;
        assert_int_equal(rc, E_NOMEM);
        assert_null(change.bytes);
    }
    assert_true(failed > 4);
    assert_true(sample_is(change.change.value, 14));
    past_change_free(&change);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chain_is_followed_to_its_beginning),
        TEST(it_crosses_segments_and_ends_at_the_floor),
        TEST(a_reader_in_the_past_holds_its_segment),
        TEST(what_is_not_there_is_told),
        TEST(a_change_is_owned),
        TEST(damage_is_told),
        TEST(without_memory_it_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
