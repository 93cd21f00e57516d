/* kv/key.h - the keys of the state's rows. Pure.
 *
 * They begin with a letter and go on with numbers (big-endian, so that rows lie in their order):
 *
 *   'F'                            the format: version le32
 *   'M'                            the mark: position and counts, written with every batch
 *   'B' bag_id                     a bag
 *   'O' owner kind, folded name    whose bag it is -> bag_id; of a device its number for the name.
 *                                  These rows are the directory too.
 *   'C' parent, device             a user's bag of that device -> bag_id
 *   'G' bag_id                     the grave of a deleted bag: its row as it was at the end, with
 *                                  the deletion as its last change
 *   'N' owner kind, folded name,   a grave, found by whose bag it was -> bag_id: a user's and its
 *       0, bag_id                  device-specific ones together; of a device as in 'O'
 *   'D' seq                        a bag that was deleted by this change: what became of its rows
 *   'I' bag_id, path               an item or its tombstone
 *   'T' seq                        a tombstone, found by its age -> bag_id, path
 *   'W' writer                     a writer
 *   'Q' writer, number             the outcome of its operation
 *   'S' name                       a note: bytes that are somebody else's, not of the journal
 *   'U' user's bag_id,             that the user is signed in at the machine with that bag
 *       machine's bag_id           (kv/link.h)
 *   'P' folded name of a group, 0, that the user with that bag belongs to the group
 *       user's bag_id
 */
#ifndef KITBAG_KV_KEY_H
#define KITBAG_KV_KEY_H

#include "kv/kv.h"

enum { KV_KEY_MAX = 1 + 8 + PATH_MAX_BYTES };

struct kv_key {
    size_t size;
    uint8_t data[KV_KEY_MAX];
};

/* What the keys of all rows of a kind begin with. */
struct kv_key kv_key_bags(void);
struct kv_key kv_key_graves(void);
struct kv_key kv_key_doomed_all(void);
struct kv_key kv_key_tombstones(void);

struct kv_key kv_key_format(void);
struct kv_key kv_key_mark(void);
struct kv_key kv_key_bag(uint64_t bag_id);
struct kv_key kv_key_grave(uint64_t bag_id);
/* The row that finds a grave; what the keys of all that find this owner's begin with. */
struct kv_key kv_key_named_grave(const struct owner *owner, uint64_t bag_id);
struct kv_key kv_key_named_graves(const struct owner *owner);
struct kv_key kv_key_doomed(uint64_t seq);
struct kv_key kv_key_tombstone(uint64_t seq);
struct kv_key kv_key_note(struct span name); /* at most KV_NOTE_NAME_MAX bytes; empty: of all */
struct kv_key kv_key_writer(uint64_t writer);
struct kv_key kv_key_outcome(uint64_t writer, uint64_t number);
struct kv_key kv_key_child(uint64_t parent, uint64_t device);
struct kv_key kv_key_children(uint64_t parent); /* what the keys of all begin with */
struct kv_key kv_key_sign_in(uint64_t user_bag, uint64_t machine_bag);
struct kv_key kv_key_sign_ins(uint64_t user_bag); /* what the keys of all of a user's begin with */
struct kv_key kv_key_sign_ins_all(void);
/* `group` folded, so short that a path holds it behind "@group/". */
struct kv_key kv_key_member(struct span group, uint64_t user_bag);
/* What the keys of all of a group's begin with; of any folded name. */
struct kv_key kv_key_members(struct span group);
struct kv_key kv_key_owner(const struct owner *owner); /* any kind but OWNER_USER_DEVICE */
struct kv_key kv_key_owner_named(enum owner_kind kind, const char *folded); /* at most 255 bytes */
/* `path` of at most PATH_MAX_BYTES; empty: what the keys of all items of the bag begin with. */
struct kv_key kv_key_item(uint64_t bag_id, struct span path);
struct span kv_key_span(const struct kv_key *key);
/* The path in an item's key, borrowed from it. */
struct span kv_key_path(struct span key);
/* The bag_id in the key of a bag, a grave or an item; of a sign-in the user's. */
uint64_t kv_key_bag_id(struct span key);
/* The bag_id at the end of the key of a link: the machine's, or the member's. */
uint64_t kv_key_holder(struct span key);
/* The seq in the key of a doomed bag or of a tombstone's row. */
uint64_t kv_key_seq(struct span key);

#endif
