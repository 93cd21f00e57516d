/* journal/change.c - a change and its bytes. The format is described at the head of change.h. */
#include "journal/change.h"

#include <string.h>

#include <utf8proc.h>

enum {
    FIELDS_COMMON = 8, /* kind .. op */
    FIELDS_STREAM = 2, /* seq, time_ms */
    FIELDS_OP = 4,
    FIELDS_BODY_MAX = 5,
    FLAG_CONFLICT = 1,
};

size_t change_elements_max(size_t count)
{
    /* The array around them; of each the array itself, its fields, and op's. The stream's two
     * fields more never come with an op. */
    return 1 + count * (1 + FIELDS_COMMON + FIELDS_OP + FIELDS_BODY_MAX);
}

static uint32_t body_fields(enum change_kind kind)
{
    switch (kind) {
    case CHANGE_BAG_DELETE:
        return 0;
    case CHANGE_OP_VOID:
        return 1;
    case CHANGE_ITEM_REMOVE:
        return 3;
    case CHANGE_HISTORY:
    case CHANGE_ITEM_SET:
        return 4;
    case CHANGE_BAG_CREATE:
        break;
    }
    ASSERT(kind == CHANGE_BAG_CREATE);
    return FIELDS_BODY_MAX;
}

/* --- writing --- */

static void encode_op(struct buf *out, const struct change *change, enum change_form form)
{
    if (form == CHANGE_STREAM || !change->has_op) {
        pack_nil(out);
        return;
    }
    pack_array(out, FIELDS_OP);
    pack_u64(out, change->op.writer);
    pack_u64(out, change->op.number);
    pack_u64(out, change->op.hash);
    pack_u64(out, change->op.confirmed);
}

static void encode_old(struct buf *out, const struct change *change, enum change_form form)
{
    pack_u64(out, change->old_seq);
    if (form == CHANGE_STREAM || !change->has_old) {
        pack_nil(out);
        return;
    }
    ASSERT(change->old_value.size <= VALUE_MAX_BYTES);
    pack_bin(out, change->old_value);
}

static void encode_body(struct buf *out, const struct change *change, enum change_form form)
{
    switch (change->kind) {
    case CHANGE_HISTORY:
        pack_bin(out, span_of(change->history.id, HISTORY_SIZE));
        pack_bin(out, span_of(change->history.parent, HISTORY_SIZE));
        pack_u64(out, change->history.parent_seq);
        pack_bin(out, span_of(change->history.parent_hash, SHA256_SIZE));
        break;
    case CHANGE_BAG_CREATE:
        ASSERT(owner_kind_known((uint64_t)change->owner.kind));
        pack_u64(out, (uint64_t)change->owner.kind);
        pack_cstr(out, change->owner.shown);
        pack_cstr(out, change->owner.folded);
        pack_u64(out, change->owner.device);
        pack_u64(out, change->parent);
        break;
    case CHANGE_BAG_DELETE:
        break;
    case CHANGE_ITEM_SET:
        ASSERT(change->path.size > 0 && change->path.size <= PATH_MAX_BYTES);
        ASSERT(change->value.size <= VALUE_MAX_BYTES);
        pack_str(out, change->path);
        pack_bin(out, change->value);
        encode_old(out, change, form);
        break;
    case CHANGE_ITEM_REMOVE:
        ASSERT(change->path.size > 0 && change->path.size <= PATH_MAX_BYTES);
        pack_str(out, change->path);
        encode_old(out, change, form);
        break;
    case CHANGE_OP_VOID:
        pack_u64(out, change->code);
        break;
    }
}

void change_copy(struct change *to, const struct change *from)
{
    ASSERT(to != NULL && from != NULL);
    bool whole = from->kind == CHANGE_BAG_CREATE || from->kind == CHANGE_HISTORY;
    memcpy(to, from, whole ? sizeof *to : offsetof(struct change, owner));
}

void change_encode(struct buf *out, const struct change *change, enum change_form form)
{
    ASSERT(out != NULL);
    ASSERT(change != NULL);
    ASSERT(change->actor.size <= ACTOR_MAX_BYTES);
    bool stream = form == CHANGE_STREAM;
    uint32_t fields = FIELDS_COMMON + body_fields(change->kind);
    pack_array(out, stream ? fields + FIELDS_STREAM : fields);
    if (stream) {
        pack_u64(out, change->seq);
        pack_u64(out, change->time_ms);
    }
    pack_u64(out, (uint64_t)change->kind);
    pack_u64(out, change->bag_id);
    pack_u64(out, change->prev);
    pack_u64(out, change->origin);
    pack_str(out, stream ? (struct span){NULL, 0} : change->actor);
    pack_u64(out, change->set_left);
    pack_u64(out, change->conflict ? FLAG_CONFLICT : 0);
    encode_op(out, change, form);
    encode_body(out, change, form);
}

