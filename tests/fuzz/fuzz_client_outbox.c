/* tests/fuzz/fuzz_client_outbox.c - the payload of a batch of an outbox's file, through replaying.
 *
 * The first byte of the input says whether a good STATE record stands before it (else hardly any
 * input would get behind it); the rest is the array of records. Whatever it is: replaying says 0,
 * E_CORRUPT, E_FORMAT or E_NOMEM, and what it leaves holds together: ids rise, numbers are in their
 * place, the counts are those of what is there, and what is visible can be listed.
 */
#include <stdlib.h>
#include <string.h>

#include "client/outbox_inside.h"
#include "tests/fuzz/fuzz.h"

enum { WITH_STATE = 1, BYTES_MAX = 1 << 20 };

static struct outbox *outbox_of_nothing(void)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    FUZZ_CHECK(outbox != NULL);
    (void)pthread_mutex_init(&outbox->lock, NULL);
    (void)pthread_cond_init(&outbox->changed, NULL);
    outbox->path = strdup("outbox.seg");
    outbox->next_path = strdup("outbox.next");
    outbox->max_bytes = BYTES_MAX;
    buf_init(&outbox->waiting, OUTBOX_BATCH_MAX);
    buf_init(&outbox->writing, OUTBOX_BATCH_MAX);
    FUZZ_CHECK(outbox->path != NULL && outbox->next_path != NULL);
    FUZZ_CHECK(client_overlay_new(&outbox->overlay) == 0);
    return outbox;
}

static int replay(struct outbox *outbox, struct span payload)
{
    struct err err = {0};
    struct batch batch = {.base_seq = 1, .count = 1, .payload = payload};
    int rc = outbox_replay(outbox, &batch, &err);
    FUZZ_CHECK(rc == 0 || rc == E_CORRUPT || rc == E_FORMAT || rc == E_NOMEM);
    FUZZ_CHECK(rc == 0 || err.text[0] != '\0');
    return rc;
}

static void replay_state(struct outbox *outbox)
{
    struct buf bytes;
    struct outbox state = {.writer = 7, .next_id = 1, .window_first = 1};
    buf_init(&bytes, 1000);
    FUZZ_CHECK(buf_append_u8(&bytes, 0x91) == 0);
    outbox_record_state(&state, &bytes);
    FUZZ_CHECK(replay(outbox, buf_span(&bytes)) == 0);
    buf_free(&bytes);
}

static uint64_t check_window(struct outbox *outbox)
{
    uint64_t pending = 0;
    for (uint64_t n = outbox->window_first; n < outbox_window_end(outbox); n++) {
        const struct entry *entry = outbox_window_at(outbox, n);
        FUZZ_CHECK(entry != NULL && entry->number == n);
        pending += entry->state == OUTBOX_PENDING ? 1 : 0;
    }
    return pending;
}

static void check_list(struct outbox *outbox)
{
    uint64_t last = 0;
    uint64_t cost = 0;
    uint64_t refused = 0;
    for (const struct entry *e = outbox->first; e != NULL; e = e->next) {
        FUZZ_CHECK(e->listed && e->id > last && e->id < outbox->next_id);
        FUZZ_CHECK(e->number == 0 || outbox_window_at(outbox, e->number) == e);
        last = e->id;
        cost += outbox_entry_cost(e);
        refused += e->state == OUTBOX_REFUSED ? 1 : 0;
    }
    FUZZ_CHECK(cost == outbox->used_bytes);
    FUZZ_CHECK(refused == outbox->refused);
    FUZZ_CHECK(check_window(outbox) == outbox->pending);
}

static int check_item(void *context, struct span path, const struct span *value, uint64_t time_ms,
                      struct err *err)
{
    (void)context;
    (void)time_ms;
    (void)err;
    FUZZ_CHECK(path.size > 0 && path.size <= PATH_MAX_BYTES);
    FUZZ_CHECK(value == NULL || value->size <= VALUE_MAX_BYTES);
    return 0;
}

static void check_visible(struct outbox *outbox)
{
    for (const struct entry *e = outbox->first; e != NULL; e = e->next) {
        struct owner owner;
        FUZZ_CHECK(owner_parse(&owner, e->text, NULL) == 0);
        for (size_t i = 0; i < e->write_count; i++) {
            bool removed = false;
            uint64_t time_ms = 0;
            int rc = outbox_lookup(outbox, &owner, e->writes[i].path, NULL, &removed, &time_ms);
            FUZZ_CHECK(rc == 0 || (rc == E_NOT_FOUND && !e->writes[i].shown));
        }
        FUZZ_CHECK(outbox_items(outbox, &owner, span_str(""), check_item, NULL, NULL) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct outbox *outbox = outbox_of_nothing();
    if ((data[0] & WITH_STATE) != 0) {
        replay_state(outbox);
    }
    if (replay(outbox, span_of(data + 1, size - 1)) == 0 && outbox->writer != 0) {
        check_list(outbox);
        check_visible(outbox);
    }
    outbox_close(&outbox);
    return 0;
}
