/* Housekeeping: flushes by number and by time, prepares the next segment, stops. */
#include <time.h>

#include "server/housekeeping.h"
#include "tests/server/fixture.h"

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static bool wait_for(const struct housekeeping *housekeeping, uint64_t seq)
{
    for (int i = 0; i < 200; i++) {
        if (housekeeping_flushed(housekeeping) >= seq) {
            return true;
        }
        pause_ms(20);
    }
    return false;
}

static void flushes_when_there_is_much(void **state)
{
    struct fixture *fx = *state;
    struct housekeeping *housekeeping = NULL;
    struct housekeeping_options options = {.journal = fx->journal,
                                           .kv = fx->kv,
                                           .flush_interval_ms = 1000000,
                                           .flush_changes = 3,
                                           .dir = fx->dir};
    assert_int_equal(housekeeping_start(&housekeeping, &options, NULL), 0);
    assert_true(wait_for(housekeeping, 3));
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "v").code, 0); /* two changes */
    pause_ms(500);
    assert_int_equal(housekeeping_flushed(housekeeping), 3);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", "w").code, 0);
    assert_true(wait_for(housekeeping, 6));
    housekeeping_stop(&housekeeping);
    assert_null(housekeeping);
    housekeeping_stop(&housekeeping);
}

static void flushes_after_a_while(void **state)
{
    struct fixture *fx = *state;
    struct housekeeping *housekeeping = NULL;
    struct housekeeping_options options = {
        .journal = fx->journal, .kv = fx->kv, .flush_interval_ms = 300, .dir = fx->dir};
    assert_int_equal(housekeeping_start(&housekeeping, &options, NULL), 0);
    assert_true(wait_for(housekeeping, 3));
    housekeeping_stop(&housekeeping);
    /* what was flushed is not replayed */
    fx_close(fx, false);
    struct recovered recovered = {0};
    struct recovery_options again = {.dir = fx->dir,
                                     .segment_bytes = 8 << 20,
                                     .memtable_bytes = 4 << 20,
                                     .cache_bytes = 4 << 20};
    assert_int_equal(recovery_open(&recovered, &again, NULL), 0);
    assert_int_equal(recovered.replayed, 0);
    kv_close(&recovered.kv, true);
    journal_close(&recovered.journal, true);
    fx_open(fx);
}

static void prepares_the_next_segment(void **state)
{
    struct fixture *fx = *state;
    char *large = calloc(1, 900001);
    assert_non_null(large);
    memset(large, 'x', 900000);
    for (int i = 0; i < 3; i++) { /* more than half of 8 MiB, old values counted */
        assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "p", large).code, 0);
    }
    free(large);
    struct journal_stat before = {0};
    assert_int_equal(journal_stat(fx->journal, &before, NULL), 0);
    struct housekeeping *housekeeping = NULL;
    struct housekeeping_options options = {
        .journal = fx->journal, .kv = fx->kv, .flush_interval_ms = 1000000, .dir = fx->dir};
    assert_int_equal(housekeeping_start(&housekeeping, &options, NULL), 0);
    bool prepared = false;
    for (int i = 0; i < 200 && !prepared; i++) {
        pause_ms(20);
        char command[TMP_FOLDER_MAX + 64];
        (void)snprintf(command, sizeof command, "test $(ls '%s/journal' | wc -l) -gt 1", fx->dir);
        prepared = system(command) == 0;
    }
    assert_true(prepared);
    housekeeping_stop(&housekeeping);
}

static void watches_the_disk(void **state)
{
    struct fixture *fx = *state;
    struct housekeeping_options options = {.journal = fx->journal,
                                           .kv = fx->kv,
                                           .flush_interval_ms = 1000000,
                                           .dir = fx->dir,
                                           .reserve_bytes = UINT64_MAX};
    struct housekeeping *housekeeping = NULL;
    assert_int_equal(housekeeping_start(&housekeeping, &options, NULL), 0);
    assert_false(housekeeping_room(housekeeping)); /* as soon as it is started */
    housekeeping_stop(&housekeeping);
    options.reserve_bytes = 1;
    assert_int_equal(housekeeping_start(&housekeeping, &options, NULL), 0);
    assert_true(housekeeping_room(housekeeping));
    housekeeping_stop(&housekeeping);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flushes_when_there_is_much),
        TEST(flushes_after_a_while),
        TEST(prepares_the_next_segment),
        TEST(watches_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