/* --- reading --- */

static int malformed(struct err *err, const char *what)
{
    return err_set(err, E_MALFORMED, "not a valid change: %s", what);
}

/* UTF-8 without control characters: NUL-ended copies and logs rely on it. */
static bool text_clean(struct span text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t size = utf8proc_iterate(at, (utf8proc_ssize_t)left, &point);
        if (size <= 0 || point < 0x20 || (point >= 0x7f && point <= 0x9f)) {
            return false;
        }
        at += size;
        left -= (size_t)size;
    }
    return true;
}

static bool name_clean(struct span name)
{
    return name.size > 0 && name.size <= NAME_MAX_BYTES && text_clean(name) &&
           memchr(name.data, '/', name.size) == NULL && memchr(name.data, ':', name.size) == NULL;
}

static int decode_op(struct walk *walk, enum change_form form, struct change *change,
                     struct err *err)
{
    if (walk_nil(walk)) {
        return 0;
    }
    const msgpack_object *object = walk_any(walk);
    if (object == NULL || form == CHANGE_STREAM) {
        return malformed(err, "its operation is not what it should be");
    }
    struct walk op = walk_array(object);
    change->has_op = true;
    change->op.writer = walk_u64(&op);
    change->op.number = walk_u64(&op);
    change->op.hash = walk_u64(&op);
    change->op.confirmed = walk_u64(&op);
    if (walk_end(&op, false) != 0 || change->op.writer == 0 || change->op.number == 0) {
        return malformed(err, "its operation is not what it should be");
    }
    return 0;
}

static int decode_history(struct walk *walk, struct change *change, struct err *err)
{
    walk_bytes(walk, change->history.id, HISTORY_SIZE);
    walk_bytes(walk, change->history.parent, HISTORY_SIZE);
    change->history.parent_seq = walk_u64(walk);
    walk_bytes(walk, change->history.parent_hash, SHA256_SIZE);
    if (walk_end(walk, false) != 0) {
        return malformed(err, "the body of a history is not what it should be");
    }
    return 0;
}

/* Which of name, device and parent an owner of this kind has. */
static bool owner_shape_ok(const struct change *change, struct span shown, struct span folded)
{
    const struct owner *owner = &change->owner;
    bool user_device = owner->kind == OWNER_USER_DEVICE;
    bool named = user_device || owner->kind == OWNER_USER || owner->kind == OWNER_GROUP;
    bool of_device = user_device || owner->kind == OWNER_DEVICE;
    bool names_ok =
        named ? name_clean(shown) && name_clean(folded) : shown.size == 0 && folded.size == 0;
    bool parent_ok =
        user_device ? change->parent > 0 && change->parent < change->seq : change->parent == 0;
    return names_ok && parent_ok && of_device == (owner->device != 0);
}

static int decode_create(struct walk *walk, struct change *change, struct err *err)
{
    uint64_t kind = walk_u64(walk);
    struct span shown = walk_str(walk);
    struct span folded = walk_str(walk);
    memset(&change->owner, 0, sizeof change->owner);
    change->owner.device = walk_u64(walk);
    change->parent = walk_u64(walk);
    if (walk_end(walk, false) != 0 || !owner_kind_known(kind)) {
        return malformed(err, "the body of a bag's creation is not what it should be");
    }
    change->owner.kind = (enum owner_kind)kind;
    if (!owner_shape_ok(change, shown, folded)) {
        return malformed(err, "the owner's name, device or parent is not what it should be");
    }
    if (shown.size > 0) {
        memcpy(change->owner.shown, shown.data, shown.size);
        memcpy(change->owner.folded, folded.data, folded.size);
    }
    return 0;
}

