/* tests/kv/test_kv.c - opening, closing, position, flushing, views. */
#include "tests/kv/state.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"
#include "kv/row.h"
#include "kv/store.h"
#include "tests/support/fail_alloc.h"

static void a_new_folder_is_fresh(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct kv_position position;
    kv_position(state.kv, &position);
    assert_true(position.fresh);
    assert_int_equal(position.seq, 0);
    struct kv_counts counts;
    assert_int_equal(kv_counts(state.kv, NULL, &counts, NULL), 0);
    const struct kv_counts none = {0};
    assert_memory_equal(&counts, &none, sizeof none);
    state_reopen(&state, true);
    kv_position(state.kv, &position);
    assert_true(position.fresh);
    state_close(&state);
}

static void the_position_moves_with_the_changes(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct change change = {.kind = CHANGE_HISTORY};
    memset(change.history.id, 7, HISTORY_SIZE);
    assert_int_equal(state_apply(&state, &change), 1);
    assert_int_equal(state_create(&state, "user:Ann", 0), 2);
    state_reopen(&state, true);
    struct kv_position position;
    kv_position(state.kv, &position);
    assert_false(position.fresh);
    assert_int_equal(position.seq, 2);
    assert_memory_equal(position.hash, state_hash, SHA256_SIZE);
    assert_memory_equal(position.history, change.history.id, HISTORY_SIZE);
    state_close(&state);
}

static void only_a_flush_makes_durable(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "one");
    uint64_t flushed = 0;
    assert_int_equal(kv_flush(state.kv, &flushed, NULL), 0);
    assert_int_equal(flushed, 2);
    (void)state_put(&state, ann, "a", "two");
    (void)state_put(&state, ann, "b", "new");
    state_reopen(&state, false); /* as after a crash */
    assert_int_equal(state_seq(&state), 2);
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=one");
    assert_string_equal(state_get(&state, NULL, ann, "b"), "");
    (void)state_put(&state, ann, "a", "two");
    state_reopen(&state, true);
    assert_int_equal(state_seq(&state), 3);
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=two");
    state_close(&state);
}

static void a_view_stands_still(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "one");
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, state.kv, NULL), 0);
    (void)state_put(&state, ann, "a", "two");
    (void)state_create(&state, "user:Bea", 0);

    struct kv_position position;
    assert_int_equal(kv_view_position(state.kv, view, &position, NULL), 0);
    assert_int_equal(position.seq, 2);
    assert_int_equal(kv_view_position(state.kv, NULL, &position, NULL), 0);
    assert_int_equal(position.seq, 4);
    assert_string_equal(state_get(&state, view, ann, "a"), "=one");
    assert_string_equal(state_get(&state, NULL, ann, "a"), "=two");
    struct kv_counts counts;
    assert_int_equal(kv_counts(state.kv, view, &counts, NULL), 0);
    assert_int_equal(counts.users, 1);
    assert_int_equal(kv_counts(state.kv, NULL, &counts, NULL), 0);
    assert_int_equal(counts.users, 2);
    kv_view_free(&view);
    assert_null(view);
    kv_view_free(&view);
    state_close(&state);
}

/* Opens the state, tells so, and holds it until the other side closes `done`. */
_Noreturn static void hold(const struct kv_options *options, int ready, int done)
{
    struct kv *kv = NULL;
    char byte = kv_open(&kv, options, NULL) == 0 ? 'y' : 'n';
    bool told = write(ready, &byte, 1) == 1;
    _exit(told && read(done, &byte, 1) == 0 ? 0 : 1);
}

/* Before all others: a child has none of the threads of a parent that has used RocksDB. */
static void one_process_has_it(void **unused)
{
    (void)unused;
    struct state state = {0};
    tmp_folder_make(state.dir);
    const struct kv_options options = {state.dir, 4 << 20, 1 << 20};
    int ready[2];
    int done[2];
    assert_int_equal(pipe(ready) | pipe(done), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(done[1]);
        hold(&options, ready[1], done[0]);
    }
    (void)close(ready[1]);
    (void)close(done[0]);
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    struct err err = {0};
    assert_int_equal(kv_open(&state.kv, &options, &err), E_BUSY);
    assert_null(state.kv);
    (void)close(done[1]);
    (void)close(ready[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);

    state_reopen(&state, false);
    struct kv *second = NULL;
    assert_int_equal(kv_open(&second, &options, &err), E_BUSY); /* this process, twice */
    assert_null(second);
    state_close(&state);
}

/* --- readers beside the applying thread --- */

struct reader {
    struct kv *kv;
    atomic_bool stop;
    int rounds;
};

static int count_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)path;
    (void)row;
    (void)err;
    ++*(uint64_t *)context;
    return 0;
}

