/* tests/client/test_replica.c - opening, the position, notes. */
#include "tests/client/replica_samples.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/replica_inside.h"
#include "tests/support/fail_alloc.h"

static const uint8_t history[HISTORY_SIZE] = {1, 2, 3};

static void begins_empty_and_knows_no_position(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct replica_position position = {.seq = 9};
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_false(position.has_history);
    assert_int_equal(position.seq, 0);
    fixture_end(&f);
}

static void the_position_moves_forward_only_and_survives(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    const uint8_t older[SHA256_SIZE] = {1};
    uint64_t bad = 0;
    assert_int_equal(replica_set_history(f.replica, history, NULL), 0);
    assert_int_equal(replica_apply(f.replica, NULL, 0, 10, sample_hash, &bad, NULL, NULL, NULL), 0);
    assert_int_equal(replica_apply(f.replica, NULL, 0, 9, older, &bad, NULL, NULL, NULL), 0);
    fixture_again(&f);
    struct replica_position position;
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_true(position.has_history);
    assert_memory_equal(position.history, history, HISTORY_SIZE);
    assert_int_equal(position.seq, 10);
    assert_memory_equal(position.hash, sample_hash, SHA256_SIZE);
    fixture_end(&f);
}

static void another_history_forgets_the_position(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    const uint8_t other[HISTORY_SIZE] = {9};
    uint64_t bad = 0;
    assert_int_equal(replica_set_history(f.replica, history, NULL), 0);
    assert_int_equal(replica_apply(f.replica, NULL, 0, 10, sample_hash, &bad, NULL, NULL, NULL), 0);
    assert_int_equal(replica_set_history(f.replica, other, NULL), 0);
    struct replica_position position;
    assert_int_equal(replica_position(f.replica, &position, NULL), 0);
    assert_memory_equal(position.history, other, HISTORY_SIZE);
    assert_int_equal(position.seq, 0);
    fixture_end(&f);
}

static void notes_are_kept_replaced_and_removed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct buf out;
    buf_init(&out, 16);
    assert_int_equal(replica_note_get(f.replica, "wish", &out, NULL), E_NOT_FOUND);
    assert_int_equal(replica_note_set(f.replica, "wish", span_str("one"), NULL), 0);
    assert_int_equal(replica_note_set(f.replica, "wish", span_str("three"), NULL), 0);
    fixture_again(&f);
    assert_int_equal(replica_note_get(f.replica, "wish", &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), span_str("three")));
    assert_int_equal(replica_note_set(f.replica, "wish", (struct span){NULL, 0}, NULL), 0);
    assert_int_equal(replica_note_get(f.replica, "wish", &out, NULL), E_NOT_FOUND);
    assert_int_equal(replica_note_set(f.replica, "wish", (struct span){NULL, 0}, NULL), 0);
    buf_free(&out);
    fixture_end(&f);
}

static void a_file_that_was_cut_or_replaced_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    char data[TMP_FOLDER_MAX];
    tmp_folder_path(data, f.dir, "data.mdb");
    for (uint64_t i = 1; i <= 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "note%d", (int)i);
        assert_int_equal(replica_note_set(f.replica, name, span_of(data, sizeof data), NULL), 0);
    }
    replica_close(&f.replica);
    struct stat file;
    assert_int_equal(stat(data, &file), 0);
    assert_int_equal(truncate(data, file.st_size / 2), 0);
    struct err err = {0};
    assert_int_equal(replica_open(&f.replica, f.dir, MAP_BYTES, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, f.dir));
    tmp_folder_write(data, "this is no replica, it is a text that somebody put here");
    assert_int_equal(replica_open(&f.replica, f.dir, MAP_BYTES, &err), E_CORRUPT);
    assert_null(f.replica);
    fixture_end(&f);
}

static void a_full_map_is_no_space_and_nothing_is_half_done(void **state)
{
    (void)state;
    struct fixture f;
    memset(&f, 0, sizeof f);
    tmp_folder_make(f.folder);
    tmp_folder_path(f.dir, f.folder, "replica");
    assert_int_equal(replica_open(&f.replica, f.dir, 1 << 18, NULL), 0);
    static uint8_t big[100000];
    int rc = 0;
    int made = 0;
    struct err err = {0};
    for (; rc == 0 && made < 20; made++) {
        char name[16];
        (void)snprintf(name, sizeof name, "note%d", made);
        rc = replica_note_set(f.replica, name, span_of(big, sizeof big), &err);
    }
    assert_int_equal(rc, E_NOSPACE);
    assert_true(made > 1);
    struct buf out;
    buf_init(&out, sizeof big);
    assert_int_equal(replica_note_get(f.replica, "note0", &out, NULL), 0);
    assert_int_equal(out.size, sizeof big);
    buf_free(&out);
    fixture_end(&f);
}

static void every_allocation_of_opening_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    replica_close(&f.replica);
    unsigned nth = 1;
    for (;; nth++) {
        fail_alloc_at(nth);
        int rc = replica_open(&f.replica, f.dir, MAP_BYTES, NULL);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_null(f.replica);
    }
    assert_true(nth > 2);
    fixture_end(&f);
}

static void put_format(struct fixture *f, uint64_t version)
{
    MDB_txn *txn = NULL;
    uint8_t bytes[8];
    struct record_key key = {.bytes = "format", .size = 6};
    put_be64(bytes, version);
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(
        replica_record_put(f->replica, txn, TABLE_META, &key, span_of(bytes, sizeof bytes), NULL),
        0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    replica_close(&f->replica);
}

static void another_format_names_the_folder_and_the_remedy(void **state)
{
    (void)state;
    struct fixture f;
    struct err err = {0};
    fixture_begin(&f);
    put_format(&f, REPLICA_FORMAT - 1);
    assert_int_equal(replica_open(&f.replica, f.dir, MAP_BYTES, &err), E_FORMAT);
    assert_non_null(strstr(err.text, f.dir));
    assert_non_null(strstr(err.text, "fetched anew"));
    tmp_folder_remove(f.folder);
    fixture_begin(&f);
    put_format(&f, REPLICA_FORMAT + 1);
    assert_int_equal(replica_open(&f.replica, f.dir, MAP_BYTES, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "newer kitbag"));
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_empty_and_knows_no_position),
        cmocka_unit_test(the_position_moves_forward_only_and_survives),
        cmocka_unit_test(another_history_forgets_the_position),
        cmocka_unit_test(notes_are_kept_replaced_and_removed),
        cmocka_unit_test(a_file_that_was_cut_or_replaced_is_refused),
        cmocka_unit_test(a_full_map_is_no_space_and_nothing_is_half_done),
        cmocka_unit_test(every_allocation_of_opening_may_fail),
        cmocka_unit_test(another_format_names_the_folder_and_the_remedy),
    };
    return cmocka_run_group_tests_name("client/replica", tests, NULL, NULL);
}
