/* tests/fuzz/fuzz_journal_change.c - a change from a journal or from the stream.
 *
 * The first byte tells the form, the seq and whether the apply rule sees it. What is taken for a
 * change keeps every limit, and written again it reads the same.
 */
#include "journal/apply.h"
#include "tests/fuzz/fuzz.h"

enum { STREAM = 1, FAR = 2, TIME_MS = 1700000000 };

static void check_limits(const struct change *change)
{
    FUZZ_CHECK(change->seq > 0 && change->prev < change->seq);
    FUZZ_CHECK(change->path.size <= PATH_MAX_BYTES);
    FUZZ_CHECK(change->value.size <= VALUE_MAX_BYTES);
    FUZZ_CHECK(change->old_value.size <= VALUE_MAX_BYTES);
    FUZZ_CHECK(change->actor.size <= ACTOR_MAX_BYTES);
    FUZZ_CHECK(change->old_seq < change->seq);
}

static void check_again(const struct change *change, enum change_form form)
{
    struct buf bytes;
    struct unpacked unpacked = {0};
    struct change again = {.seq = change->seq, .time_ms = change->time_ms};
    buf_init(&bytes, 3 << 20);
    change_encode(&bytes, change, form);
    FUZZ_CHECK(buf_error(&bytes) == 0);
    FUZZ_CHECK(unpack_open(&unpacked, buf_span(&bytes), change_elements_max(1)) == 0);
    FUZZ_CHECK(change_decode(&unpacked.root, form, &again, NULL) == 0);
    FUZZ_CHECK(again.kind == change->kind && again.seq == change->seq);
    FUZZ_CHECK(again.bag_id == change->bag_id && again.prev == change->prev);
    FUZZ_CHECK(again.has_old == change->has_old && again.has_op == change->has_op);
    FUZZ_CHECK(span_equal(again.path, change->path) && span_equal(again.value, change->value));
    unpack_close(&unpacked);
    buf_free(&bytes);
}

/* The rows it would meet, and some that it should not. */
static void check_apply(const struct change *change, bool check_old)
{
    struct bag_row bag = {.exists = change->kind != CHANGE_BAG_CREATE,
                          .bag_id = change->bag_id,
                          .last_seq = change->prev,
                          .items = 1,
                          .bytes = change->path.size + change->old_value.size};
    struct item_row item = {.state = change->has_old ? ITEM_LIVE : ITEM_ABSENT,
                            .seq = change->old_seq,
                            .value = change->old_value};
    struct bag_row before = bag;
    struct err err = {0};
    int rc = apply_change(change, &bag, &item, check_old, &err);
    FUZZ_CHECK(rc == 0 || rc == E_CORRUPT);
    FUZZ_CHECK(rc == err.code);
    if (rc != 0) {
        FUZZ_CHECK(bag.last_seq == before.last_seq && bag.items == before.items);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct unpacked unpacked = {0};
    enum change_form form = (data[0] & STREAM) != 0 ? CHANGE_STREAM : CHANGE_JOURNAL;
    struct change change = {.seq = (data[0] & FAR) != 0 ? UINT64_MAX : 300, .time_ms = TIME_MS};
    struct err err = {0};
    if (unpack_open(&unpacked, span_of(data + 1, size - 1), change_elements_max(1)) == 0) {
        int rc = change_decode(&unpacked.root, form, &change, &err);
        FUZZ_CHECK(rc == 0 || rc == E_MALFORMED);
        FUZZ_CHECK(rc == err.code);
        if (rc == 0) {
            check_limits(&change);
            check_again(&change, form);
            check_apply(&change, form == CHANGE_JOURNAL);
        }
    }
    unpack_close(&unpacked);
    return 0;
}
