/* tests/client/toy_write.h - what the toy server of toy.h does with operations. */
#ifndef KITBAG_TESTS_CLIENT_TOY_WRITE_H
#define KITBAG_TESTS_CLIENT_TOY_WRITE_H

#include "tests/client/toy_state.h"

static inline bool toy_may_read(struct toy *toy, const struct toy_bag *bag)
{
    return bag->owner.kind != OWNER_USER || toy->keep == WIRE_KEEP_EVERYBODY ||
           toy_is_signed_in(toy, bag->bag_id);
}

static inline int toy_do_create(struct toy *toy, const struct operation *op, uint64_t *seq)
{
    char path[64];
    struct toy_bag *bag = toy_bag_of(toy, &op->owner);
    if (wire_deferred(toy->write_code)) {
        return toy->write_code;
    }
    if (bag != NULL) {
        *seq = bag->bag_id;
        return E_BAG_EXISTS;
    }
    bag = toy_create(toy, &op->owner);
    *seq = bag->bag_id;
    if (op->owner.kind == OWNER_USER) {
        struct span name = span_str(op->owner.shown);
        toy_user_path(path, bag->bag_id);
        (void)toy_put(toy, toy_device_bag(toy), span_str(path), &name);
    }
    return 0;
}

static inline bool toy_has_flag(const struct toy_bag *bag, const struct operation_write *write)
{
    return bag->owner.kind == OWNER_USER && write->path.size > 5 &&
           memcmp(write->path.data, "copy/", 5) == 0;
}

/* One that was written as a machine's own is not to be shared. */
static inline bool toy_is_other_now(const struct toy *toy, const struct toy_bag *bag,
                                    const struct operation *op)
{
    bool other = false;
    for (size_t i = 0; i < op->write_count; i++) {
        struct operation_write write;
        assert_int_equal(operation_write_at(op, i, &write), 0);
        other |= write.device && !(toy->own_copies && toy_has_flag(bag, &write));
    }
    return other;
}

static inline struct toy_bag *toy_own_bag(struct toy *toy, const struct toy_bag *user)
{
    struct owner owner = user->owner;
    owner.kind = OWNER_USER_DEVICE;
    owner.device = TOY_DEVICE;
    struct toy_bag *bag = toy_bag_of(toy, &owner);
    return bag != NULL ? bag : toy_create(toy, &owner);
}

/* The shared ones first. */
static inline void toy_put_all(struct toy *toy, struct toy_bag *bag, const struct operation *op,
                               uint64_t *seq)
{
    for (size_t i = 0; i < 2 * op->write_count; i++) {
        struct operation_write write;
        assert_int_equal(operation_write_at(op, i % op->write_count, &write), 0);
        bool own = toy->own_copies && toy_has_flag(bag, &write);
        if (own != (i >= op->write_count)) {
            continue;
        }
        struct toy_bag *into = own ? toy_own_bag(toy, bag) : bag;
        if (own) {
            toy->outcomes[op->number].user_bag = bag->bag_id;
            toy->outcomes[op->number].device_bag = into->bag_id;
        }
        *seq = toy_put(toy, into, write.path, write.remove ? NULL : &write.value);
    }
}

static inline uint64_t toy_part_at(struct toy *toy, uint64_t bag_id, uint64_t seq)
{
    const struct toy_bag *bag = toy_bag(toy, bag_id);
    return bag == NULL ? 0 : bag->last_seq < seq ? bag->last_seq : seq;
}

static inline void toy_outcome(struct toy *toy, uint64_t number, struct buf *out)
{
    int code = toy->outcomes[number].code;
    uint64_t seq = toy->outcomes[number].seq;
    uint64_t device_bag = toy->outcomes[number].device_bag;
    struct wire_split split = {.is = true};
    if (device_bag == 0 || code != 0) {
        wire_put_outcome(out, number, code, seq, code != 0 ? "the toy says no" : "");
        return;
    }
    split.device_bag = toy_bag(toy, device_bag) != NULL ? device_bag : 0;
    split.shared_seq = toy_part_at(toy, toy->outcomes[number].user_bag, seq);
    split.device_seq = toy_part_at(toy, device_bag, seq);
    if (toy->hurries) {
        split = (struct wire_split){.is = true};
    }
    wire_put_outcome_split(out, number, seq, &split);
}

static inline int toy_do_write(struct toy *toy, const struct operation *op, uint64_t *seq)
{
    uint64_t bag_id = op->bag_id;
    if (toy->write_code != 0) {
        return toy->write_code;
    }
    if (bag_id == 0) {
        if (toy->outcomes[op->made_by].code != 0) {
            return toy->outcomes[op->made_by].code;
        }
        bag_id = toy->outcomes[op->made_by].seq;
    }
    struct toy_bag *bag = toy_bag(toy, bag_id);
    if (bag == NULL) {
        return E_BAG_GONE;
    }
    bool signed_in = bag->owner.kind != OWNER_USER || toy_is_signed_in(toy, bag->bag_id);
    if (!toy_may_read(toy, bag) || (toy->only_signed_in && !signed_in)) {
        return E_NOT_ALLOWED;
    }
    if (toy_is_other_now(toy, bag, op)) {
        return E_SHARING_CHANGED;
    }
    toy_put_all(toy, bag, op, seq);
    return 0;
}

static inline bool toy_operation(struct toy *toy, const msgpack_object *object, struct buf *out)
{
    struct operation op;
    uint64_t seq = 0;
    assert_int_equal(operation_decode(object, &op, NULL), 0);
    if (toy->wrong_writer) {
        toy->wrong_writer = false;
        wire_put_outcome(out, op.number, E_WRITER, 0, "the toy knows other numbers");
        return true;
    }
    if (op.number <= toy->highest) {
        toy_outcome(toy, op.number, out);
        return true;
    }
    if (op.number != toy->highest + 1) { /* behind one that was deferred */
        wire_put_outcome(out, op.number, E_DEFERRED, 0, "one before it is deferred");
        return true;
    }
    toy->outcomes[op.number].device_bag = 0;
    int code = op.kind == OPERATION_CREATE  ? toy_do_create(toy, &op, &seq)
               : op.kind == OPERATION_WRITE ? toy_do_write(toy, &op, &seq)
                                            : E_DROPPED;
    if (!wire_deferred(code)) {
        toy->highest = op.number;
        toy->outcomes[op.number].code = code;
        toy->outcomes[op.number].seq = seq;
        toy->writes++;
        toy_outcome(toy, op.number, out);
    } else {
        wire_put_outcome(out, op.number, code, seq, "the toy says no");
    }
    return true;
}

static inline void toy_write(struct toy *toy, struct toy_peer *peer,
                             const struct wire_list *operations)
{
    for (size_t i = 0; i < operations->count; i++) {
        struct buf out;
        buf_init(&out, WIRE_FRAME_MAX);
        wire_begin_outcome(&out, peer->session, 1);
        (void)toy_operation(toy, wire_object_at(operations, i), &out);
        toy_send(toy, peer, &out);
    }
}

#endif
