/* tests/client/test_replica_record.c - bits that flip in the file: noticed at every record. */
#include "tests/client/replica_samples.h"

#include <stdlib.h>

#include "base/file.h"

enum { ITEMS = 12 };

/* What a healthy replica says. */
static const char *const paths[ITEMS] = {"address/personal/001",
                                         "address/personal/002",
                                         "address/personal/003",
                                         "b",
                                         "copy/default",
                                         "copy/last",
                                         "fax/default",
                                         "print/quality",
                                         "scan/a",
                                         "scan/b",
                                         "scan/c",
                                         "z"};

static void expected_value(size_t i, char out[64])
{
    (void)snprintf(out, 64, "value-of-%s-is-%zu", paths[i], i * 7919);
}

struct image {
    struct fixture f;
    char data_path[TMP_FOLDER_MAX];
    struct buf good; /* data.mdb as it should be */
    uint64_t ann, bob;
};

static void image_begin(struct image *image)
{
    fixture_begin(&image->f);
    image->ann = sample_bag(&image->f, "Ann", 40, 40).local;
    image->bob = sample_bag(&image->f, "Bob", 50, 50).local;
    for (size_t i = 0; i < ITEMS; i++) {
        char value[64];
        expected_value(i, value);
        apply_set(&image->f, 40, 100 + i, i == 0 ? 40 : 99 + i, paths[i], value);
    }
    apply_set(&image->f, 50, 200, 50, "bobs", "own");
    replica_close(&image->f.replica);
    tmp_folder_path(image->data_path, image->f.dir, "data.mdb");
    buf_init(&image->good, 1 << 24);
    assert_int_equal(file_read(image->data_path, &image->good, NULL), 0);
}

static void image_end(struct image *image)
{
    buf_free(&image->good);
    fixture_end(&image->f);
}

