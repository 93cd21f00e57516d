/* tests/sim/model.h - what must be true, told by nothing but the durable part of the journal.
 *
 * Read batch by batch as soon as the journal shows it. What it showed once must be there for ever:
 * who restarts the server asks model_reopen. Bags are computed anew from their changes, by rules of
 * this file's own; no code of the product that applies changes is used.
 */
#ifndef KITBAG_TESTS_SIM_MODEL_H
#define KITBAG_TESTS_SIM_MODEL_H

#include "journal/digest.h"
#include "journal/fence.h"
#include "journal/journal.h"
#include "journal/sharing.h"
#include "server/records.h"

enum { MODEL_KEPT_BYTES = 400 }; /* of a value: of a longer one the hash alone is kept */

struct model_change {
    enum change_kind kind;
    uint64_t bag_id;
    uint64_t time_ms;
    uint64_t origin;
    uint64_t writer, number; /* 0: no operation */
    uint64_t code;           /* OP_VOID */
    uint32_t stamp;          /* of the value: which write of the simulation it is; 0: none */
    uint64_t value_hash;
    uint32_t value_size;
    uint8_t *value; /* NULL: too long */
    char *path;
    struct digest digest; /* of its bag behind it */
    uint32_t next;        /* of the same bag, as an index; 0: none */
};

struct model_bag {
    uint64_t bag_id;
    struct owner owner;
    uint64_t parent;
    uint64_t last_seq;
    bool deleted;
    uint64_t deleted_seq;
    uint64_t first, last; /* its changes */
    struct digest digest;
    uint64_t items;
};

/* An item as it is at some seq. */
struct model_item {
    const char *path;
    uint64_t seq;
    const struct model_change *change;
};

struct model {
    struct journal_cursor *cursor;
    uint64_t head;
    uint8_t hash[SHA256_SIZE];
    struct model_change *changes; /* [seq] */
    size_t capacity;
    struct model_bag *bags;
    size_t bag_count, bag_capacity;
    uint64_t fleet, server; /* bag_id */
    struct sharing sharing; /* the fleet's catalogue and flags, as of `head` */
    uint32_t *stamps;       /* [stamp]: in how many changes it is */
    size_t stamp_capacity;
};
extern struct model model;

void model_begin(void);
void model_end(void);
/* The server's journal was opened: all that was shown before must be in it, unchanged. */
void model_reopen(struct journal *journal);
void model_close(void);
/* Take in what is new. */
void model_follow(void);

struct model_bag *model_bag(uint64_t bag_id); /* NULL: never made */
/* The one that lives; NULL. */
struct model_bag *model_bag_of(const struct owner *owner);
/* The outcome of an operation: its last change; NULL: there is none. */
const struct model_change *model_outcome(uint64_t writer, uint64_t number, uint64_t *seq);

/* The bag at `seq`, in order of paths. The array is valid until the next call. */
enum { MODEL_ITEMS_MAX = 512 };
size_t model_items(const struct model_bag *bag, uint64_t seq, const struct model_item **out);
/* The newest change of the bag up to `seq`; 0: there is none. */
uint64_t model_seq_at(const struct model_bag *bag, uint64_t seq);
const struct model_change *model_item_at(const struct model_bag *bag, const char *path,
                                         uint64_t seq);
/* The fences of the fleet at `seq`; to be freed. */
void model_fences(struct fences *out, uint64_t seq);
size_t model_stamp(uint32_t stamp);

/* May this device read that bag, as of `seq`? */
bool model_may_read(uint64_t device, uint64_t bag_id, uint64_t seq);
bool model_removed(uint64_t device, uint64_t seq);
/* Is the user of the bag signed in there? */
bool model_signed_in(uint64_t device, uint64_t user_bag, uint64_t seq);
enum device_keep model_keeps(uint64_t device);

#endif
