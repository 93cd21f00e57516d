/* transport/wire.c - reading messages. Writing them is in wire_encode.c. */
#include "transport/wire.h"

#include <inttypes.h>
#include <string.h>

#include "transport/text.h"

/* Where reading has come to. `wrong` is the first rule that was broken, for the sentence; what
 * `walk` finds (a field is missing, is of another type, is left over) goes without. */
struct reader {
    struct walk walk;
    const char *wrong;
};

static void refuse(struct reader *reader, const char *why)
{
    if (reader->wrong == NULL) {
        reader->wrong = why;
    }
}

static struct span read_text(struct reader *reader, size_t max, const char *why)
{
    struct span text = walk_str(&reader->walk);
    if (text.size > max || !text_is_utf8(text)) {
        refuse(reader, why);
    }
    return text;
}

static struct span read_sentence(struct reader *reader)
{
    return read_text(reader, WIRE_TEXT_MAX, "a sentence is not UTF-8 of at most 384 bytes");
}

static struct span read_label(struct reader *reader)
{
    struct span label = read_text(reader, WIRE_LABEL_MAX, "a label is over 255 bytes");
    if (!text_is_printable(label)) {
        refuse(reader, "a label holds a control character");
    }
    return label;
}

static void read_position(struct reader *reader, struct wire_position *position)
{
    position->seq = walk_u64(&reader->walk);
    walk_bytes(&reader->walk, position->hash, SHA256_SIZE);
}

/* A list of at most `max` elements that `check` (may be NULL) finds right. */
static void read_list(struct reader *reader, size_t max, bool (*check)(const msgpack_object *),
                      struct wire_list *list)
{
    const msgpack_object *array = walk_any(&reader->walk);
    if (array == NULL || array->type != MSGPACK_OBJECT_ARRAY) {
        refuse(reader, "a list is missing");
        return;
    }
    if (array->via.array.size > max) {
        refuse(reader, "a list is longer than its limit");
        return;
    }
    for (size_t i = 0; check != NULL && i < array->via.array.size; i++) {
        if (!check(&array->via.array.ptr[i])) {
            refuse(reader, "an element of its list is not what it should be");
            return;
        }
    }
    *list = (struct wire_list){.array = array, .count = array->via.array.size};
}

/* --- elements of lists --- */

static int read_bag(const msgpack_object *object, struct wire_bag *bag)
{
    struct walk walk = walk_array(object);
    bag->bag_id = walk_u64(&walk);
    bag->cursor = walk_u64(&walk);
    return walk_end(&walk, false);
}

static int read_owner(const msgpack_object *object, struct wire_owner *owner)
{
    struct walk walk = walk_array(object);
    owner->bag_id = walk_u64(&walk);
    uint64_t kind = walk_u64(&walk);
    owner->shown = walk_str(&walk);
    owner->device = walk_u64(&walk);
    owner->last_seq = walk_u64(&walk);
    if (!owner_kind_known(kind) || owner->shown.size > NAME_MAX_BYTES ||
        !text_is_utf8(owner->shown)) {
        return E_MALFORMED;
    }
    owner->kind = (enum owner_kind)kind;
    return walk_end(&walk, false);
}

static int read_outcome(const msgpack_object *object, struct wire_outcome *outcome)
{
    struct walk walk = walk_array(object);
    outcome->number = walk_u64(&walk);
    outcome->code = walk_u64(&walk);
    outcome->seq = walk_u64(&walk);
    outcome->text = walk_str(&walk);
    if (outcome->text.size > WIRE_TEXT_MAX || !text_is_utf8(outcome->text)) {
        return E_MALFORMED;
    }
    struct wire_split *split = &outcome->split;
    split->is = walk.error == 0 && walk.left > 0;
    if (split->is) {
        split->device_bag = walk_u64(&walk);
        split->shared_seq = walk_u64(&walk);
        split->device_seq = walk_u64(&walk);
    }
    if (split->is && (outcome->code != 0 || (split->device_bag == 0) != (split->device_seq == 0) ||
                      split->shared_seq > outcome->seq || split->device_seq > outcome->seq)) {
        return E_MALFORMED;
    }
    return walk_end(&walk, false);
}

