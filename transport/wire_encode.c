/* transport/wire_encode.c - writing messages. Reading them is in wire.c.
 *
 * What is written here is what wire_decode takes: limits are assertions, sentences are made fit.
 */
#include "transport/text.h"
#include "transport/wire.h"

static void begin(struct buf *out, enum wire_type type, uint64_t session, uint32_t fields)
{
    pack_array(out, 2 + fields);
    pack_u64(out, (uint64_t)type);
    pack_u64(out, session);
}

static void put_code(struct buf *out, int code)
{
    ASSERT(code <= 0);
    pack_u64(out, (uint64_t)-code);
}

static void put_text(struct buf *out, const char *text)
{
    char clean[WIRE_TEXT_MAX];
    pack_str(out, text_clean(text, clean, sizeof clean));
}

static void put_label(struct buf *out, struct span label)
{
    ASSERT(label.size <= WIRE_LABEL_MAX);
    ASSERT(text_is_printable(label));
    pack_str(out, label);
}

static void put_hash(struct buf *out, const uint8_t hash[SHA256_SIZE])
{
    pack_bin(out, span_of(hash, SHA256_SIZE));
}

static void put_history(struct buf *out, const uint8_t history[HISTORY_SIZE])
{
    pack_bin(out, span_of(history, HISTORY_SIZE));
}

void wire_put_hello(struct buf *out, const struct wire_hello *hello)
{
    begin(out, WIRE_HELLO, 0, 8);
    pack_u64(out, hello->version);
    pack_u64(out, hello->device);
    if (hello->has_history) {
        put_history(out, hello->history);
        pack_u64(out, hello->position.seq);
        put_hash(out, hello->position.hash);
    } else {
        pack_nil(out);
        pack_u64(out, 0);
        pack_nil(out);
    }
    pack_u64(out, hello->writer);
    put_label(out, hello->software);
    pack_u64(out, hello->window);
}

void wire_put_join(struct buf *out, const struct wire_join *join)
{
    begin(out, WIRE_JOIN, 0, 6);
    pack_u64(out, join->version);
    pack_bin(out, span_of(join->public_key, sizeof join->public_key));
    put_label(out, join->name);
    put_label(out, join->serial);
    put_label(out, join->model);
    put_label(out, join->software);
}

void wire_put_sign_in(struct buf *out, uint64_t session, uint64_t ref, struct span user,
                      const struct span *groups, size_t group_count, uint64_t bag_id)
{
    ASSERT(group_count <= WIRE_GROUPS_MAX);
    begin(out, WIRE_SIGN_IN, session, 4);
    pack_u64(out, ref);
    pack_str(out, user);
    pack_array(out, (uint32_t)group_count);
    for (size_t i = 0; i < group_count; i++) {
        pack_str(out, groups[i]);
    }
    pack_u64(out, bag_id);
}

void wire_put_sign_out(struct buf *out, uint64_t session, uint64_t ref, uint64_t bag_id)
{
    begin(out, WIRE_SIGN_OUT, session, 2);
    pack_u64(out, ref);
    pack_u64(out, bag_id);
}

void wire_put_follow(struct buf *out, uint64_t session, const struct wire_bag *bags, size_t count)
{
    ASSERT(count <= WIRE_BAGS_MAX);
    begin(out, WIRE_FOLLOW, session, 1);
    pack_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pack_array(out, 2);
        pack_u64(out, bags[i].bag_id);
        pack_u64(out, bags[i].cursor);
    }
}

void wire_put_unfollow(struct buf *out, uint64_t session, const uint64_t *bags, size_t count)
{
    ASSERT(count <= WIRE_BAGS_MAX);
    begin(out, WIRE_UNFOLLOW, session, 1);
    pack_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pack_u64(out, bags[i]);
    }
}

void wire_put_credit(struct buf *out, uint64_t session, uint64_t received)
{
    begin(out, WIRE_CREDIT, session, 1);
    pack_u64(out, received);
}

void wire_begin_write(struct buf *out, uint64_t session, uint64_t confirmed, uint32_t count)
{
    ASSERT(count <= WIRE_OPS_MAX);
    begin(out, WIRE_WRITE, session, 2);
    pack_u64(out, confirmed);
    pack_array(out, count);
}

