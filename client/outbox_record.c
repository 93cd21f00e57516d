/* client/outbox_record.c - the records of an outbox's file.
 *
 * A segment of the purpose "outbox"; the payload of each batch is a msgpack array of records, each
 * an array that begins with its kind (codes are positive numbers of base/err.h):
 *
 *   STATE    [0, format, writer, next id, first number, sending, sent_max]   first in a file
 *   ADD      [1, id, time_ms, owner text, operation bytes]    an operation; its number is the next
 *   OUTCOME  [2, number, code, seq, sentence]
 *            of one that was split between a user's bag and that of the user on this device:
 *            [..., device_bag, shared_seq, device_seq]: what each cursor has to pass, 0: nothing
 *   FORGET   [3, id]                                          a refused write was dropped
 *   EMPTY    [4, number]                                      a pending one, before it was sent
 *   MADE     [5, id, bag_id, code, from, owner text]          the CREATE `id` was answered; its
 *            writes from number `from` on were never sent and name the bag, or are refused
 *   OLD      [6, id, time_ms, owner text, operation bytes, state, bag_id, seq, code, sentence]
 *            an operation without a number, in a file that was made small; split as in OUTCOME
 *   SENDING  [7, sending, sent_max]     true: any number may be sent; false: up to sent_max was
 */
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "client/outbox_inside.h"

enum record {
    RECORD_STATE,
    RECORD_ADD,
    RECORD_OUTCOME,
    RECORD_FORGET,
    RECORD_EMPTY,
    RECORD_MADE,
    RECORD_OLD,
    RECORD_SENDING,
};

enum { SPLIT_FIELDS = 3 };

enum { ELEMENTS_MAX = 4 << 20 };

/* --- writing --- */

static void begin(struct buf *out, enum record record, uint32_t fields)
{
    pack_array(out, fields + 1);
    pack_u64(out, (uint64_t)record);
}

void outbox_record_state(const struct outbox *outbox, struct buf *out)
{
    begin(out, RECORD_STATE, 6);
    pack_u64(out, OUTBOX_FORMAT);
    pack_u64(out, outbox->writer);
    pack_u64(out, outbox->next_id);
    pack_u64(out, outbox->window_first);
    pack_bool(out, outbox->sending);
    pack_u64(out, outbox->sent_max);
}

static void put_operation(const struct entry *entry, struct buf *out)
{
    pack_u64(out, entry->id);
    pack_u64(out, entry->time_ms);
    pack_cstr(out, entry->text);
    pack_bin(out, span_of(entry->bytes, entry->size));
}

void outbox_record_add(const struct entry *entry, struct buf *out)
{
    begin(out, RECORD_ADD, 4);
    put_operation(entry, out);
}

static void put_split(const struct outbox_answer *answer, struct buf *out)
{
    if (answer->split) {
        pack_u64(out, answer->device_bag);
        pack_u64(out, answer->shared_seq);
        pack_u64(out, answer->device_seq);
    }
}

struct outbox_answer outbox_answer_of(const struct entry *entry, uint64_t number)
{
    return (struct outbox_answer){
        .number = number,
        .code = entry->code,
        .seq = entry->seq,
        .text = span_str(entry->why != NULL ? entry->why : ""),
        .split = entry->state == OUTBOX_ACKED && entry->split,
        .device_bag = entry->device_bag,
        .shared_seq = entry->shared_seq,
        .device_seq = entry->device_seq,
    };
}

void outbox_record_outcome(const struct outbox_answer *answer, struct buf *out)
{
    begin(out, RECORD_OUTCOME, 4 + (answer->split ? SPLIT_FIELDS : 0));
    pack_u64(out, answer->number);
    pack_u64(out, (uint64_t)-answer->code);
    pack_u64(out, answer->seq);
    pack_str(out, answer->text);
    put_split(answer, out);
}

void outbox_record_forget(uint64_t id, struct buf *out)
{
    begin(out, RECORD_FORGET, 1);
    pack_u64(out, id);
}

void outbox_record_empty(uint64_t number, struct buf *out)
{
    begin(out, RECORD_EMPTY, 1);
    pack_u64(out, number);
}

