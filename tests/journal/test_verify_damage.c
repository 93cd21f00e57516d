/* tests/journal/test_verify_damage.c - 1,000 flipped bits, cuts and zeroed blocks over a journal:
 * each is told with file, offset and change, and what can be recovered is; or it is harmless.
 *
 * The rule that is held: when verify says a journal is whole, every change that was in it can be
 * read from it with its own value. When it says it is not, the file it names is the damaged one,
 * the offset is not behind the damage, and the changes it calls whole are there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "journal/past.h"
#include "journal/repair.h"
#include "tests/journal/journal_samples.h"

enum { KIB = 1 << 10, ROUNDS = 1000, FILES = 3, FILE_BYTES = 96 * KIB };

/* Nobody writes: a tail that is damaged need not be looked at again later. */
int nanosleep(const struct timespec *wait, struct timespec *left)
{
    (void)wait;
    (void)left;
    return 0;
}

static char above[TMP_FOLDER_MAX];
static char whole_dir[TMP_FOLDER_MAX];
static uint64_t bases[FILES];
static uint64_t head;
static uint8_t *images[FILES]; /* of the files as they were made */
static struct verify_report report;
static struct err err;

/* --- a journal of small files, batches of all sizes --- */

static void make_file(int index, const struct segment_id *id, struct segment_id *next)
{
    struct segment *segment = NULL;
    struct disk quick = sample_quick_disk();
    struct buf payload;
    char path[TMP_FOLDER_MAX];
    buf_init(&payload, FILE_BYTES);
    sample_file(path, id->base_seq);
    assert_int_equal(segment_create(&segment, path, id, FILE_BYTES, &quick, NULL), 0);
    for (uint64_t i = id->base_seq; i < id->base_seq + 30; i++) {
        uint32_t count = (uint32_t)(1 + i % 4);
        sample_payload(&payload, segment_next_seq(segment), count, i * 89 % 900);
        if (!segment_has_room(segment, payload.size)) {
            break;
        }
        assert_int_equal(segment_append(segment, count, i, buf_span(&payload), NULL, NULL), 0);
    }
    *next = *id;
    next->base_seq = segment_next_seq(segment);
    segment_last_hash(segment, next->prev_hash);
    segment_close(&segment);
    buf_free(&payload);
    images[index] = malloc(FILE_BYTES);
    assert_non_null(images[index]);
    spoil_read(path, 0, images[index], FILE_BYTES);
}

static int make(void **state)
{
    (void)state;
    tmp_folder_make(above);
    tmp_folder_path(whole_dir, above, "journal");
    assert_int_equal(mkdir(whole_dir, 0700), 0);
    (void)snprintf(sample_dir, sizeof sample_dir, "%s", whole_dir);
    struct segment_id id = sample_id(1);
    for (int i = 0; i < FILES; i++) {
        bases[i] = id.base_seq;
        make_file(i, &id, &id);
    }
    head = id.base_seq - 1;
    return 0;
}

static int clean(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++) {
        free(images[i]);
    }
    tmp_folder_remove(above);
    return 0;
}

static void put_back(int index)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, bases[index]);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
    assert_int_equal(pwrite(fd, images[index], FILE_BYTES, 0), FILE_BYTES);
    assert_int_equal(close(fd), 0);
}

/* --- damage --- */

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return *seed >> 33;
}

struct damage {
    int index;   /* of the file */
    off_t at;    /* the first byte that is not what it was */
    bool is_cut; /* the file is shorter */
};

/* False: it changed nothing (zeros over zeros). */
static bool spoil(uint64_t *seed, struct damage *out)
{
    static const uint8_t zeros[16 * KIB];
    char path[TMP_FOLDER_MAX];
    *out = (struct damage){.index = (int)(next_random(seed) % FILES)};
    sample_file(path, bases[out->index]);
    uint64_t kind = next_random(seed) % 4;
    out->at = (off_t)(next_random(seed) % FILE_BYTES);
    if (kind == 0) {
        out->is_cut = true;
        assert_int_equal(truncate(path, out->at), 0);
        return true;
    }
    if (kind == 1) { /* blocks of a disk, zeroed */
        size_t size = (size_t)SEGMENT_SECTOR << next_random(seed) % 6;
        out->at -= out->at % (off_t)size;
        size = size < (size_t)(FILE_BYTES - out->at) ? size : (size_t)(FILE_BYTES - out->at);
        spoil_write(path, out->at, zeros, size);
        const uint8_t *image = images[out->index];
        size_t same = 0;
        while (same < size && image[(size_t)out->at + same] == 0) {
            same++;
        }
        out->at += (off_t)same;
        return same < size;
    }
    spoil_flip(path, out->at, (uint8_t)(1U << next_random(seed) % 8));
    return true;
}