/* Each view must agree with itself: the bag counts what its pages show, as of the position. */
static void read_views(struct thread *self, void *context)
{
    struct reader *reader = context;
    thread_ready(self, 0, NULL);
    while (!atomic_load(&reader->stop) || reader->rounds == 0) {
        struct kv_view *view = NULL;
        struct kv_position position;
        struct bag_row bag;
        uint64_t rows = 0;
        struct kv_page page = {.bag_id = 1, .budget_bytes = 100};
        struct buf next;
        buf_init(&next, PATH_MAX_BYTES);
        kv_position(reader->kv, &position);
        uint64_t before = position.seq;
        ASSERT(kv_view_new(&view, reader->kv, NULL) == 0);
        ASSERT(kv_view_position(reader->kv, view, &position, NULL) == 0);
        ASSERT(kv_bag(reader->kv, view, 1, &bag, NULL) == 0);
        for (bool end = false; !end; page.after = buf_span(&next)) {
            ASSERT(kv_page(reader->kv, view, &page, count_row, &rows, &next, &end, NULL) == 0);
        }
        ASSERT(position.seq >= before);
        ASSERT(bag.last_seq == position.seq);
        ASSERT(bag.items == rows);
        kv_view_free(&view);
        buf_free(&next);
        reader->rounds++;
    }
}

static void views_agree_with_themselves_while_changes_come(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    struct reader reader = {.kv = state.kv};
    struct thread *thread = NULL;
    assert_int_equal(thread_start(&thread, "reader", read_views, &reader, NULL), 0);
    uint64_t flushed = 0;
    for (int i = 0; i < 1500; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%d", i * 7 % 50);
        (void)state_put(&state, ann, path, i % 3 == 0 ? NULL : "value");
        if (i % 500 == 499) {
            assert_int_equal(kv_flush(state.kv, &flushed, NULL), 0);
        }
    }
    atomic_store(&reader.stop, true);
    thread_join(&thread);
    assert_true(reader.rounds > 0);
    state_close(&state);
}

/* Told after kv_apply returned: whoever reads then sees it, or what came later. */
struct applying {
    struct state *state;
    uint64_t bag_id;
    atomic_uint_fast64_t applied;
    atomic_bool stop;
};

static void apply_some(struct applying *applying, int count)
{
    for (int i = 0; i < count; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%d", i % 10);
        uint64_t seq = state_put(applying->state, applying->bag_id, path, "value");
        atomic_store(&applying->applied, seq);
        bool more = false;
        assert_int_equal(kv_purge(applying->state->kv, seq, 5, &more, NULL), 0);
    }
}

static void apply_beside(struct thread *self, void *context)
{
    struct applying *applying = context;
    thread_ready(self, 0, NULL);
    apply_some(applying, 1000);
    atomic_store(&applying->stop, true);
}

static void read_newest(struct applying *applying)
{
    struct kv *kv = applying->state->kv;
    uint64_t applied = atomic_load(&applying->applied);
    struct bag_row bag;
    assert_int_equal(kv_bag(kv, NULL, applying->bag_id, &bag, NULL), 0);
    assert_true(bag.last_seq >= applied);
    struct kv_item item;
    assert_int_equal(kv_item(kv, NULL, applying->bag_id, SPAN_LITERAL("p1"), &item, NULL), 0);
    assert_int_equal(item.row.state, ITEM_LIVE);
    assert_true(item.row.seq + 10 >= applied); /* each tenth change sets it */
    kv_item_free(&item);
    struct kv_writer writer;
    assert_int_equal(kv_writer(kv, 7, &writer, NULL), 0);
    assert_int_equal(kv_note_put(kv, "applied", span_of(&applied, sizeof applied), NULL), 0);
}

static void no_wrong_bag(void *context, const struct kv_wrong *wrong)
{
    (void)context;
    fail_msg("%s", wrong->text);
}

/* One thread applies, then another, as they take turns; a third reads the newest all the time. */
static void the_newest_is_read_while_others_apply(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct applying applying = {.state = &state, .bag_id = state_create(&state, "user:Ann", 0)};
    uint64_t next = 0;
    uint64_t checked = 0;
    uint64_t wrong = 0;
    for (int turn = 0; turn < 3; turn++) {
        apply_some(&applying, 20);
        struct thread *thread = NULL;
        atomic_store(&applying.stop, false);
        assert_int_equal(thread_start(&thread, "applier", apply_beside, &applying, NULL), 0);
        while (!atomic_load(&applying.stop)) {
            read_newest(&applying);
            assert_int_equal(
                kv_scrub(state.kv, &next, 1, &checked, &wrong, no_wrong_bag, NULL, NULL), 0);
        }
        thread_join(&thread);
    }
    assert_true(checked > 0);
    state_close(&state);
}

