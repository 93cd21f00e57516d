/* tests/kv/test_store.c - RocksDB as we use it: errors, scans, damage on the disk. */
#include "tests/kv/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "kv/store.h"

static void open_store(struct kv_store *store, const char *dir)
{
    const struct kv_options options = {dir, 1 << 20, 1 << 20};
    struct err err = {0};
    int rc = kv_store_open(store, &options, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

static int write_row(struct kv_store *store, struct kv_key key, const char *value, struct err *err)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, (const char *)key.data, key.size, value, strlen(value));
    int rc = kv_store_write(store, batch, err);
    rocksdb_writebatch_destroy(batch);
    return rc;
}

static void messages_become_codes(void **unused)
{
    (void)unused;
    const struct {
        const char *message;
        int code;
    } cases[] = {
        {"IO error: No space left on device: While appending to file: x", E_NOSPACE},
        {"IO error: Disk quota exceeded: x", E_NOSPACE},
        {"IO error: Permission denied: x", E_PERMISSION},
        {"IO error: Operation not permitted: x", E_PERMISSION},
        {"IO error: While lock file: x/LOCK: Resource temporarily unavailable", E_BUSY},
        {"IO error: lock hold by current process, acquire time 1", E_BUSY},
        {"Corruption: block checksum mismatch: x", E_CORRUPT},
        {"IO error: No such file or directory: x.sst", E_CORRUPT},
        {"IO error: Cannot allocate memory: x", E_NOMEM},
        {"IO error: Input/output error: x", E_IO},
        {"something new", E_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        assert_int_equal(kv_store_err(&err, "read", strdup(cases[i].message)), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, cases[i].message));
        assert_int_equal(kv_store_err(NULL, "read", strdup(cases[i].message)), cases[i].code);
    }
}