/* Every change of [first, last] is there with its own value. */
static bool is_readable(uint64_t first, uint64_t last)
{
    struct journal *journal = NULL;
    struct journal_opened opened;
    bool readable = sample_open(&journal, NULL, &opened, &err) == 0 &&
                    journal_floor(journal) == first && sample_last_seq(journal, first) == last;
    journal_close(&journal, false);
    return readable;
}

/* The sentence a person gets. */
static void assert_named(const struct damage *damage)
{
    char path[TMP_FOLDER_MAX];
    sample_file(path, bases[damage->index]);
    if (report.faults == 0 || strstr(err.text, path) == NULL ||
        strcmp(report.file, strrchr(path, '/') + 1) != 0) {
        fail_msg("damage of '%s' at %lld: '%s'", path, (long long)damage->at, err.text);
    }
    assert_true(damage->is_cut || report.offset <= (uint64_t)damage->at);
    assert_true(report.fault_seq >= bases[damage->index]);
    assert_true(report.fault_seq <= head + 1);
    assert_true(report.fault_base <= report.fault_seq);
    if (report.fault_seq > 1) {
        char words[64];
        (void)snprintf(words, sizeof words, "Changes 1 to %llu are whole",
                       (unsigned long long)(report.fault_seq - 1));
        assert_non_null(strstr(err.text, words));
    } else {
        assert_non_null(strstr(err.text, "restore a backup"));
    }
    uint64_t behind = damage->index + 1 < FILES ? bases[damage->index + 1] : 0;
    assert_int_equal(report.whole_from, behind);
}

/* What repair keeps is what was said to be whole. */
static void assert_repaired(enum repair_keep keep)
{
    struct repair_options options = {.keep = keep};
    struct disk quick = sample_quick_disk();
    struct repair_report repaired;
    options.disk = &quick;
    int rc = journal_repair(sample_dir, &options, &repaired, &err);
    bool possible = keep == REPAIR_KEEP_BEFORE ? report.fault_base > 1 : report.whole_from != 0;
    if (!possible) {
        assert_true(rc == E_CORRUPT || keep == REPAIR_KEEP_BEFORE);
        return;
    }
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(repaired.kept_first, keep == REPAIR_KEEP_BEFORE ? 1 : report.whole_from);
    assert_int_equal(repaired.kept_last, keep == REPAIR_KEEP_BEFORE ? report.fault_base - 1 : head);
    struct verify_report after;
    assert_int_equal(journal_verify(sample_dir, &after, NULL, NULL, &err), 0);
    assert_int_equal(after.first_seq, repaired.kept_first);
    assert_int_equal(after.last_seq, repaired.kept_last);
}

static void forget_repair(void)
{
    char path[TMP_FOLDER_MAX];
    char name[64];
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof name, "journal.damaged/%020llu.kbj",
                       (unsigned long long)bases[i]);
        tmp_folder_path(path, above, name);
        (void)unlink(path);
        put_back(i);
    }
}

/* Only what opening looks at is guarded by opening; reading has to notice the rest. */
static void assert_never_wrong(void)
{
    struct journal *journal = NULL;
    struct journal_opened opened;
    struct past_change change = {0};
    if (sample_open(&journal, NULL, &opened, NULL) != 0) {
        return;
    }
    for (uint64_t seq = 1; seq <= head; seq++) {
        int rc = journal_change_at(journal, seq, &change, &err);
        assert_true(rc == E_CORRUPT || rc == E_FORMAT ||
                    (rc == 0 && sample_is(change.change.value, seq)));
    }
    past_change_free(&change);
    journal_close(&journal, false);
}

static void random_damage_is_named_or_harmless(void **state)
{
    (void)state;
    uint64_t seed = 20240611;
    unsigned named = 0;
    unsigned harmless = 0;
    assert_true(is_readable(1, head));
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct damage damage;
        bool changed = spoil(&seed, &damage);
        err = (struct err){0};
        int rc = journal_verify(sample_dir, &report, NULL, NULL, &err);
        if (rc == 0) {
            assert_int_equal(report.last_seq, head);
            assert_true(is_readable(1, head));
            harmless++;
        } else {
            assert_true(changed);
            assert_true(rc == E_CORRUPT || rc == E_FORMAT);
            assert_named(&damage);
            named++;
            if (rc == E_CORRUPT && round % 4 == 0) {
                assert_repaired(round % 8 == 0 ? REPAIR_KEEP_BEFORE : REPAIR_KEEP_BEHIND);
            } else if (round % 4 == 1) {
                assert_never_wrong();
            }
        }
        forget_repair();
    }
    print_message("%u named, %u harmless\n", named, harmless);
    assert_true(named > ROUNDS / 2);
    assert_true(harmless > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_damage_is_named_or_harmless),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
