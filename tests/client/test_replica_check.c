/* tests/client/test_replica_check.c - the structure of the replica's file: every healthy one
 * passes, and after any flipped bit nothing crashes, no value is wrong, nothing is silently
 * missing. */
#include "tests/client/replica_samples.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "client/replica_check.h"

static const char *const table_names[] = {"meta", "bags", "names", "ids", "items", "stage"};

static void assert_healthy(struct fixture *f)
{
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    tmp_folder_path(path, f->dir, "data.mdb");
    int rc = replica_check_file(path, table_names, 6, &err);
    if (rc != 0) {
        print_message("%s\n", err.text);
    }
    assert_int_equal(rc, 0);
}

static uint32_t random_state = 4711;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

/* --- healthy ones --- */

struct world {
    struct fixture f;
    uint64_t seq;
    uint64_t cursors[8]; /* of bags 1000 to 1007; 0: there is none */
    uint64_t locals[8];
};

static char big_value[150000];

static void put_some(struct world *w, size_t bag)
{
    enum { MOST = 40 };
    struct change changes[MOST];
    char paths[MOST][128];
    size_t count = 1 + draw(MOST);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%.*s/%u", (int)draw(100),
                       "a/rather/long/path/that/fills/pages/quickly/and/makes/branch/pages/split/"
                       "at/odd/places/again/and/again",
                       draw(300));
        size_t skip = paths[i][0] == '/' ? 1 : 0;
        size_t size = draw(20) == 0 ? draw(sizeof big_value) : draw(300);
        changes[i] = (struct change){.seq = ++w->seq,
                                     .kind = draw(3) == 0 ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET,
                                     .bag_id = 1000 + bag,
                                     .prev = w->cursors[bag],
                                     .path = span_str(paths[i] + skip),
                                     .value = span_of(big_value, size)};
        w->cursors[bag] = w->seq;
    }
    uint64_t bad = 0;
    assert_int_equal(
        replica_apply(w->f.replica, changes, count, w->seq, sample_hash, &bad, NULL, NULL, NULL),
        0);
}

static void stage_some(struct world *w, size_t bag)
{
    enum { ROWS = 200 };
    static struct replica_row rows[ROWS];
    static char paths[ROWS][16];
    bool whole = draw(2) == 0;
    for (size_t page = 0; page < 4; page++) {
        for (size_t i = 0; i < ROWS; i++) {
            (void)snprintf(paths[i], sizeof paths[i], "s/%05u", draw(100000));
            rows[i] =
                (struct replica_row){.path = span_str(paths[i]),
                                     .row = {.state = draw(5) == 0 ? ITEM_TOMBSTONE : ITEM_LIVE,
                                             .seq = ++w->seq,
                                             .value = span_of(big_value, draw(200))}};
            if (rows[i].row.state == ITEM_TOMBSTONE) {
                rows[i].row.value.size = 0;
            }
        }
        struct replica_page mark = {.bag_id = 1000 + bag,
                                    .first = page == 0,
                                    .last = page == 3,
                                    .whole = whole,
                                    .cursor = w->seq,
                                    .seq = w->seq};
        assert_int_equal(replica_stage(w->f.replica, &mark, rows, ROWS, NULL), 0);
        w->cursors[bag] = page == 3 ? w->seq : w->cursors[bag];
    }
}

static void make_or_drop(struct world *w, size_t bag)
{
    if (w->cursors[bag] != 0) {
        assert_int_equal(replica_bag_drop(w->f.replica, w->locals[bag], NULL), 0);
        w->cursors[bag] = 0;
        return;
    }
    char name[16];
    (void)snprintf(name, sizeof name, "user%zu", bag);
    w->cursors[bag] = ++w->seq;
    w->locals[bag] = sample_bag(&w->f, name, 1000 + bag, w->cursors[bag]).local;
}