void wire_put_heartbeat(struct buf *out, uint64_t session, const struct wire_heartbeat *beat)
{
    begin(out, WIRE_HEARTBEAT, session, 4);
    pack_u64(out, beat->seq);
    pack_u64(out, beat->current);
    pack_u64(out, beat->healed);
    pack_u64(out, beat->newest_bag);
}

void wire_put_bye(struct buf *out, uint64_t session)
{
    begin(out, WIRE_BYE, session, 0);
}

void wire_put_part(struct buf *out, uint64_t session, const struct wire_part *part)
{
    ASSERT(part->bytes.size > 0 && part->bytes.size <= WIRE_PART_BYTES);
    ASSERT(part->total <= WIRE_MESSAGE_MAX && part->bytes.size <= part->total);
    ASSERT(part->offset <= part->total - part->bytes.size);
    begin(out, WIRE_PART, session, 4);
    pack_u64(out, part->id);
    pack_u64(out, part->total);
    pack_u64(out, part->offset);
    pack_bin(out, part->bytes);
}

void wire_put_welcome(struct buf *out, uint64_t session, const struct wire_welcome *welcome)
{
    ASSERT(welcome->keep <= WIRE_KEEP_EVERYBODY);
    begin(out, WIRE_WELCOME, session, 12);
    pack_u64(out, welcome->version);
    put_history(out, welcome->history);
    pack_u64(out, welcome->head_seq);
    pack_u64(out, welcome->state);
    pack_u64(out, welcome->device);
    pack_u64(out, welcome->device_bag);
    pack_u64(out, welcome->fleet_bag);
    pack_u64(out, welcome->heartbeat_ms);
    pack_u64(out, welcome->window);
    pack_u64(out, welcome->keep);
    pack_bool(out, welcome->mirror);
    pack_u64(out, welcome->resume_seq);
}

void wire_put_joined(struct buf *out, uint64_t device, const uint8_t history[HISTORY_SIZE])
{
    begin(out, WIRE_JOINED, 0, 2);
    pack_u64(out, device);
    put_history(out, history);
}

static void put_owners(struct buf *out, const struct bag_row *bags, size_t count)
{
    pack_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pack_array(out, 5);
        pack_u64(out, bags[i].bag_id);
        pack_u64(out, (uint64_t)bags[i].owner.kind);
        pack_cstr(out, bags[i].owner.shown);
        pack_u64(out, bags[i].owner.device);
        pack_u64(out, bags[i].last_seq);
    }
}

void wire_put_signed_in(struct buf *out, uint64_t session, uint64_t ref, int code, const char *text,
                        const struct bag_row *bags, size_t count)
{
    ASSERT(count <= WIRE_BAGS_MAX);
    begin(out, WIRE_SIGNED_IN, session, 4);
    pack_u64(out, ref);
    put_code(out, code);
    put_text(out, text);
    put_owners(out, bags, count);
}

void wire_put_signed_out(struct buf *out, uint64_t session, uint64_t ref, int code,
                         const char *text)
{
    begin(out, WIRE_SIGNED_OUT, session, 3);
    pack_u64(out, ref);
    put_code(out, code);
    put_text(out, text);
}

void wire_begin_outcome(struct buf *out, uint64_t session, uint32_t count)
{
    ASSERT(count <= WIRE_OPS_UNANSWERED);
    begin(out, WIRE_OUTCOME, session, 1);
    pack_array(out, count);
}

void wire_put_outcome(struct buf *out, uint64_t number, int code, uint64_t seq, const char *text)
{
    pack_array(out, 4);
    pack_u64(out, number);
    put_code(out, code);
    pack_u64(out, seq);
    put_text(out, text);
}

void wire_put_outcome_split(struct buf *out, uint64_t number, uint64_t seq,
                            const struct wire_split *split)
{
    ASSERT(split->is && (split->device_bag == 0) == (split->device_seq == 0));
    pack_array(out, 7);
    pack_u64(out, number);
    put_code(out, 0);
    pack_u64(out, seq);
    put_text(out, NULL);
    pack_u64(out, split->device_bag);
    pack_u64(out, split->shared_seq);
    pack_u64(out, split->device_seq);
}