static int read_row(const msgpack_object *object, struct span *path, struct item_row *row)
{
    struct walk walk = walk_array(object);
    *path = walk_str(&walk);
    *row = (struct item_row){.state = ITEM_LIVE};
    row->seq = walk_u64(&walk);
    row->time_ms = walk_u64(&walk);
    row->origin = walk_u64(&walk);
    row->conflict = walk_u64_max(&walk, WIRE_ROW_CONFLICT) == WIRE_ROW_CONFLICT;
    if (walk_nil(&walk)) {
        row->state = ITEM_TOMBSTONE;
    } else {
        row->value = walk_bin(&walk);
    }
    int rc = walk_end(&walk, false);
    if (rc == 0 && (row->seq == 0 || row->value.size > VALUE_MAX_BYTES)) {
        rc = E_MALFORMED;
    }
    return rc == 0 && path_check(*path, NULL) != 0 ? E_MALFORMED : rc;
}

static bool is_bag(const msgpack_object *object)
{
    struct wire_bag bag;
    return read_bag(object, &bag) == 0;
}

static bool is_id(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
}

static bool is_str(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR;
}

static bool is_owner(const msgpack_object *object)
{
    struct wire_owner owner;
    return read_owner(object, &owner) == 0;
}

static bool is_outcome(const msgpack_object *object)
{
    struct wire_outcome outcome;
    return read_outcome(object, &outcome) == 0;
}

static bool is_row(const msgpack_object *object)
{
    struct span path;
    struct item_row row;
    return read_row(object, &path, &row) == 0;
}

static const msgpack_object *element(const struct wire_list *list, size_t i)
{
    ASSERT(i < list->count);
    return &list->array->via.array.ptr[i];
}

const msgpack_object *wire_object_at(const struct wire_list *list, size_t i)
{
    return element(list, i);
}

struct wire_bag wire_bag_at(const struct wire_list *list, size_t i)
{
    struct wire_bag bag = {0};
    int rc = read_bag(element(list, i), &bag);
    ASSERT(rc == 0);
    return bag;
}

uint64_t wire_id_at(const struct wire_list *list, size_t i)
{
    const msgpack_object *object = element(list, i);
    ASSERT(is_id(object));
    return object->via.u64;
}

struct span wire_group_at(const struct wire_list *list, size_t i)
{
    const msgpack_object *object = element(list, i);
    ASSERT(is_str(object));
    return span_of(object->via.str.ptr, object->via.str.size);
}

struct wire_owner wire_owner_at(const struct wire_list *list, size_t i)
{
    struct wire_owner owner = {0};
    int rc = read_owner(element(list, i), &owner);
    ASSERT(rc == 0);
    return owner;
}

struct wire_outcome wire_outcome_at(const struct wire_list *list, size_t i)
{
    struct wire_outcome outcome = {0};
    int rc = read_outcome(element(list, i), &outcome);
    ASSERT(rc == 0);
    return outcome;
}

void wire_row_at(const struct wire_list *list, size_t i, struct span *path, struct item_row *row)
{
    int rc = read_row(element(list, i), path, row);
    ASSERT(rc == 0);
}

/* --- messages --- */

/* Of another version than ours only the number is understood: what follows it may have changed. */
static bool read_version(struct reader *reader, uint64_t *version)
{
    *version = walk_u64(&reader->walk);
    if (reader->walk.error == 0 && *version != WIRE_VERSION) {
        reader->walk.left = 0;
        return false;
    }
    return true;
}

static void read_hello(struct reader *reader, struct wire_message *out)
{
    struct wire_hello *hello = &out->hello;
    if (!read_version(reader, &hello->version)) {
        return;
    }
    hello->device = walk_u64(&reader->walk);
    hello->has_history = !walk_nil(&reader->walk);
    if (hello->has_history) {
        walk_bytes(&reader->walk, hello->history, HISTORY_SIZE);
        read_position(reader, &hello->position);
    } else if (walk_u64(&reader->walk) != 0 || !walk_nil(&reader->walk)) {
        refuse(reader, "a position without a history");
    }
    hello->writer = walk_u64(&reader->walk);
    hello->software = read_label(reader);
    hello->window = walk_u64(&reader->walk);
}