void outbox_record_made(const struct made *made, uint64_t from, struct buf *out)
{
    begin(out, RECORD_MADE, 5);
    pack_u64(out, made->id);
    pack_u64(out, made->bag_id);
    pack_u64(out, (uint64_t)-made->code);
    pack_u64(out, from);
    pack_cstr(out, made->text);
}

void outbox_record_old(const struct entry *entry, struct buf *out)
{
    struct outbox_answer answer = outbox_answer_of(entry, 0);
    begin(out, RECORD_OLD, 9 + (answer.split ? SPLIT_FIELDS : 0));
    put_operation(entry, out);
    pack_u64(out, (uint64_t)entry->state);
    pack_u64(out, entry->bag_id);
    pack_u64(out, entry->seq);
    pack_u64(out, (uint64_t)-entry->code);
    pack_cstr(out, entry->why != NULL ? entry->why : "");
    put_split(&answer, out);
}

void outbox_record_sending(bool sending, uint64_t sent_max, struct buf *out)
{
    begin(out, RECORD_SENDING, 2);
    pack_bool(out, sending);
    pack_u64(out, sent_max);
}

/* --- reading --- */

static int wrong(const struct outbox *outbox, const char *what, struct err *err)
{
    return err_set(err, E_CORRUPT,
                   "the outbox '%s' is damaged: %s. Move the file away to go on without the writes "
                   "in it, and keep it: they may be recovered",
                   outbox->path, what);
}

static int code_at(struct walk *walk)
{
    return -(int)walk_u64_max(walk, 10000);
}

static int replay_state(struct outbox *outbox, struct walk *walk, struct err *err)
{
    uint64_t format = walk_u64(walk);
    if (walk->error == 0 && format > OUTBOX_FORMAT) {
        return err_set(err, E_FORMAT,
                       "the outbox '%s' has format %llu, this version knows %d: use the newer "
                       "kitbag that made it",
                       outbox->path, (unsigned long long)format, OUTBOX_FORMAT);
    }
    outbox->rewrite = format < OUTBOX_FORMAT; /* before anything is added in today's form */
    outbox->writer = walk_u64(walk);
    outbox->next_id = walk_u64(walk);
    outbox->window_first = walk_u64(walk);
    outbox->sending = walk_bool(walk);
    outbox->sent_max = walk_u64(walk);
    bool good = walk_end(walk, false) == 0 && outbox->writer != 0 && outbox->next_id != 0 &&
                outbox->window_first != 0 && outbox->window_count == 0;
    return good ? 0 : wrong(outbox, "its first record is not valid", err);
}

/* Who made a bag that has no number of its own yet: the CREATE with this number. */
static void find_maker(struct outbox *outbox, struct entry *entry)
{
    struct unpacked unpacked = {0};
    struct operation operation;
    if (entry->kind != OPERATION_WRITE || entry->bag_id != 0 ||
        unpack_open(&unpacked, span_of(entry->bytes, entry->size), ELEMENTS_MAX) != 0) {
        unpack_close(&unpacked);
        return;
    }
    if (operation_decode(&unpacked.root, &operation, NULL) == 0) {
        struct entry *maker = outbox_window_at(outbox, operation.made_by);
        if (maker != NULL && maker->kind == OPERATION_CREATE) {
            const struct made *made = outbox_made_find(outbox, maker->id);
            entry->made_id = maker->id;
            entry->bag_id = made != NULL && made->code == 0 ? made->bag_id : 0;
            maker->refs++;
        }
    }
    unpack_close(&unpacked);
}

static int read_operation(struct outbox *outbox, struct walk *walk, struct entry **out,
                          struct err *err)
{
    uint64_t id = walk_u64(walk);
    uint64_t time_ms = walk_u64(walk);
    struct span text = walk_str(walk);
    struct span bytes = walk_bin(walk);
    char name[OWNER_TEXT_MAX] = "";
    struct owner owner;
    if (walk->error != 0 || text.size >= sizeof name || (id == 0) != (text.size == 0)) {
        return wrong(outbox, "an operation's record is not valid", err);
    }
    if (text.size > 0) {
        memcpy(name, text.data, text.size);
    }
    if (id != 0 && owner_parse(&owner, name, NULL) != 0) {
        return wrong(outbox, "an operation's owner is not valid", err);
    }
    int rc = outbox_entry_new(out, id != 0 ? &owner : NULL, bytes, err);
    if (rc == E_NOMEM) {
        return rc;
    }
    if (rc != 0) {
        return wrong(outbox, "an operation can't be read", err);
    }
    (*out)->id = id;
    (*out)->time_ms = time_ms;
    return 0;
}