void wire_begin_live(struct buf *out, uint64_t session, const struct wire_position *position,
                     uint32_t count)
{
    begin(out, WIRE_LIVE, session, 3);
    pack_u64(out, position->seq);
    put_hash(out, position->hash);
    pack_array(out, count);
}

void wire_begin_page(struct buf *out, uint64_t session, uint64_t bag_id, uint64_t flags,
                     uint64_t since, uint64_t cursor, const struct wire_position *position,
                     uint32_t count)
{
    begin(out, WIRE_PAGE, session, 7);
    pack_u64(out, bag_id);
    pack_u64(out, flags);
    pack_u64(out, since);
    pack_u64(out, cursor);
    pack_u64(out, position->seq);
    put_hash(out, position->hash);
    pack_array(out, count);
}

void wire_put_row(struct buf *out, struct span path, const struct item_row *row)
{
    ASSERT(row->state != ITEM_ABSENT);
    pack_array(out, 6);
    pack_str(out, path);
    pack_u64(out, row->seq);
    pack_u64(out, row->time_ms);
    pack_u64(out, row->origin);
    pack_u64(out, row->conflict ? WIRE_ROW_CONFLICT : 0);
    if (row->state == ITEM_TOMBSTONE) {
        pack_nil(out);
    } else {
        pack_bin(out, row->value);
    }
}

void wire_put_bag(struct buf *out, uint64_t session, uint64_t bag_id, int code, uint64_t last_seq,
                  const char *text, const struct digest *digest)
{
    begin(out, WIRE_BAG, session, 5);
    pack_u64(out, bag_id);
    put_code(out, code);
    pack_u64(out, last_seq);
    put_text(out, text);
    if (digest == NULL) {
        pack_nil(out);
    } else {
        uint8_t bytes[DIGEST_SIZE];
        digest_put(digest, bytes);
        pack_bin(out, span_of(bytes, sizeof bytes));
    }
}

void wire_put_state(struct buf *out, uint64_t session, enum wire_state state)
{
    begin(out, WIRE_STATE, session, 1);
    pack_u64(out, (uint64_t)state);
}

void wire_put_error(struct buf *out, uint64_t session, int code, const char *text, bool fatal)
{
    begin(out, WIRE_ERROR, session, 3);
    put_code(out, code);
    put_text(out, text);
    pack_bool(out, fatal);
}

void wire_put_list(struct buf *out, uint64_t session, uint64_t after)
{
    begin(out, WIRE_LIST, session, 1);
    pack_u64(out, after);
}

void wire_put_mirror(struct buf *out, uint64_t session, const struct wire_mirror *mirror)
{
    ASSERT(!mirror->has_hash || mirror->seq != 0);
    begin(out, WIRE_MIRROR, session, 2);
    pack_u64(out, mirror->seq);
    if (mirror->has_hash) {
        put_hash(out, mirror->hash);
    } else {
        pack_nil(out);
    }
}

void wire_put_owners(struct buf *out, uint64_t session, int code, bool end,
                     const struct bag_row *bags, size_t count)
{
    ASSERT(count <= WIRE_OWNERS_MAX);
    begin(out, WIRE_OWNERS, session, 3);
    put_code(out, code);
    pack_bool(out, end);
    put_owners(out, bags, count);
}

void wire_put_mirroring(struct buf *out, uint64_t session, int code, uint64_t floor_seq,
                        const char *text)
{
    begin(out, WIRE_MIRRORING, session, 3);
    put_code(out, code);
    pack_u64(out, floor_seq);
    put_text(out, text);
}

void wire_put_batches(struct buf *out, uint64_t session, uint64_t head_seq, struct span bytes)
{
    ASSERT(bytes.size > 0);
    begin(out, WIRE_BATCHES, session, 2);
    pack_u64(out, head_seq);
    pack_bin(out, bytes);
}

bool wire_deferred(int code)
{
    return code == E_STOPPED || code == E_READ_ONLY || code == E_NOSPACE || code == E_BUSY ||
           code == E_DEFERRED;
}