/* Replace (or, with size 0, remove) one row behind the state's back. */
static void spoil(const char *dir, struct kv_key key, struct span row)
{
    const struct kv_options options = {dir, 4 << 20, 1 << 20};
    struct kv_store store;
    assert_int_equal(kv_store_open(&store, &options, NULL), 0);
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (row.size == 0) {
        rocksdb_writebatch_delete(batch, (const char *)key.data, key.size);
    } else {
        rocksdb_writebatch_put(batch, (const char *)key.data, key.size, (const char *)row.data,
                               row.size);
    }
    assert_int_equal(kv_store_write(&store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
    assert_int_equal(kv_store_flush(&store, NULL), 0);
    kv_store_close(&store);
}

static void check_refused(struct state *state, int code, const char *why)
{
    const struct kv_options options = {state->dir, 4 << 20, 1 << 20};
    struct err err = {0};
    assert_int_equal(kv_open(&state->kv, &options, &err), code);
    assert_null(state->kv);
    assert_non_null(strstr(err.text, why));
}

static void another_format_is_refused(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    (void)state_create(&state, "user:Ann", 0);
    kv_close(&state.kv, true);

    struct buf row;
    buf_init(&row, 64);
    struct kv_key key = kv_key_format();
    kv_row_put_format(&row, kv_key_span(&key), KV_FORMAT_VERSION + 1);
    spoil(state.dir, key, buf_span(&row));
    check_refused(&state, E_FORMAT, state.dir);
    row.data[8]++;
    spoil(state.dir, key, buf_span(&row));
    check_refused(&state, E_CORRUPT, "checksum");
    spoil(state.dir, key, span_of(NULL, 0));
    check_refused(&state, E_CORRUPT, "version");
    kv_row_put_format(&row, kv_key_span(&key), KV_FORMAT_VERSION);
    spoil(state.dir, key, buf_span(&row));
    spoil(state.dir, kv_key_mark(), SPAN_LITERAL("rubbish"));
    check_refused(&state, E_CORRUPT, "cut short");
    buf_free(&row);
    state_close(&state);
}

static void a_spoiled_row_is_never_not_found(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "one");
    kv_close(&state.kv, true);
    spoil(state.dir, kv_key_bag(ann), SPAN_LITERAL("rubbish in place of a row"));
    spoil(state.dir, kv_key_item(ann, SPAN_LITERAL("a")), SPAN_LITERAL("rubbish, too"));
    state_reopen(&state, false);

    struct bag_row bag;
    struct owner owner = state_owner("user:Ann");
    struct kv_item item;
    assert_int_equal(kv_bag(state.kv, NULL, ann, &bag, NULL), E_CORRUPT);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), E_CORRUPT);
    assert_int_equal(kv_item(state.kv, NULL, ann, SPAN_LITERAL("a"), &item, NULL), E_CORRUPT);
    struct change change = {
        .seq = state_seq(&state) + 1, .kind = CHANGE_BAG_DELETE, .bag_id = ann, .prev = ann + 1};
    assert_int_equal(kv_apply(state.kv, &change, 1, state_hash, NULL), E_CORRUPT);
    assert_int_equal(state_seq(&state), 2);

    kv_close(&state.kv, false);
    spoil(state.dir, kv_key_bag(ann), span_of(NULL, 0));
    state_reopen(&state, false);
    assert_int_equal(kv_bag_of(state.kv, NULL, &owner, &bag, NULL), E_CORRUPT);
    state_close(&state);
}

static int count_bag(void *context, const struct bag_row *bag, struct err *err)
{
    (void)bag;
    (void)err;
    ++*(uint64_t *)context;
    return 0;
}

static void a_spoiled_row_is_told_by_lists_too(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "one");
    (void)state_put(&state, ann, "b", "two");
    kv_close(&state.kv, true);
    spoil(state.dir, kv_key_item(ann, SPAN_LITERAL("b")), SPAN_LITERAL("rubbish"));
    spoil(state.dir, kv_key_owner_named(OWNER_USER, "ann"), SPAN_LITERAL("rubbish"));
    spoil(state.dir, kv_key_child(ann, 1), SPAN_LITERAL("rubbish"));
    spoil(state.dir, kv_key_writer(7), SPAN_LITERAL("rubbish"));
    spoil(state.dir, kv_key_outcome(7, 1), SPAN_LITERAL("rubbish"));
    spoil(state.dir, kv_key_grave(9), SPAN_LITERAL("rubbish"));
    state_reopen(&state, false);

    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = true;
    uint64_t count = 0;
    struct kv_page page = {.bag_id = ann, .budget_bytes = 1000};
    assert_int_equal(kv_page(state.kv, NULL, &page, count_row, &count, &next, &end, NULL),
                     E_CORRUPT);
    assert_int_equal(count, 1);
    assert_false(end);
    buf_free(&next);
    count = 0;
    bool more = false;
    assert_int_equal(
        kv_owners(state.kv, NULL, OWNER_USER, "", NULL, 9, count_bag, &count, &more, NULL),
        E_CORRUPT);
    assert_int_equal(kv_children(state.kv, NULL, ann, count_bag, &count, NULL), E_CORRUPT);
    assert_int_equal(count, 0);
    struct kv_writer writer;
    struct kv_outcome outcome;
    struct kv_grave grave;
    struct bag_row bag;
    assert_int_equal(kv_writer(state.kv, 7, &writer, NULL), E_CORRUPT);
    assert_int_equal(kv_outcome(state.kv, 7, 1, &outcome, NULL), E_CORRUPT);
    assert_int_equal(kv_grave(state.kv, NULL, 9, &grave, NULL), E_CORRUPT);
    assert_int_equal(kv_bag(state.kv, NULL, 9, &bag, NULL), E_CORRUPT);
    state_close(&state);
}