static void read_join(struct reader *reader, struct wire_message *out)
{
    struct wire_join *join = &out->join;
    if (!read_version(reader, &join->version)) {
        return;
    }
    walk_bytes(&reader->walk, join->public_key, sizeof join->public_key);
    join->name = read_label(reader);
    join->serial = read_label(reader);
    join->model = read_label(reader);
    join->software = read_label(reader);
}

static void read_sign_in(struct reader *reader, struct wire_message *out)
{
    out->sign_in.ref = walk_u64(&reader->walk);
    out->sign_in.user = walk_str(&reader->walk);
    read_list(reader, WIRE_GROUPS_MAX, is_str, &out->sign_in.groups);
    out->sign_in.bag_id = walk_u64(&reader->walk);
}

static void read_sign_out(struct reader *reader, struct wire_message *out)
{
    out->sign_out.ref = walk_u64(&reader->walk);
    out->sign_out.bag_id = walk_u64(&reader->walk);
}

static void read_follow(struct reader *reader, struct wire_message *out)
{
    read_list(reader, WIRE_BAGS_MAX, is_bag, &out->follow.bags);
}

static void read_unfollow(struct reader *reader, struct wire_message *out)
{
    read_list(reader, WIRE_BAGS_MAX, is_id, &out->unfollow.bags);
}

static void read_credit(struct reader *reader, struct wire_message *out)
{
    out->credit.received = walk_u64(&reader->walk);
}

static void read_write(struct reader *reader, struct wire_message *out)
{
    out->write.confirmed = walk_u64(&reader->walk);
    read_list(reader, WIRE_OPS_MAX, NULL, &out->write.operations);
}

static void read_heartbeat(struct reader *reader, struct wire_message *out)
{
    out->heartbeat.seq = walk_u64(&reader->walk);
    out->heartbeat.current = walk_u64(&reader->walk);
    out->heartbeat.healed = walk_u64(&reader->walk);
    out->heartbeat.newest_bag = walk_u64(&reader->walk);
}

static void read_bye(struct reader *reader, struct wire_message *out)
{
    (void)reader;
    (void)out;
}

static void read_part(struct reader *reader, struct wire_message *out)
{
    struct wire_part *part = &out->part;
    part->id = walk_u64(&reader->walk);
    part->total = walk_u64(&reader->walk);
    part->offset = walk_u64(&reader->walk);
    part->bytes = walk_bin(&reader->walk);
    if (part->total > WIRE_MESSAGE_MAX) {
        refuse(reader, "the whole of it is over 4,160 KiB");
    } else if (part->bytes.size == 0 || part->bytes.size > WIRE_PART_BYTES) {
        refuse(reader, "it holds no bytes, or more than 61,440");
    } else if (part->offset >= part->total || part->bytes.size > part->total - part->offset) {
        refuse(reader, "its bytes do not lie within the whole");
    }
}

static void read_welcome(struct reader *reader, struct wire_message *out)
{
    struct wire_welcome *welcome = &out->welcome;
    if (!read_version(reader, &welcome->version)) {
        return;
    }
    walk_bytes(&reader->walk, welcome->history, HISTORY_SIZE);
    welcome->head_seq = walk_u64(&reader->walk);
    welcome->state = walk_u64(&reader->walk);
    welcome->device = walk_u64(&reader->walk);
    welcome->device_bag = walk_u64(&reader->walk);
    welcome->fleet_bag = walk_u64(&reader->walk);
    welcome->heartbeat_ms = walk_u64(&reader->walk);
    welcome->window = walk_u64(&reader->walk);
    welcome->keep = walk_u64_max(&reader->walk, WIRE_KEEP_EVERYBODY);
    welcome->mirror = walk_bool(&reader->walk);
    welcome->resume_seq = walk_u64(&reader->walk);
    if (welcome->state < WIRE_RUNNING || welcome->state > WIRE_READ_ONLY) {
        refuse(reader, "an unknown state");
    }
}

static void read_joined(struct reader *reader, struct wire_message *out)
{
    out->joined.device = walk_u64(&reader->walk);
    walk_bytes(&reader->walk, out->joined.history, HISTORY_SIZE);
}