static void note_id(struct outbox *outbox, uint64_t id)
{
    if (id >= outbox->next_id) {
        outbox->next_id = id + 1;
    }
}

static int replay_add(struct outbox *outbox, struct walk *walk, struct err *err)
{
    struct entry *entry = NULL;
    int rc = read_operation(outbox, walk, &entry, err);
    if (rc != 0) {
        return rc;
    }
    if (walk_end(walk, false) != 0 || entry->number != outbox_window_end(outbox) ||
        outbox_by_id(outbox, entry->id) != NULL) {
        outbox_entry_free(&entry);
        return wrong(outbox, "an operation is not in its place", err);
    }
    if (outbox_window_reserve(outbox) != 0) {
        outbox_entry_free(&entry);
        return err_set(err, E_NOMEM, "open '%s': out of memory", outbox->path);
    }
    outbox_window_push(outbox, entry);
    outbox->pending++;
    if (entry->id != 0) {
        note_id(outbox, entry->id);
        outbox_list_add(outbox, entry);
        find_maker(outbox, entry);
        outbox_show(outbox, entry);
    }
    return 0;
}

/* What may stand at the end of an answer. */
static void read_split(struct walk *walk, struct outbox_answer *answer)
{
    answer->split = walk->error == 0 && walk->left > 0;
    if (answer->split) {
        answer->device_bag = walk_u64(walk);
        answer->shared_seq = walk_u64(walk);
        answer->device_seq = walk_u64(walk);
    }
}