static void every_healthy_file_passes(void **state)
{
    (void)state;
    struct world w = {.seq = 10};
    fixture_begin(&w.f);
    assert_healthy(&w.f);
    for (unsigned step = 0; step < 400; step++) {
        size_t bag = draw(8);
        unsigned what = draw(12);
        if (w.cursors[bag] == 0 || what == 0) {
            make_or_drop(&w, bag);
        } else if (what == 1) {
            stage_some(&w, bag);
        } else {
            put_some(&w, bag);
        }
        assert_healthy(&w.f);
        if (step % 100 == 99) {
            fixture_again(&w.f);
        }
    }
    for (size_t bag = 0; bag < 8; bag++) { /* down to nothing again */
        if (w.cursors[bag] != 0) {
            make_or_drop(&w, bag);
        }
        assert_healthy(&w.f);
    }
    fixture_end(&w.f);
}

/* LMDB leaves it its pages when it became smaller in the transaction that made it. */
static void a_long_value_may_have_pages_to_spare(void **state)
{
    (void)state;
    struct world w = {.seq = 10};
    uint64_t bad = 0;
    fixture_begin(&w.f);
    make_or_drop(&w, 0);
    const size_t sizes[] = {sizeof big_value, 50000, 20, sizeof big_value};
    for (size_t last = 1; last < 4; last++) {
        struct change changes[2];
        for (size_t i = 0; i < 2; i++) {
            changes[i] = sample_set(1000, w.seq + 1, w.cursors[0], "long", "");
            changes[i].value = span_of(big_value, sizes[last - 1 + i]);
            w.cursors[0] = ++w.seq;
        }
        assert_int_equal(
            replica_apply(w.f.replica, changes, 2, w.seq, sample_hash, &bad, NULL, NULL, NULL), 0);
        assert_healthy(&w.f);
    }
    fixture_end(&w.f);
}

static void no_file_or_an_empty_one_is_fine(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "data.mdb");
    assert_int_equal(replica_check_file(path, table_names, 6, NULL), 0);
    tmp_folder_write(path, "");
    assert_int_equal(replica_check_file(path, table_names, 6, NULL), 0);
    tmp_folder_write(path, "short");
    assert_int_equal(replica_check_file(path, table_names, 6, NULL), E_CORRUPT);
    tmp_folder_remove(folder);
}

static void other_tables_are_not_ours(void **state)
{
    (void)state;
    struct fixture f;
    char path[TMP_FOLDER_MAX];
    struct err err = {0};
    const char *const others[] = {"meta", "bags", "names", "ids", "items", "staged"};
    fixture_begin(&f);
    tmp_folder_path(path, f.dir, "data.mdb");
    assert_int_equal(replica_check_file(path, others, 6, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(replica_check_file(path, table_names, 5, &err), E_CORRUPT);
    fixture_end(&f);
}

/* --- flipped bits --- */

enum { ITEMS = 300, LAST_SEQ = 99 + ITEMS };
enum { FINE = 0, NOTICED = 1, WRONG_VALUE = 2, SILENT_LOSS = 3 };

static void value_for(unsigned i, char out[64])
{
    (void)snprintf(out, 64, "value-%u-%u", i, i * 7919);
}

/* Opens the file and reads all there was. A root that went back by one commit is whole, and says so
 * by its cursor. */
static int judge(struct fixture *f)
{
    struct replica *replica = NULL;
    struct replica_bag bag;
    struct owner ann = sample_owner("Ann");
    int result = FINE;
    if (replica_open(&replica, f->dir, MAP_BYTES, NULL) != 0 ||
        replica_bag_by_owner(replica, &ann, &bag, NULL) != 0) {
        return NOTICED;
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        char path[32];
        char wanted[64];
        struct item_row row;
        struct buf value;
        (void)snprintf(path, sizeof path, "item/%03u", i);
        value_for(i, wanted);
        buf_init(&value, 1000);
        int rc = replica_item(replica, bag.local, span_str(path), &row, &value, NULL);
        if (rc == 0 && !span_equal(buf_span(&value), span_str(wanted))) {
            return WRONG_VALUE;
        }
        buf_free(&value);
        if (rc != 0) {
            result = NOTICED;
            if (replica_bag_by_id(replica, 40, &bag, NULL) == 0 && bag.complete &&
                bag.cursor == LAST_SEQ) {
                return SILENT_LOSS;
            }
        }
    }
    uint64_t records = 0;
    uint64_t damaged = 0;
    if (replica_verify(replica, &records, &damaged, NULL) != 0 || damaged > 0) {
        result = NOTICED;
    }
    replica_close(&replica);
    return result;
}

static void write_file(const char *path, const struct buf *bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->data, 1, bytes->size, file), bytes->size);
    assert_int_equal(fclose(file), 0);
}