static void rows_are_put_and_got(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv_store store;
    open_store(&store, dir);
    struct kv_key key = kv_key_bag(1);
    rocksdb_pinnableslice_t *pin = NULL;
    struct span row;
    struct err err = {0};
    assert_int_equal(kv_store_get(&store, NULL, kv_key_span(&key), &pin, &row, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "");
    assert_null(pin);
    assert_int_equal(write_row(&store, key, "one", &err), 0);
    assert_int_equal(kv_store_get(&store, NULL, kv_key_span(&key), &pin, &row, &err), 0);
    assert_true(span_equal(row, SPAN_LITERAL("one")));
    rocksdb_pinnableslice_destroy(pin);
    kv_store_close(&store);
    kv_store_close(&store); /* and a zeroed one */
    tmp_folder_remove(dir);
}

static void a_scan_ends_with_its_prefix(void **unused)
{
    (void)unused;
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv_store store;
    open_store(&store, dir);
    const uint64_t bags[] = {1, 0xff, 0xffff, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(write_row(&store, kv_key_item(bags[i], SPAN_LITERAL("a")), "1", NULL), 0);
        assert_int_equal(write_row(&store, kv_key_item(bags[i], SPAN_LITERAL("\xff")), "2", NULL),
                         0);
    }
    assert_int_equal(write_row(&store, kv_key_mark(), "M", NULL), 0);
    for (size_t i = 0; i < 5; i++) {
        struct kv_key prefix = kv_key_item(bags[i], span_of(NULL, 0));
        struct kv_key first = kv_key_item(bags[i], SPAN_LITERAL("a"));
        for (int skip = 0; skip < 2; skip++) {
            struct kv_scan scan;
            kv_scan_open(&scan, &store, NULL, &prefix, skip ? &first : &prefix, skip);
            int rows = 0;
            struct span key;
            struct span row;
            while (kv_scan_row(&scan, &key, &row, NULL) == 0) {
                assert_int_equal(kv_key_bag_id(key), bags[i]);
                rows++;
                kv_scan_step(&scan);
            }
            kv_scan_close(&scan);
            assert_int_equal(rows, 2 - skip);
        }
    }
    kv_store_close(&store);
    tmp_folder_remove(dir);
}

static void lost_current_is_not_an_empty_state(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    (void)state_create(&state, "user:Ann", 0);
    kv_close(&state.kv, true);
    char path[TMP_FOLDER_MAX];
    tmp_folder_path(path, state.dir, "CURRENT");
    assert_int_equal(unlink(path), 0);
    const struct kv_options options = {state.dir, 4 << 20, 1 << 20};
    struct err err = {0};
    assert_int_equal(kv_open(&state.kv, &options, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "CURRENT"));
    state_close(&state);
}

/* --- damage: every file of the folder, flipped, cut, emptied, removed --- */

enum { ITEMS = 40 };

static void item_of(int i, char path[16], char value[64])
{
    (void)snprintf(path, 16, "item/%03d", i);
    (void)snprintf(value, 64, "value %d of a setting that is long enough: %d", i, i * i);
}

static void fill(struct state *state)
{
    uint64_t ann = state_create(state, "user:Ann", 0);
    assert_int_equal(ann, 1);
    char path[16];
    char value[64];
    for (int i = 0; i < ITEMS; i++) {
        item_of(i, path, value);
        (void)state_put(state, ann, path, value);
        if (i == ITEMS / 2) {
            uint64_t seq = 0;
            assert_int_equal(kv_flush(state->kv, &seq, NULL), 0); /* two tables */
        }
    }
}

struct tally {
    int refused;  /* to open */
    int replayed; /* opened at an older position: the journal makes up for it */
    int told;     /* a read said E_CORRUPT */
    int whole;
};

/* Opens what was damaged. Nothing may be wrong, or missing without a word. */
static void judge(struct state *state, struct tally *tally)
{
    const struct kv_options options = {state->dir, 4 << 20, 1 << 20};
    struct err err = {0};
    if (kv_open(&state->kv, &options, &err) != 0) {
        assert_string_not_equal(err.text, "");
        tally->refused++;
        return;
    }
    bool told = false;
    bool behind = state_seq(state) < 1 + ITEMS;
    char path[16];
    char value[64];
    for (int i = 0; i < ITEMS && !behind; i++) {
        item_of(i, path, value);
        struct kv_item item;
        int rc = kv_item(state->kv, NULL, 1, span_str(path), &item, NULL);
        if (rc != 0) {
            assert_int_equal(rc, E_CORRUPT);
            told = true;
            continue;
        }
        assert_int_equal(item.row.state, ITEM_LIVE);
        assert_true(span_equal(item.row.value, span_str(value)));
        kv_item_free(&item);
    }
    kv_close(&state->kv, false);
    tally->told += told;
    tally->replayed += behind;
    tally->whole += !told && !behind;
}

/* A copy of the folder's file `name` with `how` done to it; the rest are links to the originals. */
static void damage(const char *from, const char *to, const char *name, int how)
{
    char source[TMP_FOLDER_MAX];
    char target[TMP_FOLDER_MAX];
    tmp_folder_path(source, from, name);
    tmp_folder_path(target, to, name);
    int in = open(source, O_RDONLY | O_CLOEXEC);
    int out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    static uint8_t bytes[1 << 16];
    ssize_t size = read(in, bytes, sizeof bytes);
    assert_true(size >= 0 && size < (ssize_t)sizeof bytes);
    enum { FLIPS = 24, CUTS = 2 };
    if (how < FLIPS && size > 0) {
        bytes[size * how / FLIPS] ^= (uint8_t)(1u << how % 8);
    } else {
        size = size * (how - FLIPS) / CUTS;
    }
    assert_int_equal(write(out, bytes, (size_t)size), size);
    (void)close(in);
    (void)close(out);
}

static void copy_folder(const char *from, const char *to, const char *damaged, int how)
{
    DIR *folder = opendir(from);
    assert_non_null(folder);
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "LOCK") == 0) {
            continue;
        }
        bool whole = damaged == NULL || strcmp(entry->d_name, damaged) != 0;
        damage(from, to, entry->d_name, whole ? 24 + 2 : how);
    }
    (void)closedir(folder);
}

