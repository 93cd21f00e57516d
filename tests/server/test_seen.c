/* Devices' positions: they only rise, survive a clean stop, and cost a note only when they changed.
 */
#include <stdatomic.h>

#include "base/thread.h"
#include "server/seen.h"
#include "tests/server/fixture.h"
#include "tests/support/fail_alloc.h"

static struct seen_device get(struct seen *seen, uint64_t device)
{
    struct seen_device at = {9, 9};
    bool known = seen_get(seen, device, &at);
    assert_int_equal(known, at.seq != 0 || at.last_ms != 0);
    return at;
}

static void note(struct seen *seen, uint64_t device, uint64_t seq, uint64_t last_ms)
{
    struct seen_device at = {seq, last_ms};
    seen_note(seen, device, &at);
}

static int count_note(void *context, const char *name, struct span bytes, struct err *err)
{
    (void)name;
    (void)err;
    assert_int_equal(bytes.size, 16);
    (*(size_t *)context)++;
    return 0;
}

static size_t notes(struct kv *kv)
{
    size_t count = 0;
    assert_int_equal(kv_notes(kv, "seen/", count_note, &count, NULL), 0);
    return count;
}

static void positions_only_rise(void **state)
{
    (void)state;
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(get(seen, 7).seq, 0);
    note(seen, 7, 10, 1000);
    note(seen, 8, 3, 500);
    note(seen, 7, 9, 2000);
    assert_int_equal(get(seen, 7).seq, 10);
    assert_int_equal(get(seen, 7).last_ms, 2000);
    note(seen, 7, 11, 1500);
    assert_int_equal(get(seen, 7).seq, 11);
    assert_int_equal(get(seen, 7).last_ms, 2000);
    assert_int_equal(get(seen, 8).seq, 3);
    seen_free(&seen);
    assert_null(seen);
    seen_free(&seen);
}

static void notes_survive_a_stop(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    for (uint64_t device = 1; device <= 100; device++) {
        note(seen, device << 32, device, 1000 + device);
    }
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(notes(fx->kv), 100);
    seen_free(&seen);
    fx_close(fx, true);
    fx_open(fx);
    assert_int_equal(seen_new(&seen), 0);
    note(seen, UINT64_C(1) << 32, 50, 1); /* newer than its note, of an older clock */
    assert_int_equal(seen_load(seen, fx->kv, NULL), 0);
    assert_int_equal(get(seen, UINT64_C(1) << 32).seq, 50);
    assert_int_equal(get(seen, UINT64_C(1) << 32).last_ms, 1001);
    assert_int_equal(get(seen, UINT64_C(100) << 32).seq, 100);
    seen_free(&seen);
}

static void only_what_changed_is_noted(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    note(seen, 1, 5, 1000);
    note(seen, 2, 5, 1000);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(kv_note_remove(fx->kv, "seen/0000000000000001", NULL), 0);
    assert_int_equal(kv_note_remove(fx->kv, "seen/0000000000000002", NULL), 0);
    note(seen, 1, 5, 1000 + 3600000 - 1);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(notes(fx->kv), 0);
    note(seen, 1, 5, 1000 + 3600000);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(notes(fx->kv), 1);
    note(seen, 2, 6, 1000);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(notes(fx->kv), 2);
    seen_free(&seen);
}

static void a_removed_device_is_forgotten(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    note(seen, 1, 5, 1000);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(seen_forget(seen, fx->kv, 1, NULL), 0);
    assert_int_equal(notes(fx->kv), 0);
    assert_int_equal(get(seen, 1).seq, 0);
    assert_int_equal(seen_forget(seen, fx->kv, 1, NULL), 0);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    assert_int_equal(notes(fx->kv), 0);
    seen_free(&seen);
}

static void bad_notes_are_passed_over(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    uint8_t bytes[16] = {[7] = 4, [15] = 9};
    struct span good = span_of(bytes, sizeof bytes);
    assert_int_equal(kv_note_put(fx->kv, "seen/nobody", good, NULL), 0);
    assert_int_equal(
        kv_note_put(fx->kv, "seen/0000000000000003", span_of(bytes, sizeof bytes - 1), NULL), 0);
    assert_int_equal(kv_note_put(fx->kv, "seen/0000000000000004", good, NULL), 0);
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(seen_load(seen, fx->kv, NULL), 0);
    assert_int_equal(get(seen, 3).seq, 0);
    assert_int_equal(get(seen, 4).seq, 4);
    assert_int_equal(get(seen, 4).last_ms, 9);
    seen_free(&seen);
}