static void image_write(struct image *image, size_t at, unsigned bit)
{
    struct buf bytes;
    buf_init(&bytes, 1 << 24);
    assert_int_equal(buf_append_span(&bytes, buf_span(&image->good)), 0);
    bytes.data[at] ^= (uint8_t)(1u << bit);
    FILE *file = fopen(image->data_path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
    buf_free(&bytes);
}

/* Every item reads as it was, or says that it is damaged; none is silently missing. Returns how
 * many were damaged. */
static unsigned check_reads(struct image *image)
{
    unsigned damaged = 0;
    struct replica_bag bag;
    struct owner ann = sample_owner("Ann");
    if (replica_bag_by_owner(image->f.replica, &ann, &bag, NULL) != 0) {
        return ITEMS; /* its own record was hit: the bag is gone as a whole, to be fetched anew */
    }
    for (size_t i = 0; i < ITEMS; i++) {
        char wanted[64];
        struct item_row row;
        struct buf value;
        buf_init(&value, 1000);
        expected_value(i, wanted);
        int rc = replica_item(image->f.replica, bag.local, span_str(paths[i]), &row, &value, NULL);
        if (rc == 0) {
            assert_true(span_equal(buf_span(&value), span_str(wanted)));
            assert_int_equal(row.seq, 100 + i);
        } else {
            assert_int_equal(replica_bag_by_id(image->f.replica, 40, &bag, NULL), 0);
            assert_int_equal(bag.cursor, 0); /* marked: it is fetched anew */
            assert_false(bag.complete);
            damaged++;
        }
        buf_free(&value);
    }
    return damaged;
}

/* Opened, judged and read after one flip; true when it was noticed. */
static bool try_flip(struct image *image, size_t at, unsigned bit)
{
    image_write(image, at, bit);
    int rc = replica_open(&image->f.replica, image->f.dir, MAP_BYTES, NULL);
    if (rc != 0) {
        assert_true(rc == E_CORRUPT || rc == E_FORMAT || rc == E_INVALID || rc == E_SYSTEM);
        return true;
    }
    unsigned damaged = check_reads(image);
    uint64_t records = 0;
    uint64_t found = 0;
    assert_int_equal(replica_verify(image->f.replica, &records, &found, NULL), 0);
    replica_close(&image->f.replica);
    return damaged + found > 0;
}

static const uint8_t *find(const struct buf *bytes, const uint8_t *from, struct span what)
{
    size_t left = bytes->size - (size_t)(from - bytes->data);
    return memmem(from, left, what.data, what.size);
}

/* Flips bits of all bytes of each copy of `what` in the file (older pages hold copies that do not
 * count, so not every flip can be noticed); the live copy has to be among them. */
static unsigned flip_around(struct image *image, struct span what, size_t before, unsigned step)
{
    unsigned noticed = 0;
    const uint8_t *at = find(&image->good, image->good.data, what);
    for (; at != NULL; at = find(&image->good, at + 1, what)) {
        size_t begin = (size_t)(at - image->good.data) - before;
        for (size_t i = begin; i < begin + before + what.size; i += step) {
            noticed += try_flip(image, i, (unsigned)(i % 8)) ? 1 : 0;
        }
    }
    return noticed;
}

static void a_flipped_value_is_never_told(void **state)
{
    (void)state;
    struct image image;
    image_begin(&image);
    for (size_t i = 0; i < ITEMS; i++) {
        char value[64];
        expected_value(i, value);
        unsigned noticed = flip_around(&image, span_str(value), 33, 5);
        assert_true(noticed >= (strlen(value) + 33) / 5);
    }
    image_end(&image);
}

static void a_flipped_path_is_noticed(void **state)
{
    (void)state;
    struct image image;
    image_begin(&image);
    for (size_t i = 0; i < ITEMS; i++) {
        struct buf key;
        buf_init(&key, 300);
        assert_int_equal(buf_append_be64(&key, image.ann), 0);
        assert_int_equal(buf_append_u8(&key, 0), 0); /* the copy */
        assert_int_equal(buf_append_span(&key, span_str(paths[i])), 0);
        assert_true(flip_around(&image, buf_span(&key), 0, 1) >= key.size);
        buf_free(&key);
    }
    image_end(&image);
}

static void a_flipped_bag_is_dropped_or_found_again(void **state)
{
    (void)state;
    struct image image;
    image_begin(&image);
    assert_true(flip_around(&image, span_str("Annann"), 60, 3) > 0);
    /* the index of names is made anew from the bags: nothing is lost */
    const uint8_t name[] = {OWNER_USER, 0, 0, 0, 0, 0, 0, 0, 0, 'a', 'n', 'n'};
    (void)flip_around(&image, span_of(name, sizeof name), 0, 1);
    assert_int_equal(replica_open(&image.f.replica, image.f.dir, MAP_BYTES, NULL), 0);
    assert_int_equal(check_reads(&image), 0);
    image_end(&image);
}

/* --- anything, anywhere --- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A bit, a zeroed block of a disk, or the end cut off. */
static void spoil(struct buf *bytes, uint64_t *random)
{
    enum { BLOCK = 512 };
    uint64_t kind = next_random(random) % 10;
    size_t at = (size_t)(next_random(random) % bytes->size);
    if (kind == 0) {
        bytes->size = at;
    } else if (kind < 4) {
        at -= at % BLOCK;
        size_t left = bytes->size - at;
        memset(bytes->data + at, 0, left < BLOCK ? left : BLOCK);
    } else {
        bytes->data[at] ^= (uint8_t)(1u << next_random(random) % 8);
    }
}

static void a_thousand_random_damages_never_show_a_wrong_value(void **state)
{
    (void)state;
    enum { TRIALS = 1000 };
    struct image image;
    uint64_t random = 5;
    unsigned refused = 0;
    unsigned opened = 0;
    image_begin(&image);
    for (unsigned trial = 0; trial < TRIALS; trial++) {
        struct buf bytes;
        struct err err = {0};
        buf_init(&bytes, 1 << 24);
        assert_int_equal(buf_append_span(&bytes, buf_span(&image.good)), 0);
        spoil(&bytes, &random);
        FILE *file = fopen(image.data_path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
        assert_int_equal(fclose(file), 0);
        buf_free(&bytes);
        int rc = replica_open(&image.f.replica, image.f.dir, MAP_BYTES, &err);
        if (rc != 0) {
            assert_true(rc == E_CORRUPT || rc == E_FORMAT);
            assert_true(err.text[0] != '\0');
            refused++;
            continue;
        }
        (void)check_reads(&image);
        replica_close(&image.f.replica);
        opened++;
    }
    assert_true(refused > TRIALS / 20);
    assert_true(opened > TRIALS / 20);
    image_end(&image);
}

static void what_was_damaged_heals_when_the_bag_comes_anew(void **state)
{
    (void)state;
    struct image image;
    image_begin(&image);
    const uint8_t *at = find(&image.good, image.good.data, span_str("value-of-scan/a"));
    const uint8_t *next = at;
    while (next != NULL) { /* the newest copy lies anywhere: spoil all */
        image.good.data[next - image.good.data] ^= 1;
        at = next;
        next = find(&image.good, image.good.data, span_str("value-of-scan/a"));
    }
    image_write(&image, 0, 0);
    image_write(&image, (size_t)(at - image.good.data) + 3, 1);
    assert_int_equal(replica_open(&image.f.replica, image.f.dir, MAP_BYTES, NULL), 0);
    assert_true(check_reads(&image) >= 1);
    struct replica_page page = {
        .bag_id = 40, .first = true, .last = true, .whole = true, .cursor = 111, .seq = 111};
    struct replica_row rows[ITEMS];
    char values[ITEMS][64];
    for (size_t i = 0; i < ITEMS; i++) {
        expected_value(i, values[i]);
        rows[i] = (struct replica_row){
            .path = span_str(paths[i]),
            .row = {.state = ITEM_LIVE, .seq = 100 + i, .value = span_str(values[i])}};
    }
    assert_int_equal(replica_stage(image.f.replica, &page, rows, ITEMS, NULL), 0);
    assert_int_equal(check_reads(&image), 0);
    uint64_t records = 0;
    uint64_t damaged = 9;
    assert_int_equal(replica_verify(image.f.replica, &records, &damaged, NULL), 0);
    assert_int_equal(damaged, 0);
    image_end(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_value_is_never_told),
        cmocka_unit_test(a_flipped_path_is_noticed),
        cmocka_unit_test(a_flipped_bag_is_dropped_or_found_again),
        cmocka_unit_test(what_was_damaged_heals_when_the_bag_comes_anew),
        cmocka_unit_test(a_thousand_random_damages_never_show_a_wrong_value),
    };
    return cmocka_run_group_tests_name("client/replica_record", tests, NULL, NULL);
}