/* In a process of its own, which may crash: that is what is asked. */
static int judge_apart(struct fixture *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)!freopen("/dev/null", "w", stderr);
        (void)alarm(20);
        _exit(judge(f));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void begin_flips(struct fixture *f, char path[TMP_FOLDER_MAX], struct buf *good)
{
    fixture_begin(f);
    (void)sample_bag(f, "Ann", 40, 40);
    for (unsigned i = 0; i < ITEMS; i++) {
        char name[32];
        char value[64];
        (void)snprintf(name, sizeof name, "item/%03u", i);
        value_for(i, value);
        apply_set(f, 40, 100 + i, i == 0 ? 40 : 99 + i, name, value);
    }
    replica_close(&f->replica);
    tmp_folder_path(path, f->dir, "data.mdb");
    buf_init(good, 1 << 25);
    assert_int_equal(file_read(path, good, NULL), 0);
}

static void no_flipped_bit_crashes_or_loses(void **state)
{
    (void)state;
    enum { FLIPS = 600 };
    struct fixture f;
    struct buf good;
    char path[TMP_FOLDER_MAX];
    unsigned noticed = 0;
    begin_flips(&f, path, &good);
    for (unsigned i = 0; i < FLIPS; i++) {
        size_t at = draw((uint32_t)good.size);
        uint8_t bit = (uint8_t)(1u << draw(8));
        good.data[at] ^= bit;
        write_file(path, &good);
        int result = judge_apart(&f);
        good.data[at] ^= bit;
        if (result > NOTICED) {
            print_message("byte %zu, bit 0x%x: %d\n", at, bit, result);
        }
        assert_true(result <= NOTICED);
        noticed += result == NOTICED ? 1 : 0;
    }
    assert_true(noticed > FLIPS / 10); /* the rest hit pages that are not in use */
    buf_free(&good);
    fixture_end(&f);
}

static void no_cut_crashes_or_loses(void **state)
{
    (void)state;
    struct fixture f;
    struct buf good;
    char path[TMP_FOLDER_MAX];
    begin_flips(&f, path, &good);
    size_t whole = good.size;
    for (unsigned i = 0; i < 60; i++) {
        good.size = draw((uint32_t)whole);
        write_file(path, &good);
        assert_true(judge_apart(&f) <= NOTICED);
    }
    good.size = whole;
    for (size_t page = 0; page < whole / 4096; page++) { /* and pages of zeros */
        uint8_t saved[4096];
        memcpy(saved, good.data + page * 4096, sizeof saved);
        memset(good.data + page * 4096, 0, sizeof saved);
        write_file(path, &good);
        assert_true(judge_apart(&f) <= NOTICED);
        memcpy(good.data + page * 4096, saved, sizeof saved);
    }
    buf_free(&good);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_healthy_file_passes),
        cmocka_unit_test(a_long_value_may_have_pages_to_spare),
        cmocka_unit_test(no_file_or_an_empty_one_is_fine),
        cmocka_unit_test(other_tables_are_not_ours),
        cmocka_unit_test(no_flipped_bit_crashes_or_loses),
        cmocka_unit_test(no_cut_crashes_or_loses),
    };
    return cmocka_run_group_tests_name("client/replica_check", tests, NULL, NULL);
}