static void damage_is_told_or_harmless(void **unused)
{
    (void)unused;
    struct state whole;
    state_open(&whole);
    fill(&whole);
    kv_close(&whole.kv, true);
    struct tally tally = {0};
    DIR *folder = opendir(whole.dir);
    assert_non_null(folder);
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        bool counts = strstr(entry->d_name, ".sst") != NULL ||
                      strstr(entry->d_name, "MANIFEST") != NULL ||
                      strcmp(entry->d_name, "CURRENT") == 0;
        for (int how = 0; counts && how < 24 + 2; how++) {
            struct state state = {0};
            tmp_folder_make(state.dir);
            copy_folder(whole.dir, state.dir, entry->d_name, how);
            judge(&state, &tally);
            state_close(&state);
        }
    }
    (void)closedir(folder);
    struct state state = {0};
    tmp_folder_make(state.dir);
    copy_folder(whole.dir, state.dir, NULL, 0);
    int before = tally.whole;
    judge(&state, &tally);
    assert_int_equal(tally.whole, before + 1); /* the control: an undamaged copy */
    state_close(&state);
    print_message("refused %d, replayed %d, told %d, whole %d\n", tally.refused, tally.replayed,
                  tally.told, tally.whole);
    assert_true(tally.refused > 10);
    assert_true(tally.told > 10);
    state_close(&whole);
}

/* Rows that do not compress until one is refused: 0 when it was with `code`, soon enough, and the
 * next one is refused too. */
static int write_until_refused(struct kv_store *store, int code)
{
    static char value[4096];
    for (uint64_t i = 0; i < 4000; i++) {
        for (size_t k = 0; k < sizeof value - 1; k++) {
            value[k] = (char)('a' + random_u64() % 26);
        }
        struct err err = {0};
        uint64_t start_ns = clock_mono_ns();
        int rc = write_row(store, kv_key_bag(i), value, &err);
        if (rc != 0) {
            bool soon = clock_mono_ns() - start_ns < UINT64_C(5000000000);
            bool lasting = write_row(store, kv_key_bag(i), value, NULL) != 0;
            return rc == code && err.text[0] != '\0' && lasting && soon ? 0 : 4;
        }
    }
    return 5;
}

static const char *child_dir;

/* Files may not grow: a full disk's error comes the same way. */
static int on_a_full_disk(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct kv_options options = {child_dir, 64 << 10, 1 << 20};
    struct kv_store store;
    if (kv_store_open(&store, &options, NULL) != 0) {
        return 2;
    }
    const struct rlimit limit = {16 << 10, 16 << 10};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 3;
    }
    int rc = write_until_refused(&store, E_IO);
    kv_store_close(&store);
    return rc;
}

/* In a child of a process that has used RocksDB its background threads are missing, so that nothing
 * ever reaches the disk. */
static int on_a_disk_that_hangs(void)
{
    const struct kv_options options = {child_dir, 64 << 10, 1 << 20};
    struct kv_store store;
    if (kv_store_open(&store, &options, NULL) != 0) {
        return 2;
    }
    store.stall_max_ms = 50;
    int rc = write_until_refused(&store, E_IO); /* closing would wait for the threads */
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    rocksdb_writebatch_put(batch, "S", 1, "", 0);
    int tried = kv_store_try(&store, batch, NULL); /* which does not wait */
    return rc != 0 || tried == E_BUSY ? rc : 4;
}

static void check_child(int (*body)(void))
{
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    child_dir = dir;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(60);
        _exit(body());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status)); /* no abort, no hang */
    assert_int_equal(WEXITSTATUS(status), 0);
    tmp_folder_remove(dir);
}

/* Before all others: its child needs RocksDB's threads, which no process has before its first use.
 */
static void a_full_disk_is_an_error(void **unused)
{
    (void)unused;
    check_child(on_a_full_disk);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

static void a_disk_that_hangs_is_an_error(void **unused)
{
    (void)unused;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it allows no threads in a child of a process with threads */
#endif
    char dir[TMP_FOLDER_MAX];
    tmp_folder_make(dir);
    struct kv_store store;
    open_store(&store, dir);
    assert_int_equal(write_row(&store, kv_key_mark(), "M", NULL), 0);
    assert_int_equal(kv_store_flush(&store, NULL), 0);
    kv_store_close(&store);
    tmp_folder_remove(dir);
    check_child(on_a_disk_that_hangs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(a_disk_that_hangs_is_an_error),
        cmocka_unit_test(messages_become_codes),
        cmocka_unit_test(rows_are_put_and_got),
        cmocka_unit_test(a_scan_ends_with_its_prefix),
        cmocka_unit_test(lost_current_is_not_an_empty_state),
        cmocka_unit_test(damage_is_told_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
