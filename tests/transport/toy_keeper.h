/* tests/transport/toy_keeper.h - the toy world's replicas: what is kept of bags, comparing it, who
 * keeps everybody's bags, and copies of the journal.
 */
#ifndef KITBAG_TESTS_TRANSPORT_TOY_KEEPER_H
#define KITBAG_TESTS_TRANSPORT_TOY_KEEPER_H

#include "tests/transport/toy_server.h"

static inline void toy_follow_step(struct toy *toy, int number, struct follow_event event);

static inline struct toy_replica *toy_replica(struct toy_client *client, uint64_t bag_id)
{
    for (size_t i = 0; i < TOY_BAGS; i++) {
        if (client->bags[i].id == bag_id) {
            return &client->bags[i];
        }
    }
    return NULL;
}

static inline struct toy_replica *toy_replica_add(struct toy_client *client, uint64_t bag_id)
{
    struct toy_replica *replica = toy_replica(client, bag_id);
    if (replica == NULL) {
        replica = toy_replica(client, 0);
        assert_non_null(replica);
        *replica = (struct toy_replica){.id = bag_id};
        client->to_follow = true;
    }
    return replica;
}

/* --- digests --- */

/* Something happens to the replica that nobody notices. */
static inline void toy_damage(struct toy_replica *replica, int path)
{
    struct toy_item *item = &replica->items[path];
    if (replica->id != 0 && replica->cursor != 0 && !replica->staging && item->live) {
        item->stamp ^= 1u << 20;
        replica->damaged = true;
    }
}

/* What is not what it should be is fetched anew. */
static inline void toy_compare(const struct toy *toy, struct toy_client *client,
                               struct toy_replica *replica, const struct digest *expected)
{
    struct digest digest = toy_digest(replica->items);
    client->compared++;
    if (digest_equal(&digest, expected)) {
        replica->damaged = false; /* what was damaged has been written over */
        toy_check_replica(toy, replica);
    } else {
        uint64_t id = replica->id;
        assert_true(replica->damaged);
        *replica = (struct toy_replica){.id = id};
        client->healed++;
        client->to_follow = true;
    }
}

/* --- keeping everybody, mirroring --- */

static inline void toy_list_more(struct toy *toy, int number)
{
    struct toy_client *client = &toy->clients[number];
    struct follow_event event = {.kind = FOLLOW_LIST};
    client->to_list = false;
    client->listing = true;
    client->listed_newest = follow_newest_bag(client->follow);
    event.list.after = client->listed_to;
    toy_follow_step(toy, number, event);
}

static inline bool toy_hears_of_bags(const struct toy_client *client)
{
    uint64_t newest = follow_newest_bag(client->follow);
    return client->keeps && newest > client->listed_to && newest > client->listed_newest;
}

static inline void toy_take_owners(struct toy_client *client, const struct follow_action *action)
{
    client->listing = false;
    assert_int_equal(action->owners.code, 0);
    for (size_t i = 0; i < action->owners.list.count; i++) {
        uint64_t id = wire_owner_at(&action->owners.list, i).bag_id;
        assert_true(id > client->listed_to);
        client->listed_to = id;
        (void)toy_replica_add(client, id);
    }
    client->to_list = !action->owners.end;
}

static inline void toy_ask_mirror(struct toy *toy, int number)
{
    struct toy_client *client = &toy->clients[number];
    struct follow_event event = {.kind = FOLLOW_MIRROR};
    client->to_mirror = false;
    event.mirror.seq = client->mirror_seq;
    event.mirror.has_hash = client->mirror_first != 0;
    toy_follow_step(toy, number, event);
}

static inline void toy_take_mirroring(struct toy_client *client, const struct follow_action *action)
{
    if (action->mirroring.code != 0) {
        assert_int_equal(action->mirroring.code, E_TOO_OLD);
        assert_true(action->mirroring.floor_seq > client->mirror_seq + 1);
        client->mirror_first = 0; /* it starts over */
        client->mirror_seq = action->mirroring.floor_seq - 1;
        client->to_mirror = true;
        client->too_old++;
    }
}

static inline void toy_take_batches(struct toy *toy, struct toy_client *client,
                                    const struct follow_action *action, struct follow_event *answer)
{
    struct span left = action->batches.bytes;
    assert_true(left.size > 0);
    if (toy_chance(toy, 60)) {
        answer->applied.code = E_IO;
        return;
    }
    while (left.size > 0) {
        assert_true(left.size >= TOY_BATCH_BYTES);
        uint64_t seq = get_be64(left.data);
        uint32_t size = get_be32(left.data + 16);
        assert_int_equal(seq, client->mirror_seq + 1);
        assert_int_equal(get_be64(left.data + 8), toy->changes[seq].stamp);
        assert_int_equal(size, toy->changes[seq].size);
        client->mirror_first = client->mirror_first == 0 ? seq : client->mirror_first;
        client->mirror_seq = seq;
        left = span_of(left.data + TOY_BATCH_BYTES + size, left.size - TOY_BATCH_BYTES - size);
        client->mirrored++;
    }
    assert_true(action->batches.head_seq >= client->mirror_seq);
}

#endif