enum { NOTED = 20000, OF_DEVICES = 50 };

static atomic_bool all_noted;

static void note_much(struct thread *self, void *context)
{
    thread_ready(self, 0, NULL);
    for (uint64_t i = 1; i <= NOTED; i++) {
        note(context, 1 + i % OF_DEVICES, i, i);
    }
    all_noted = true;
}

static void one_notes_while_another_saves(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    assert_int_equal(seen_new(&seen), 0);
    struct thread *thread = NULL;
    all_noted = false;
    assert_int_equal(thread_start(&thread, "noter", note_much, seen, NULL), 0);
    while (!all_noted) {
        struct seen_device at = {0};
        (void)seen_get(seen, 7, &at);
        assert_int_equal(at.seq, at.last_ms);
        assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    }
    thread_join(&thread);
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    seen_free(&seen);
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(seen_load(seen, fx->kv, NULL), 0);
    for (uint64_t device = 1; device <= OF_DEVICES; device++) {
        assert_true(get(seen, device).seq > NOTED - OF_DEVICES);
    }
    seen_free(&seen);
}

static int load_and_save(struct seen **seen, struct kv *kv, uint64_t round)
{
    int rc = seen_new(seen);
    rc = rc != 0 ? rc : seen_load(*seen, kv, NULL);
    if (rc == 0) {
        note(*seen, 7, 100 + round, 1);
        note(*seen, 8, 5, 1);
        rc = seen_save(*seen, kv, NULL);
    }
    return rc;
}

/* A position that finds no memory is noted with the next word of its device. */
static void without_memory_nothing_is_forgotten(void **state)
{
    struct fixture *fx = *state;
    struct seen *seen = NULL;
    unsigned refused = 0;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        assert_true(nth < 1000);
        fail_alloc_at(nth);
        int rc = load_and_save(&seen, fx->kv, nth);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        refused += rc != 0;
        seen_free(&seen);
        assert_int_equal(load_and_save(&seen, fx->kv, nth), 0);
        assert_int_equal(get(seen, 7).seq, 100 + nth);
        assert_int_equal(get(seen, 8).seq, 5);
        assert_int_equal(seen_forget(seen, fx->kv, 8, NULL), 0); /* it is new the next time */
        seen_free(&seen);
    }
    assert_true(refused > 3);
}

/* To a state that was put back: from one that had gone on, up to where the two part. */
static void positions_are_carried_over(void **state)
{
    struct fixture *fx = *state;
    struct fixture *older = fx_new();
    struct seen *seen = NULL;
    fx_open(older);
    assert_int_equal(seen_new(&seen), 0);
    note(seen, 7, 10, 1000);
    note(seen, 8, 30, 1000);
    assert_int_equal(seen_save(seen, older->kv, NULL), 0);
    seen_free(&seen);
    assert_int_equal(seen_new(&seen), 0);
    note(seen, 7, 50, 2000); /* beyond it */
    note(seen, 8, 20, 900);  /* told less, later */
    note(seen, 9, 25, 2000); /* unknown before */
    assert_int_equal(seen_save(seen, fx->kv, NULL), 0);
    seen_free(&seen);
    assert_int_equal(seen_carry(fx->kv, older->kv, 40, NULL), 0);
    assert_int_equal(seen_new(&seen), 0);
    assert_int_equal(seen_load(seen, older->kv, NULL), 0);
    assert_true(get(seen, 7).seq == 40 && get(seen, 7).last_ms == 2000);
    assert_true(get(seen, 8).seq == 30 && get(seen, 8).last_ms == 1000);
    assert_true(get(seen, 9).seq == 25 && get(seen, 9).last_ms == 2000);
    seen_free(&seen);
    fx_free(older);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_only_rise),     TEST(notes_survive_a_stop),
        TEST(only_what_changed_is_noted),          TEST(a_removed_device_is_forgotten),
        TEST(bad_notes_are_passed_over),           TEST(one_notes_while_another_saves),
        TEST(without_memory_nothing_is_forgotten), TEST(positions_are_carried_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