static int replay_old(struct outbox *outbox, struct walk *walk, struct err *err)
{
    struct outbox_answer answer = {.number = 0};
    struct entry *entry = NULL;
    int rc = read_operation(outbox, walk, &entry, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t state = walk_u64(walk);
    entry->number = 0;
    entry->bag_id = walk_u64(walk);
    answer.seq = walk_u64(walk);
    entry->code = code_at(walk);
    struct span why = walk_str(walk);
    read_split(walk, &answer);
    outbox_await(entry, &answer);
    if (walk_end(walk, false) != 0 || entry->id == 0 ||
        (state != OUTBOX_ACKED && state != OUTBOX_REFUSED) ||
        outbox_by_id(outbox, entry->id) != NULL) {
        outbox_entry_free(&entry);
        return wrong(outbox, "an old operation's record is not valid", err);
    }
    entry->state = (enum outbox_state)state;
    entry->why = span_dup(why);
    note_id(outbox, entry->id);
    outbox_list_add(outbox, entry);
    if (entry->state == OUTBOX_ACKED) {
        outbox_show(outbox, entry);
    } else {
        outbox->refused++;
    }
    return 0;
}

/* Repeats are fine: a file that was made small may be followed by records that it holds already. */
static int replay_outcome(struct outbox *outbox, struct walk *walk, struct err *err)
{
    struct outbox_answer answer = {.number = walk_u64(walk)};
    answer.code = code_at(walk);
    answer.seq = walk_u64(walk);
    answer.text = walk_str(walk);
    read_split(walk, &answer);
    if (walk_end(walk, false) != 0) {
        return wrong(outbox, "an outcome's record is not valid", err);
    }
    struct entry *entry = outbox_window_at(outbox, answer.number);
    if (entry != NULL && entry->state == OUTBOX_PENDING) {
        outbox_settle(outbox, entry, &answer);
    }
    return 0;
}

static bool is_owner(struct span text)
{
    char name[OWNER_TEXT_MAX] = "";
    struct owner owner;
    if (text.size == 0 || text.size >= sizeof name) {
        return false;
    }
    memcpy(name, text.data, text.size);
    return owner_parse(&owner, name, NULL) == 0;
}

static int replay_made(struct outbox *outbox, struct walk *walk, struct err *err)
{
    uint64_t id = walk_u64(walk);
    uint64_t bag_id = walk_u64(walk);
    int code = code_at(walk);
    uint64_t from = walk_u64(walk);
    struct span text = walk_str(walk);
    struct entry *entry = outbox_by_id(outbox, id);
    bool has_bag = code == 0 || code == E_BAG_EXISTS;
    if (walk_end(walk, false) != 0 || id == 0 || !is_owner(text) || (has_bag && bag_id == 0) ||
        (entry != NULL && entry->kind != OPERATION_CREATE)) {
        return wrong(outbox, "a made bag's record is not valid", err);
    }
    if (entry != NULL) {
        entry->bag_id = bag_id;
    }
    return outbox_settle_made(outbox, id, text, bag_id, code, from, err);
}

static int replay_forget(struct outbox *outbox, struct walk *walk, struct err *err)
{
    uint64_t id = walk_u64(walk);
    if (walk_end(walk, false) != 0) {
        return wrong(outbox, "a record is not valid", err);
    }
    struct entry *entry = outbox_by_id(outbox, id);
    if (entry != NULL && entry->state == OUTBOX_REFUSED) {
        outbox->refused--;
        entry->settled = true;
        if (entry->number == 0) {
            outbox_forget(outbox, entry);
        } else {
            outbox_list_remove(outbox, entry);
        }
    }
    return 0;
}

static int replay_empty(struct outbox *outbox, struct walk *walk, struct err *err)
{
    uint64_t number = walk_u64(walk);
    if (walk_end(walk, false) != 0) {
        return wrong(outbox, "a record is not valid", err);
    }
    struct entry *entry = outbox_window_at(outbox, number);
    bool pending = entry != NULL && entry->id != 0 && entry->state == OUTBOX_PENDING;
    return pending ? outbox_empty_unsent(outbox, entry, err) : 0;
}

static int replay_sending(struct outbox *outbox, struct walk *walk, struct err *err)
{
    outbox->sending = walk_bool(walk);
    outbox->sent_max = walk_u64(walk);
    return walk_end(walk, false) == 0 ? 0 : wrong(outbox, "a record is not valid", err);
}

static int replay_one(struct outbox *outbox, const msgpack_object *object, struct err *err)
{
    struct walk walk = walk_array(object);
    uint64_t record = walk_u64(&walk);
    if (walk.error == 0 && (record == RECORD_STATE) != (outbox->writer == 0)) {
        return wrong(outbox, "its first record is not its state", err);
    }
    switch (walk.error == 0 ? record : UINT64_MAX) {
    case RECORD_STATE:
        return replay_state(outbox, &walk, err);
    case RECORD_ADD:
        return replay_add(outbox, &walk, err);
    case RECORD_OUTCOME:
        return replay_outcome(outbox, &walk, err);
    case RECORD_FORGET:
        return replay_forget(outbox, &walk, err);
    case RECORD_EMPTY:
        return replay_empty(outbox, &walk, err);
    case RECORD_MADE:
        return replay_made(outbox, &walk, err);
    case RECORD_OLD:
        return replay_old(outbox, &walk, err);
    case RECORD_SENDING:
        return replay_sending(outbox, &walk, err);
    default:
        return wrong(outbox, "it holds a record of a kind that this version does not know", err);
    }
}

int outbox_replay(void *context, const struct batch *batch, struct err *err)
{
    struct outbox *outbox = context;
    struct unpacked unpacked = {0};
    int rc = batch->clean_stop ? 0 : unpack_open(&unpacked, batch->payload, ELEMENTS_MAX);
    if (rc == E_NOMEM) {
        return err_set(err, rc, "open '%s': out of memory", outbox->path);
    }
    if (rc != 0 || (!batch->clean_stop && unpacked.root.type != MSGPACK_OBJECT_ARRAY)) {
        unpack_close(&unpacked);
        return wrong(outbox, "a batch can't be read", err);
    }
    for (uint32_t i = 0; rc == 0 && !batch->clean_stop && i < unpacked.root.via.array.size; i++) {
        rc = replay_one(outbox, &unpacked.root.via.array.ptr[i], err);
    }
    unpack_close(&unpacked);
    return rc;
}