static void a_directory_that_names_another_bag_is_told(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    kv_close(&state.kv, true);
    struct buf row;
    buf_init(&row, 64);
    struct kv_key key = kv_key_owner_named(OWNER_USER, "ann");
    kv_row_put_id(&row, kv_key_span(&key), ann + 1);
    spoil(state.dir, key, buf_span(&row));
    buf_free(&row);
    state_reopen(&state, false);
    struct change change = {.seq = 2, .kind = CHANGE_BAG_DELETE, .bag_id = ann, .prev = ann};
    struct err err = {0};
    assert_int_equal(kv_apply(state.kv, &change, 1, state_hash, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "directory"));
    state_close(&state);
}

static int open_and_read(const struct state *state)
{
    const struct kv_options options = {state->dir, 4 << 20, 1 << 20};
    struct kv *kv = NULL;
    struct owner owner = {OWNER_USER, 0, "Ann", "ann"};
    struct bag_row bag;
    uint64_t rows = 0;
    struct kv_page page = {.bag_id = 1, .budget_bytes = 1000};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    bool end = false;
    bool more = false;
    int rc = kv_open(&kv, &options, NULL);
    if (rc == 0) {
        rc = kv_bag_of(kv, NULL, &owner, &bag, NULL);
    }
    if (rc == 0) {
        rc = kv_page(kv, NULL, &page, count_row, &rows, &next, &end, NULL);
    }
    if (rc == 0) {
        rc = kv_owners(kv, NULL, OWNER_USER, "", NULL, 9, count_bag, &rows, &more, NULL);
    }
    kv_close(&kv, false);
    buf_free(&next);
    return rc;
}

static void every_allocation_may_fail(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    uint64_t ann = state_create(&state, "user:Ann", 0);
    (void)state_put(&state, ann, "a", "one");
    kv_close(&state.kv, true);
    struct state fresh = {0};
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        fail_alloc_at(nth);
        int rc = open_and_read(&state);
        failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        assert_true(nth < 100);
    }
    failed = true;
    for (unsigned nth = 1; failed; nth++) { /* a new folder each time: its format is written */
        const struct kv_options options = {fresh.dir, 4 << 20, 1 << 20};
        tmp_folder_make(fresh.dir);
        fail_alloc_at(nth);
        int rc = kv_open(&fresh.kv, &options, NULL);
        failed = fail_alloc_stop();
        assert_int_equal(rc, failed ? E_NOMEM : 0);
        state_close(&fresh);
    }
    state_close(&state);
}

static void a_folder_that_can_not_be_made_is_an_error(void **unused)
{
    (void)unused;
    struct state state = {0};
    tmp_folder_make(state.dir);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, state.dir, "file");
    tmp_folder_write(path, "not a folder");
    const struct kv_options options = {path, 4 << 20, 1 << 20};
    struct err err = {0};
    assert_true(kv_open(&state.kv, &options, &err) < 0);
    assert_null(state.kv);
    assert_non_null(strstr(err.text, path));
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_has_it),
        cmocka_unit_test(a_new_folder_is_fresh),
        cmocka_unit_test(the_position_moves_with_the_changes),
        cmocka_unit_test(only_a_flush_makes_durable),
        cmocka_unit_test(a_view_stands_still),
        cmocka_unit_test(views_agree_with_themselves_while_changes_come),
        cmocka_unit_test(the_newest_is_read_while_others_apply),
        cmocka_unit_test(another_format_is_refused),
        cmocka_unit_test(a_spoiled_row_is_never_not_found),
        cmocka_unit_test(a_spoiled_row_is_told_by_lists_too),
        cmocka_unit_test(a_directory_that_names_another_bag_is_told),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_folder_that_can_not_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