static int decode_item(struct walk *walk, enum change_form form, struct change *change,
                       struct err *err)
{
    change->path = walk_str(walk);
    if (change->kind == CHANGE_ITEM_SET) {
        change->value = walk_bin(walk);
    }
    change->old_seq = walk_u64(walk);
    if (!walk_nil(walk)) {
        change->has_old = true;
        change->old_value = walk_bin(walk);
    }
    if (walk_end(walk, false) != 0) {
        return malformed(err, "the body of an item's change is not what it should be");
    }
    if (path_check(change->path, NULL) != 0) {
        return malformed(err, "the item's path is not a valid one");
    }
    if (change->value.size > VALUE_MAX_BYTES || change->old_value.size > VALUE_MAX_BYTES) {
        return malformed(err, "a value is larger than 1 MiB");
    }
    if (change->old_seq >= change->seq || (change->has_old && change->old_seq == 0) ||
        (change->has_old && form == CHANGE_STREAM)) {
        return malformed(err, "what it replaces is not what it should be");
    }
    return 0;
}

static int decode_void(struct walk *walk, enum change_form form, struct change *change,
                       struct err *err)
{
    change->code = walk_u64(walk);
    if (walk_end(walk, false) != 0) {
        return malformed(err, "the body of an operation's outcome is not what it should be");
    }
    /* err_from_wire tells an unknown number by E_MALFORMED, which is a member of the list too. */
    if (change->code != -E_MALFORMED && err_from_wire(change->code) == E_MALFORMED) {
        return malformed(err, "the outcome's code is not one that this version knows");
    }
    if (form == CHANGE_JOURNAL && !change->has_op) {
        return malformed(err, "an outcome names no operation");
    }
    return 0;
}

/* The positions a change names lie before it, in the order in which they came to be. */
static int check_positions(const struct change *change, struct err *err)
{
    bool ok = false;
    switch (change->kind) {
    case CHANGE_HISTORY:
    case CHANGE_OP_VOID:
        ok = change->bag_id == 0 && change->prev == 0;
        break;
    case CHANGE_BAG_CREATE:
        ok = change->bag_id == change->seq && change->prev == 0;
        break;
    case CHANGE_BAG_DELETE:
    case CHANGE_ITEM_SET:
    case CHANGE_ITEM_REMOVE:
        ok = change->bag_id > 0 && change->bag_id <= change->prev && change->prev < change->seq;
        break;
    }
    return ok && change->seq > 0 ? 0 : malformed(err, "the seqs in it do not fit each other");
}

static int decode_body(struct walk *walk, enum change_form form, struct change *change,
                       struct err *err)
{
    switch (change->kind) {
    case CHANGE_HISTORY:
        return decode_history(walk, change, err);
    case CHANGE_BAG_CREATE:
        return decode_create(walk, change, err);
    case CHANGE_BAG_DELETE:
        return walk_end(walk, false) == 0 ? 0 : malformed(err, "a bag's deletion has a body");
    case CHANGE_ITEM_SET:
    case CHANGE_ITEM_REMOVE:
        return decode_item(walk, form, change, err);
    case CHANGE_OP_VOID:
        break;
    }
    return decode_void(walk, form, change, err);
}

static int decode_common(struct walk *walk, enum change_form form, struct change *change,
                         struct err *err)
{
    if (form == CHANGE_STREAM) {
        change->seq = walk_u64(walk);
        change->time_ms = walk_u64(walk);
    }
    uint64_t kind = walk_u64(walk);
    change->bag_id = walk_u64(walk);
    change->prev = walk_u64(walk);
    change->origin = walk_u64(walk);
    change->actor = walk_str(walk);
    change->set_left = (uint32_t)walk_u64_max(walk, UINT32_MAX);
    change->conflict = walk_u64_max(walk, FLAG_CONFLICT) == FLAG_CONFLICT;
    if (walk->error != 0) {
        return malformed(err, "a field is missing or of another type");
    }
    if (kind < CHANGE_HISTORY || kind > CHANGE_OP_VOID) {
        return malformed(err, "its kind is not one that this version knows");
    }
    change->kind = (enum change_kind)kind;
    if (change->actor.size > (form == CHANGE_STREAM ? 0 : ACTOR_MAX_BYTES) ||
        !text_clean(change->actor)) {
        return malformed(err, "its actor is not what it should be");
    }
    return decode_op(walk, form, change, err);
}

int change_decode(const msgpack_object *object, enum change_form form, struct change *out,
                  struct err *err)
{
    ASSERT(object != NULL);
    ASSERT(out != NULL);
    struct change change = {.seq = out->seq, .time_ms = out->time_ms};
    struct walk walk = walk_array(object);
    int rc = decode_common(&walk, form, &change, err);
    if (rc == 0) {
        rc = check_positions(&change, err);
    }
    if (rc == 0) {
        rc = decode_body(&walk, form, &change, err);
    }
    if (rc == 0) {
        *out = change;
    }
    return rc;
}
