/* kv/key.c - keys of the state's rows, put together and taken apart. */
#include "kv/key.h"

#include <string.h>

static struct kv_key key_of(char letter)
{
    return (struct kv_key){.size = 1, .data = {(uint8_t)letter}};
}

static void add_u64(struct kv_key *key, uint64_t number)
{
    ASSERT(key->size + 8 <= sizeof key->data);
    put_be64(key->data + key->size, number);
    key->size += 8;
}

static void add_bytes(struct kv_key *key, struct span bytes)
{
    ASSERT(bytes.size <= sizeof key->data - key->size);
    if (bytes.size > 0) {
        memcpy(key->data + key->size, bytes.data, bytes.size);
        key->size += bytes.size;
    }
}

static struct kv_key key_of_number(char letter, uint64_t number)
{
    struct kv_key key = key_of(letter);
    add_u64(&key, number);
    return key;
}

struct kv_key kv_key_bags(void)
{
    return key_of('B');
}

struct kv_key kv_key_graves(void)
{
    return key_of('G');
}

struct kv_key kv_key_doomed_all(void)
{
    return key_of('D');
}

struct kv_key kv_key_tombstones(void)
{
    return key_of('T');
}

struct kv_key kv_key_format(void)
{
    return key_of('F');
}

struct kv_key kv_key_mark(void)
{
    return key_of('M');
}

struct kv_key kv_key_bag(uint64_t bag_id)
{
    return key_of_number('B', bag_id);
}

struct kv_key kv_key_grave(uint64_t bag_id)
{
    return key_of_number('G', bag_id);
}

struct kv_key kv_key_named_graves(const struct owner *owner)
{
    struct owner named = *owner; /* device-specific bags are found with the user's */
    named.kind = owner->kind == OWNER_USER_DEVICE ? OWNER_USER : owner->kind;
    struct kv_key key = kv_key_owner(&named);
    key.data[0] = 'N';
    key.data[key.size++] = 0; /* so that 'ann' does not begin 'anna' */
    return key;
}

struct kv_key kv_key_named_grave(const struct owner *owner, uint64_t bag_id)
{
    struct kv_key key = kv_key_named_graves(owner);
    add_u64(&key, bag_id);
    return key;
}

struct kv_key kv_key_doomed(uint64_t seq)
{
    return key_of_number('D', seq);
}

struct kv_key kv_key_tombstone(uint64_t seq)
{
    return key_of_number('T', seq);
}

struct kv_key kv_key_writer(uint64_t writer)
{
    return key_of_number('W', writer);
}

struct kv_key kv_key_outcome(uint64_t writer, uint64_t number)
{
    struct kv_key key = key_of_number('Q', writer);
    add_u64(&key, number);
    return key;
}

struct kv_key kv_key_child(uint64_t parent, uint64_t device)
{
    struct kv_key key = key_of_number('C', parent);
    add_u64(&key, device);
    return key;
}

struct kv_key kv_key_children(uint64_t parent)
{
    return key_of_number('C', parent);
}

struct kv_key kv_key_sign_ins_all(void)
{
    return key_of('U');
}

struct kv_key kv_key_sign_ins(uint64_t user_bag)
{
    return key_of_number('U', user_bag);
}

struct kv_key kv_key_sign_in(uint64_t user_bag, uint64_t machine_bag)
{
    struct kv_key key = kv_key_sign_ins(user_bag);
    add_u64(&key, machine_bag);
    return key;
}

struct kv_key kv_key_members(struct span group)
{
    struct kv_key key = key_of('P');
    ASSERT(group.size <= NAME_MAX_BYTES);
    add_bytes(&key, group);
    key.data[key.size++] = 0; /* as of the names of graves */
    return key;
}

struct kv_key kv_key_member(struct span group, uint64_t user_bag)
{
    struct kv_key key = kv_key_members(group);
    add_u64(&key, user_bag);
    return key;
}

struct kv_key kv_key_owner_named(enum owner_kind kind, const char *folded)
{
    struct kv_key key = key_of('O');
    key.data[key.size++] = (uint8_t)kind;
    struct span name = span_str(folded);
    ASSERT(name.size <= NAME_MAX_BYTES);
    add_bytes(&key, name);
    return key;
}

struct kv_key kv_key_owner(const struct owner *owner)
{
    ASSERT(owner_kind_known((uint64_t)owner->kind));
    ASSERT(owner->kind != OWNER_USER_DEVICE);
    struct kv_key key = kv_key_owner_named(owner->kind, owner->folded);
    if (owner->kind == OWNER_DEVICE) {
        add_u64(&key, owner->device);
    }
    return key;
}

struct kv_key kv_key_note(struct span name)
{
    ASSERT(name.size <= KV_NOTE_NAME_MAX);
    struct kv_key key = key_of('S');
    add_bytes(&key, name);
    return key;
}

struct kv_key kv_key_item(uint64_t bag_id, struct span path)
{
    struct kv_key key = key_of_number('I', bag_id);
    add_bytes(&key, path);
    return key;
}

struct span kv_key_span(const struct kv_key *key)
{
    return span_of(key->data, key->size);
}

struct span kv_key_path(struct span key)
{
    ASSERT(key.size >= 9 && key.data[0] == 'I');
    return span_of(key.data + 9, key.size - 9);
}

uint64_t kv_key_bag_id(struct span key)
{
    ASSERT(key.size >= 9);
    return get_be64(key.data + 1);
}

uint64_t kv_key_holder(struct span key)
{
    ASSERT(key.size > 9);
    return get_be64(key.data + key.size - 8);
}

uint64_t kv_key_seq(struct span key)
{
    ASSERT(key.size == 9);
    return get_be64(key.data + 1);
}
