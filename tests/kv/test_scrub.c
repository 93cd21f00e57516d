/* tests/kv/test_scrub.c - what was lost or spoiled in the state is found. */
#include "tests/kv/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kv/inside.h"

enum { BAGS = 5, ITEMS = 4, MANY = 3000 };

struct found {
    uint64_t checked;
    uint64_t wrong;
    size_t count;
    struct kv_wrong last;
    char text[256];
};

static void note_wrong(void *context, const struct kv_wrong *wrong)
{
    struct found *found = context;
    found->count++;
    found->last = *wrong;
    (void)snprintf(found->text, sizeof found->text, "%s", wrong->text);
}

static struct found scrub_all(struct state *state)
{
    struct found found = {0};
    uint64_t next = 0;
    struct err err = {0};
    int rc = kv_scrub(state->kv, &next, SIZE_MAX, &found.checked, &found.wrong, note_wrong, &found,
                      &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_int_equal(next, 0);
    assert_int_equal(found.count, found.wrong);
    return found;
}

static void fill(struct state *state, uint64_t bags[BAGS])
{
    static const char *const owners[BAGS] = {"user:a", "user:b", "user:c", "group:d", "fleet"};
    static const char *const paths[ITEMS] = {"one", "two", "three", "four"};
    state_open(state);
    for (size_t i = 0; i < BAGS; i++) {
        bags[i] = state_create(state, owners[i], 0);
        for (size_t k = 0; k < ITEMS; k++) {
            (void)state_put(state, bags[i], paths[k], "value");
        }
        (void)state_put(state, bags[i], "four", NULL);
    }
}

/* Behind the state's back; `row` NULL removes it. */
static void put_row(struct state *state, struct kv_key key, const struct buf *row)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    if (row != NULL) {
        assert_int_equal(kv_batch_put(batch, &key, row, NULL), 0);
    } else {
        kv_batch_delete(batch, &key);
    }
    assert_int_equal(kv_store_write(&state->kv->store, batch, NULL), 0);
    rocksdb_writebatch_destroy(batch);
}

static void put_item(struct state *state, uint64_t bag_id, uint64_t seq, const char *value)
{
    const struct item_row item = {ITEM_LIVE, false, seq, 1, 2, span_str(value)};
    struct kv_key key = kv_key_item(bag_id, SPAN_LITERAL("two"));
    struct buf row;
    buf_init(&row, 4096);
    kv_row_put_item(&row, kv_key_span(&key), &item);
    put_row(state, key, &row);
    buf_free(&row);
}

static void a_sound_state_is_sound(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, 0);
    state_close(&state);
    uint64_t bags[BAGS];
    fill(&state, bags);
    (void)state_delete(&state, bags[2]); /* what is deleted is nobody's */
    found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS - 1);
    assert_int_equal(found.wrong, 0);
    state_close(&state);
}

static void a_lost_row_is_found(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    put_row(&state, kv_key_item(bags[1], SPAN_LITERAL("one")), NULL);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 1);
    assert_int_equal(found.last.bag_id, bags[1]);
    assert_true(found.last.row.exists);
    assert_int_equal(found.last.row.items, 3);
    assert_int_equal(found.last.items, 2);
    assert_int_equal(found.last.row.bytes - found.last.bytes, strlen("one") + strlen("value"));
    assert_false(digest_equal(&found.last.digest, &found.last.row.digest));
    assert_string_not_equal(found.text, "");
    state_close(&state);
}

/* Of the same size, and of a right checksum: only the digest tells. */
static void another_value_or_seq_is_found(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    put_item(&state, bags[0], bags[0] + 2, "value"); /* as it was */
    put_item(&state, bags[3], bags[3] + 2, "eulav");
    put_item(&state, bags[4], bags[4] + 1, "value");
    struct found found = scrub_all(&state);
    assert_int_equal(found.wrong, 2);
    assert_int_equal(found.last.bag_id, bags[4]);
    assert_int_equal(found.last.items, 3);
    state_close(&state);
}

/* The row itself, and one of its items. */
static void unreadable_rows_are_found_and_passed(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    struct buf rubbish;
    buf_init(&rubbish, 64);
    (void)buf_append(&rubbish, "this is not what a row is", 25);
    put_row(&state, kv_key_item(bags[0], SPAN_LITERAL("three")), &rubbish);
    struct found found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 1);
    assert_true(found.last.row.exists);
    assert_non_null(strstr(found.text, "damaged"));
    put_row(&state, kv_key_bag(bags[2]), &rubbish);
    found = scrub_all(&state);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 2);
    assert_int_equal(found.last.bag_id, bags[2]);
    assert_false(found.last.row.exists);
    buf_free(&rubbish);
    state_close(&state);
}

/* --- damage on the disk --- */

