/* tests/fuzz/fuzz_kv_row.c - rows of the state that nobody vouches for.
 *
 * The first byte of the input chooses the kind of row and (RAW) whether the rest is the row as it
 * is, or what stands behind a checksum that fits (else hardly any input would get behind it).
 * Whatever it is: reading says 0 or E_CORRUPT with a sentence, what was read is within the limits,
 * and written again it is read as the same, byte for byte.
 */
#include "kv/row.h"
#include "tests/fuzz/fuzz.h"

enum { RAW = 0x80, ROW_MAX = 2 << 20 };

/* Reads `row` and, when it is good, writes what it held to `out`. */
typedef int again_fn(struct span key, struct span row, struct buf *out, struct err *err);

static int again_format(struct span key, struct span row, struct buf *out, struct err *err)
{
    uint32_t version = 0;
    int rc = kv_row_get_format(key, row, &version, err);
    if (rc == 0) {
        kv_row_put_format(out, key, version);
    }
    return rc;
}

static int again_mark(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct kv_mark mark;
    int rc = kv_row_get_mark(key, row, &mark, err);
    if (rc == 0) {
        kv_row_put_mark(out, key, &mark);
    }
    return rc;
}

static int again_bag(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct bag_row bag;
    int rc = kv_row_get_bag(key, row, &bag, err);
    if (rc == 0) {
        FUZZ_CHECK(bag.exists && bag.bag_id == kv_key_bag_id(key));
        FUZZ_CHECK(owner_kind_known((uint8_t)bag.owner.kind));
        kv_row_put_bag(out, key, &bag);
    }
    return rc;
}

static int again_id(struct span key, struct span row, struct buf *out, struct err *err)
{
    uint64_t bag_id = 0;
    int rc = kv_row_get_id(key, row, &bag_id, err);
    if (rc == 0) {
        kv_row_put_id(out, key, bag_id);
    }
    return rc;
}

static int again_doom(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct kv_doom doom;
    int rc = kv_row_get_doom(key, row, &doom, err);
    if (rc == 0) {
        FUZZ_CHECK((unsigned)doom.stage <= KV_DOOM_EMPTY);
        kv_row_put_doom(out, key, &doom);
    }
    return rc;
}

static int again_place(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct kv_place place;
    int rc = kv_row_get_place(key, row, &place, err);
    if (rc == 0) {
        FUZZ_CHECK(place.path.size > 0 && place.path.size <= PATH_MAX_BYTES);
        kv_row_put_place(out, key, &place);
    }
    return rc;
}

static int again_item(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct item_row item;
    int rc = kv_row_get_item(key, row, &item, err);
    if (rc == 0) {
        FUZZ_CHECK(item.state == ITEM_LIVE || item.state == ITEM_TOMBSTONE);
        FUZZ_CHECK(item.state == ITEM_LIVE || item.value.size == 0);
        kv_row_put_item(out, key, &item);
    }
    return rc;
}

static int again_writer(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct kv_writer writer;
    int rc = kv_row_get_writer(key, row, &writer, err);
    if (rc == 0) {
        kv_row_put_writer(out, key, &writer);
    }
    return rc;
}

static int again_outcome(struct span key, struct span row, struct buf *out, struct err *err)
{
    struct kv_outcome outcome;
    int rc = kv_row_get_outcome(key, row, &outcome, err);
    if (rc == 0) {
        kv_row_put_outcome(out, key, &outcome);
    }
    return rc;
}

static const struct {
    again_fn *again;
    char letter;
    bool exact; /* every row that is good is one that we write */
} kinds[] = {
    {again_format, 'F', true}, {again_mark, 'M', true},   {again_bag, 'B', false},
    {again_id, 'O', true},     {again_doom, 'D', true},   {again_place, 'T', true},
    {again_item, 'I', false},  {again_writer, 'W', true}, {again_outcome, 'Q', true},
};

static void check_row(size_t kind, struct span key, struct span row)
{
    struct buf once;
    struct buf twice;
    struct err err = {0};
    buf_init(&once, ROW_MAX);
    buf_init(&twice, ROW_MAX);
    int rc = kinds[kind].again(key, row, &once, &err);
    FUZZ_CHECK(rc == 0 || (rc == E_CORRUPT && err.text[0] != '\0'));
    if (rc == 0) {
        FUZZ_CHECK(buf_error(&once) == 0);
        FUZZ_CHECK(!kinds[kind].exact || span_equal(buf_span(&once), row));
        FUZZ_CHECK(kinds[kind].again(key, buf_span(&once), &twice, &err) == 0);
        FUZZ_CHECK(span_equal(buf_span(&once), buf_span(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    size_t kind = (size_t)(data[0] & ~RAW) % (sizeof kinds / sizeof kinds[0]);
    const uint8_t letter_and_number[9] = {(uint8_t)kinds[kind].letter, 0, 0, 0, 0, 0, 0, 0, 7};
    struct span key = span_of(letter_and_number, sizeof letter_and_number);
    struct span body = span_of(data + 1, size - 1);
    struct buf row;
    if ((data[0] & RAW) != 0) {
        check_row(kind, key, body);
        return 0;
    }
    /* a note is its bytes behind their checksum, so it makes one for any bytes */
    buf_init(&row, ROW_MAX);
    kv_row_put_note(&row, key, body);
    if (buf_error(&row) == 0) {
        check_row(kind, key, buf_span(&row));
    }
    buf_free(&row);
    return 0;
}