static void read_signed_in(struct reader *reader, struct wire_message *out)
{
    out->signed_in.ref = walk_u64(&reader->walk);
    out->signed_in.code = walk_u64(&reader->walk);
    out->signed_in.text = read_sentence(reader);
    read_list(reader, WIRE_BAGS_MAX, is_owner, &out->signed_in.bags);
}

static void read_signed_out(struct reader *reader, struct wire_message *out)
{
    out->signed_out.ref = walk_u64(&reader->walk);
    out->signed_out.code = walk_u64(&reader->walk);
    out->signed_out.text = read_sentence(reader);
}

static void read_outcomes(struct reader *reader, struct wire_message *out)
{
    read_list(reader, WIRE_OPS_UNANSWERED, is_outcome, &out->outcome.entries);
}

static void read_live(struct reader *reader, struct wire_message *out)
{
    read_position(reader, &out->live.position);
    read_list(reader, WIRE_ELEMENTS_MAX, NULL, &out->live.changes);
}

static void read_page(struct reader *reader, struct wire_message *out)
{
    const uint64_t flags_max = WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE;
    out->page.bag_id = walk_u64(&reader->walk);
    out->page.flags = walk_u64_max(&reader->walk, flags_max);
    out->page.since = walk_u64(&reader->walk);
    out->page.cursor = walk_u64(&reader->walk);
    read_position(reader, &out->page.position);
    read_list(reader, WIRE_ELEMENTS_MAX, is_row, &out->page.rows);
}

static void read_bag_state(struct reader *reader, struct wire_message *out)
{
    out->bag.bag_id = walk_u64(&reader->walk);
    out->bag.code = walk_u64(&reader->walk);
    out->bag.last_seq = walk_u64(&reader->walk);
    out->bag.text = read_sentence(reader);
    out->bag.has_digest = !walk_nil(&reader->walk);
    if (out->bag.has_digest) {
        uint8_t bytes[DIGEST_SIZE];
        walk_bytes(&reader->walk, bytes, sizeof bytes);
        out->bag.digest = digest_get(bytes);
    }
}

static void read_state(struct reader *reader, struct wire_message *out)
{
    out->state.state = walk_u64(&reader->walk);
    if (out->state.state < WIRE_RUNNING || out->state.state > WIRE_READ_ONLY) {
        refuse(reader, "an unknown state");
    }
}

static void read_error(struct reader *reader, struct wire_message *out)
{
    out->error.code = walk_u64(&reader->walk);
    out->error.text = read_sentence(reader);
    out->error.fatal = walk_bool(&reader->walk);
}

static void read_bags_to_keep(struct reader *reader, struct wire_message *out)
{
    out->list.after = walk_u64(&reader->walk);
}

static void read_mirror(struct reader *reader, struct wire_message *out)
{
    out->mirror.seq = walk_u64(&reader->walk);
    out->mirror.has_hash = !walk_nil(&reader->walk);
    if (out->mirror.has_hash) {
        walk_bytes(&reader->walk, out->mirror.hash, SHA256_SIZE);
    }
    if (out->mirror.has_hash && out->mirror.seq == 0) {
        refuse(reader, "there is no hash before the first batch");
    }
}

static void read_owners(struct reader *reader, struct wire_message *out)
{
    out->owners.code = walk_u64(&reader->walk);
    out->owners.end = walk_bool(&reader->walk);
    read_list(reader, WIRE_OWNERS_MAX, is_owner, &out->owners.bags);
}

static void read_mirroring(struct reader *reader, struct wire_message *out)
{
    out->mirroring.code = walk_u64(&reader->walk);
    out->mirroring.floor_seq = walk_u64(&reader->walk);
    out->mirroring.text = read_sentence(reader);
}

static void read_batches(struct reader *reader, struct wire_message *out)
{
    out->batches.head_seq = walk_u64(&reader->walk);
    out->batches.bytes = walk_bin(&reader->walk);
    if (out->batches.bytes.size == 0) {
        refuse(reader, "it holds no batch");
    }
}