static void flip(const char *path, off_t at)
{
    uint8_t byte = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* The state's largest table; its size. */
static off_t find_table(const struct state *state, char path[PATH_MAX])
{
    off_t found = 0;
    DIR *folder = opendir(state->dir);
    assert_non_null(folder);
    const struct dirent *entry = NULL;
    while ((entry = readdir(folder)) != NULL) {
        struct stat stat = {0};
        char name[PATH_MAX];
        (void)snprintf(name, sizeof name, "%.200s/%.200s", state->dir, entry->d_name);
        assert_int_equal(lstat(name, &stat), 0);
        if (strstr(entry->d_name, ".sst") != NULL && stat.st_size > found) {
            (void)memcpy(path, name, sizeof name);
            found = stat.st_size;
        }
    }
    (void)closedir(folder);
    assert_true(found > 0);
    return found;
}

/* Bags without items: their rows fill many blocks of one table. Returns the first. */
static uint64_t fill_many(struct state *state)
{
    uint64_t first = 0;
    state_open(state);
    for (int i = 0; i < MANY; i++) {
        char owner[32];
        (void)snprintf(owner, sizeof owner, "user:user number %d", i);
        uint64_t bag_id = state_create(state, owner, 0);
        first = i == 0 ? bag_id : first;
    }
    return first;
}

/* Closes the state, spoils its table from one part of its size to another, every `step` bytes, and
 * opens it again. Rows of bags are the first in it. */
static void spoil(struct state *state, double from, double to, off_t step)
{
    char path[PATH_MAX];
    kv_close(&state->kv, true);
    double size = (double)find_table(state, path);
    for (off_t at = (off_t)(from * size); at <= (off_t)(to * size); at += step) {
        flip(path, at);
    }
    state_reopen(state, false);
}

/* The block is wrong once, and the bags behind it are looked at as ever. */
static void a_damaged_block_of_bags_is_passed(void **unused)
{
    (void)unused;
    struct state state;
    (void)fill_many(&state);
    spoil(&state, 0.25, 0.25, 1);
    struct found found = scrub_all(&state);
    assert_int_equal(found.wrong, 1);
    assert_int_equal(found.last.bag_id, 0); /* which ones they are can't be read */
    assert_false(found.last.row.exists);
    assert_non_null(strstr(found.text, "bags from "));
    assert_true(found.checked > MANY * 9 / 10);
    assert_true(found.checked < MANY);
    struct found again = scrub_all(&state);
    assert_int_equal(again.wrong, 1);
    assert_int_equal(again.checked, found.checked);
    state_close(&state);
}

/* Many in a row are one stretch of damage. */
static void many_damaged_blocks_are_passed(void **unused)
{
    (void)unused;
    struct state state;
    (void)fill_many(&state);
    spoil(&state, 0.1, 0.3, 500);
    struct found found = scrub_all(&state);
    assert_int_equal(found.wrong, 1);
    assert_true(found.checked > MANY / 3);
    assert_true(found.checked < MANY * 9 / 10);
    state_close(&state);
}

/* Nothing behind it can be read: the round ends there. */
static void damage_up_to_the_end_ends_the_round(void **unused)
{
    (void)unused;
    static char large[60001]; /* stands between the bags' rows and what opening reads */
    uint64_t bits = 1;
    for (size_t i = 0; i + 1 < sizeof large; i++) {
        bits = bits * UINT64_C(6364136223846793005) + 1;
        large[i] = (char)('!' + (bits >> 40) % 90);
    }
    struct state state;
    uint64_t first = fill_many(&state);
    (void)state_put(&state, first, "large", large);
    spoil(&state, 0.1, 0.55, 500);
    struct found found = scrub_all(&state);
    assert_int_equal(found.wrong, found.checked + 1); /* no items can be read, and the stretch */
    assert_int_equal(found.last.bag_id, 0);
    assert_true(found.checked < MANY / 2);
    state_close(&state);
}

/* A bag at a time, and on from there, also when that bag is gone by then. */
static void a_round_goes_in_steps(void **unused)
{
    (void)unused;
    struct state state;
    uint64_t bags[BAGS];
    fill(&state, bags);
    struct found found = {0};
    uint64_t next = 0;
    for (size_t i = 0; i < BAGS; i++) {
        assert_int_equal(found.checked, i);
        assert_int_equal(
            kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL),
            0);
        assert_true(next > bags[i]);
    }
    assert_int_equal(
        kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL), 0);
    assert_int_equal(next, 0);
    assert_int_equal(found.checked, BAGS);
    assert_int_equal(found.wrong, 0);

    next = bags[3];
    (void)state_delete(&state, bags[3]);
    assert_int_equal(
        kv_scrub(state.kv, &next, 1, &found.checked, &found.wrong, note_wrong, &found, NULL), 0);
    assert_int_equal(next, bags[4] + 1);
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_state_is_sound),
        cmocka_unit_test(a_lost_row_is_found),
        cmocka_unit_test(another_value_or_seq_is_found),
        cmocka_unit_test(unreadable_rows_are_found_and_passed),
        cmocka_unit_test(a_damaged_block_of_bags_is_passed),
        cmocka_unit_test(many_damaged_blocks_are_passed),
        cmocka_unit_test(damage_up_to_the_end_ends_the_round),
        cmocka_unit_test(a_round_goes_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