static const struct form {
    const char *name;
    void (*read)(struct reader *reader, struct wire_message *out);
    bool before_session; /* its session number is 0 */
} forms[WIRE_TYPES] = {
    [WIRE_HELLO] = {"HELLO", read_hello, true},
    [WIRE_JOIN] = {"JOIN", read_join, true},
    [WIRE_SIGN_IN] = {"SIGN_IN", read_sign_in, false},
    [WIRE_SIGN_OUT] = {"SIGN_OUT", read_sign_out, false},
    [WIRE_FOLLOW] = {"FOLLOW", read_follow, false},
    [WIRE_UNFOLLOW] = {"UNFOLLOW", read_unfollow, false},
    [WIRE_CREDIT] = {"CREDIT", read_credit, false},
    [WIRE_WRITE] = {"WRITE", read_write, false},
    [WIRE_HEARTBEAT] = {"HEARTBEAT", read_heartbeat, false},
    [WIRE_BYE] = {"BYE", read_bye, false},
    [WIRE_PART] = {"PART", read_part, false},
    [WIRE_WELCOME] = {"WELCOME", read_welcome, false},
    [WIRE_JOINED] = {"JOINED", read_joined, true},
    [WIRE_SIGNED_IN] = {"SIGNED_IN", read_signed_in, false},
    [WIRE_SIGNED_OUT] = {"SIGNED_OUT", read_signed_out, false},
    [WIRE_OUTCOME] = {"OUTCOME", read_outcomes, false},
    [WIRE_LIVE] = {"LIVE", read_live, false},
    [WIRE_PAGE] = {"PAGE", read_page, false},
    [WIRE_BAG] = {"BAG", read_bag_state, false},
    [WIRE_STATE] = {"STATE", read_state, false},
    [WIRE_ERROR] = {"ERROR", read_error, false},
    [WIRE_LIST] = {"LIST", read_bags_to_keep, false},
    [WIRE_MIRROR] = {"MIRROR", read_mirror, false},
    [WIRE_OWNERS] = {"OWNERS", read_owners, false},
    [WIRE_MIRRORING] = {"MIRRORING", read_mirroring, false},
    [WIRE_BATCHES] = {"BATCHES", read_batches, false},
};

/* The sentence for bytes that the guard refused. */
static int refuse_bytes(int rc, struct err *err)
{
    if (rc == E_TOO_LARGE) {
        return err_set(err, rc, "a message is nested deeper than 8, or has over 200,000 elements");
    }
    if (rc == E_MALFORMED) {
        return err_set(err, rc, "a message is not one whole msgpack object of the types we use");
    }
    return err_set(err, rc, "no memory to read a message");
}

static int read_message(struct reader *reader, struct wire_message *message, struct err *err)
{
    uint64_t type = walk_u64(&reader->walk);
    if (reader->walk.error != 0 || type >= WIRE_TYPES || forms[type].name == NULL) {
        return err_set(err, E_MALFORMED, "a message is of no known type");
    }
    const struct form *form = &forms[type];
    message->type = (enum wire_type)type;
    message->session = walk_u64(&reader->walk);
    form->read(reader, message);
    if (form->before_session && message->session != 0) {
        refuse(reader, "it comes before a session has a number");
    }
    if (walk_end(&reader->walk, false) != 0) {
        return err_set(err, E_MALFORMED, "a field of a %s is missing, of another type or too many",
                       form->name);
    }
    if (reader->wrong != NULL) {
        return err_set(err, E_MALFORMED, "a %s is not valid: %s", form->name, reader->wrong);
    }
    return 0;
}

int wire_decode(struct span bytes, struct unpacked *scratch, struct wire_message *out,
                struct err *err)
{
    ASSERT(scratch != NULL);
    ASSERT(out != NULL);
    if (bytes.size > WIRE_MESSAGE_MAX) {
        return err_set(err, E_TOO_LARGE, "a message is over 4,160 KiB");
    }
    int rc = unpack_open(scratch, bytes, WIRE_ELEMENTS_MAX);
    if (rc != 0) {
        return refuse_bytes(rc, err);
    }
    struct reader reader = {.walk = walk_array(&scratch->root)};
    struct wire_message message = {0};
    rc = read_message(&reader, &message, err);
    if (rc == 0) {
        *out = message;
    }
    return rc;
}
