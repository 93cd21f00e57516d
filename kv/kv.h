/* kv/kv.h - the state: everybody's bags and items in RocksDB, as of one seq of the journal.
 *
 * Keeps true: the state is the journal applied up to kv_position().seq, for that position is
 * written in the same RocksDB batch as what it describes. The write-ahead log of RocksDB is off:
 * the journal is the log. What was not flushed at a crash is replayed from the journal.
 *
 * One thread at a time applies, purges, cleans and buries; which one may change between calls,
 * when the callers hand over by a lock or a queue. Any thread reads at any moment, through a view
 * (a snapshot) or, with view == NULL, the newest state: what kv_apply wrote is seen by whoever
 * knows that it returned. No reader keeps an iterator beyond its call.
 *
 * Rows that can't be read (RocksDB reports a damaged block, a row fails its checksum or does not
 * decode) are E_CORRUPT, never "not found".
 */
#ifndef KITBAG_KV_KV_H
#define KITBAG_KV_KV_H

#include "journal/apply.h"
#include "journal/fence.h"

struct kv;
struct kv_view;

struct kv_options {
    const char *dir;         /* made when it is not there (0700) */
    uint64_t memtable_bytes; /* 64 MiB is usual */
    uint64_t cache_bytes;    /* of blocks; 256 MiB is usual */
};

/* The position that the state has reached. */
struct kv_position {
    bool fresh; /* nothing was ever applied: the rest is zero */
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint8_t hash[SHA256_SIZE]; /* the journal's chained hash at seq */
};

/* E_FORMAT (a newer format version; the sentence names the folder), E_BUSY, E_CORRUPT, E_IO... */
MUST_CHECK int kv_open(struct kv **out, const struct kv_options *options, struct err *err);
/* Flushes when `flush`, closes. All views must be gone. */
void kv_close(struct kv **kv, bool flush);

void kv_position(const struct kv *kv, struct kv_position *out); /* any thread */

/* Apply the changes of whole batches: all of them, and the position, in one RocksDB batch. A
 * HISTORY change sets the history. `changes` must follow kv_position directly (E_CORRUPT when a
 * change does not fit what it meets, with a sentence; nothing is applied then). Each change tells
 * what it replaces (old_seq, has_old, old_value; see apply_change): rows are looked up only to
 * check that, and not when they were written lately or when it replaces nothing; values never. Bag
 * creation adds
 * the owner to the directory; the parent of a user-device bag must be its user's bag. A parent's
 * deletion (BAG_DELETE of a user's bag) is followed by nothing here: its user-device bags have
 * BAG_DELETE changes of their own.
 *
 * op fields keep the writers' rows and outcomes. A writer belongs to the device (origin) of its
 * first operation and may begin with any number; then each operation is the next one, or another
 * change of the newest, with its hash: all else is E_CORRUPT, for the caller must have seen to it.
 *
 * Waits up to 10 s for a disk that does not keep up, then E_IO. A failed RocksDB write is E_IO or
 * E_NOSPACE: the caller stops writing, reopens and replays. E_NOMEM: nothing happened. */
MUST_CHECK int kv_apply(struct kv *kv, const struct change *changes, size_t count,
                        const uint8_t hash[SHA256_SIZE], struct err *err);

/* Make everything applied so far durable; `flushed_seq` is what was applied when it began and is
 * set only when the flush returned ok. Any thread; blocks. */
MUST_CHECK int kv_flush(struct kv *kv, uint64_t *flushed_seq, struct err *err);

/* --- what is not kept for ever: by the thread that applies, in small steps ---
 *
 * None of these is in the journal: what a crash undoes is done again. They do at most `budget` rows
 * and tell whether more are left. E_IO, E_NOSPACE, E_CORRUPT, E_NOMEM: what was done stays done. */

/* Remove tombstones with seq <= up_to_seq, oldest first. Their bags' purged_to rises to them. */
MUST_CHECK int kv_purge(struct kv *kv, uint64_t up_to_seq, size_t budget, bool *more,
                        struct err *err);
/* Remove the rows of bags that were deleted at a seq <= up_to_seq, all but their graves. Deleting a
 * bag itself costs the same however large it is. */
MUST_CHECK int kv_clean(struct kv *kv, uint64_t up_to_seq, size_t budget, bool *more,
                        struct err *err);
/* Remove the graves of bags that were deleted at a seq < floor_seq and are cleaned. */
MUST_CHECK int kv_bury(struct kv *kv, uint64_t floor_seq, size_t budget, bool *more,
                       struct err *err);

/* A snapshot; free it soon. */
MUST_CHECK int kv_view_new(struct kv_view **out, struct kv *kv, struct err *err);
void kv_view_free(struct kv_view **view);
/* The position that the view shows. */
MUST_CHECK int kv_view_position(struct kv *kv, struct kv_view *view, struct kv_position *out,
                                struct err *err);

/* --- bags --- */

/* E_NOT_FOUND when there is none; E_BAG_GONE when it was deleted and the grave row still tells. */
MUST_CHECK int kv_bag(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct bag_row *out,
                      struct err *err);
/* By kind, folded name, device. E_NOT_FOUND. */
MUST_CHECK int kv_bag_of(struct kv *kv, struct kv_view *view, const struct owner *owner,
                         struct bag_row *out, struct err *err);
/* The user-device bags of a user's bag, by parent. `each` returning non-zero stops. */
typedef int kv_bag_fn(void *context, const struct bag_row *bag, struct err *err);
MUST_CHECK int kv_children(struct kv *kv, struct kv_view *view, uint64_t parent, kv_bag_fn *each,
                           void *context, struct err *err);

/* All bags in order of bag_id, from behind `after_bag_id`, at most `limit`. `more` tells whether
 * others follow. */
MUST_CHECK int kv_bags(struct kv *kv, struct kv_view *view, uint64_t after_bag_id, size_t limit,
                       kv_bag_fn *each, void *context, bool *more, struct err *err);

struct kv_grave {
    uint64_t bag_id;
    uint64_t last_seq; /* of its deletion */
    struct owner owner;
    uint64_t parent; /* of a user-device bag */
    uint64_t items;  /* what it held when it was deleted */
    uint64_t bytes;
    struct digest digest; /* of that */
    bool whole;           /* that is still there (kv_void_page) */
};
MUST_CHECK int kv_grave(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct kv_grave *out,
                        struct err *err);
/* All graves, or those of one owner (whose name, kind and device; NULL: all), in order of bag_id.
 * Those of an owner are looked up by the name: how many others there are costs nothing. `each`
 * returning non-zero stops. */
typedef int kv_grave_fn(void *context, const struct kv_grave *grave, struct err *err);
MUST_CHECK int kv_graves(struct kv *kv, struct kv_view *view, const struct owner *owner,
                         kv_grave_fn *each, void *context, struct err *err);
/* The graves of the user-device bags that hung on `parent`, a bag of `user`'s, in the same way. */
MUST_CHECK int kv_graves_under(struct kv *kv, struct kv_view *view, const struct owner *user,
                               uint64_t parent, kv_grave_fn *each, void *context, struct err *err);

/* The directory of one kind (OWNER_USER or OWNER_GROUP), in order of folded names, from behind
 * `after` (folded; NULL: from the start), those whose folded name holds `search` anywhere (folded
 * by name_fold_search; "": all), at most `limit`. `more` tells whether others follow. Of the newest
 * state (view NULL) names are looked for in memory, as soon as kv_names_fill has read them all;
 * until then, and of a view, a search looks at all rows of the directory. */
MUST_CHECK int kv_owners(struct kv *kv, struct kv_view *view, enum owner_kind kind,
                         const char *search, const char *after, size_t limit, kv_bag_fn *each,
                         void *context, bool *more, struct err *err);

/* Read some names of the directory into memory, `budget` at the most; `more`: call it again. Once
 * all are there, applying keeps them right; without memory it forgets them, and `more` is true
 * again. One thread at a time, beside all others. What reading the state returns; E_NOMEM. */
MUST_CHECK int kv_names_fill(struct kv *kv, size_t budget, bool *more, struct err *err);

struct kv_counts {
    uint64_t users;
    uint64_t groups;
    uint64_t bags;
    uint64_t items;
    uint64_t bytes;
};
/* Kept at apply; O(1). */
MUST_CHECK int kv_counts(struct kv *kv, struct kv_view *view, struct kv_counts *out,
                         struct err *err);

/* --- items --- */

/* An item with the memory that holds its value. */
struct kv_item {
    struct item_row row; /* row.value borrowed from `pin` */
    void *pin;
};
/* ITEM_ABSENT is not an error: 0 with that state; so are all items of a bag that is not there. */
MUST_CHECK int kv_item(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct span path,
                       struct kv_item *out, struct err *err);
/* The same of a bag that the caller knows to be there, which saves a look-up. */
MUST_CHECK int kv_item_in(struct kv *kv, struct kv_view *view, uint64_t bag_id, struct span path,
                          struct kv_item *out, struct err *err);
void kv_item_free(struct kv_item *item);

/* Rows of a bag in order of paths, from behind `after` (empty: from the start), with seq > since;
 * with since == 0 only live ones, else tombstones too. Ends when about `budget_bytes` of rows were
 * looked at (sent or skipped) or the bag ends: then `*end` is true. `next` receives the path to go
 * on behind (its maximum at least PATH_MAX_BYTES), so a page without rows still makes progress; it
 * stays as it was when nothing was looked at, and may be what `after` borrows from. E_NOT_FOUND and
 * E_BAG_GONE as kv_bag; E_INVALID (after or prefix longer than a path); what `each` returned. */
typedef int kv_row_fn(void *context, struct span path, const struct item_row *row, struct err *err);
struct kv_page {
    uint64_t bag_id;
    uint64_t since;
    struct span after;
    struct span prefix; /* only paths that begin with it; empty: all */
    size_t budget_bytes;
};
MUST_CHECK int kv_page(struct kv *kv, struct kv_view *view, const struct kv_page *page,
                       kv_row_fn *each, void *context, struct buf *next, bool *end,
                       struct err *err);

/* The same of a deleted bag whose rows are all still there; E_NOT_FOUND when it was not deleted or
 * kv_clean has begun with it. */
MUST_CHECK int kv_void_page(struct kv *kv, struct kv_view *view, const struct kv_page *page,
                            kv_row_fn *each, void *context, struct buf *next, bool *end,
                            struct err *err);

/* The fences among the fleet bag's items (see journal/fence.h) are added to `out`. E_NOT_FOUND and
 * E_BAG_GONE as kv_bag; E_MALFORMED, E_QUOTA, E_NOMEM as fences_put. */
MUST_CHECK int kv_fences(struct kv *kv, struct kv_view *view, uint64_t fleet_bag,
                         struct fences *out, struct err *err);

/* --- who is where: what costs as much as there is to tell, however many machines there are --- */

struct kv_sign_in {
    uint64_t user_bag;
    uint64_t device;
    uint64_t time_ms; /* when the item was written that tells it */
};
/* Where the users of these bags (in rising order, each once) are signed in, by the items
 * "@user/BAG_ID" of the machines' bags: in order of users. `each` returning non-zero stops and is
 * returned. `view` must be given. */
typedef int kv_sign_in_fn(void *context, const struct kv_sign_in *sign_in, struct err *err);
MUST_CHECK int kv_sign_ins(struct kv *kv, struct kv_view *view, const uint64_t *user_bags,
                           size_t count, kv_sign_in_fn *each, void *context, struct err *err);
/* Who belongs to a group, by the items "@group/FOLDED" of users' bags: in order of these. */
typedef int kv_member_fn(void *context, uint64_t user_bag, uint64_t time_ms, struct err *err);
MUST_CHECK int kv_members(struct kv *kv, struct kv_view *view, const char *group_folded,
                          kv_member_fn *each, void *context, struct err *err);

/* --- is it what it should be? --- */

/* A bag that is not what its row says. */
struct kv_wrong {
    uint64_t bag_id;    /* 0: rows of bags that can't be read, `text` tells where */
    struct bag_row row; /* what it should hold; exists = false: the row itself can't be read */
    uint64_t items;     /* what its items' rows amount to */
    uint64_t bytes;
    struct digest digest;
    const char *text; /* a sentence, borrowed for the call */
};
typedef void kv_wrong_fn(void *context, const struct kv_wrong *wrong);

/* Read bags again, each under a view of its own, from the first with a bag_id >= *next_bag, until
 * about budget_bytes of rows were read (a bag is never left half read) or the bags end, and compare
 * their items, bytes and digests with what is kept in their rows. `next_bag` becomes where to go
 * on, 0 at the end. Adds to `checked` and `wrong`, and tells `each` of every wrong one; rows that
 * can't be read make their bag wrong and are no error. Bags whose own rows can't be read, up to the
 * next that can, are one wrong one together, and not checked. Any thread; leaves the cache as it
 * is. E_IO, E_NOMEM. */
MUST_CHECK int kv_scrub(struct kv *kv, uint64_t *next_bag, size_t budget_bytes, uint64_t *checked,
                        uint64_t *wrong, kv_wrong_fn *each, void *context, struct err *err);

/* --- notes ---
 *
 * Small things that are not in the journal: a crash takes back what was noted since the last flush.
 * Any thread. A name is text of at most KV_NOTE_NAME_MAX bytes, the bytes are at most
 * KV_NOTE_MAX_BYTES (E_INVALID). E_BUSY: the disk does not keep up, nothing was noted. */
enum { KV_NOTE_NAME_MAX = 255, KV_NOTE_MAX_BYTES = 4096 };
MUST_CHECK int kv_note_put(struct kv *kv, const char *name, struct span bytes, struct err *err);
MUST_CHECK int kv_note_remove(struct kv *kv, const char *name, struct err *err);
/* Replaces `out`'s content. E_NOT_FOUND. */
MUST_CHECK int kv_note_get(struct kv *kv, const char *name, struct buf *out, struct err *err);
/* Those whose names begin with `prefix`, in order of names; `name` and `bytes` are borrowed for the
 * call. `each` returning non-zero stops. */
typedef int kv_note_fn(void *context, const char *name, struct span bytes, struct err *err);
MUST_CHECK int kv_notes(struct kv *kv, const char *prefix, kv_note_fn *each, void *context,
                        struct err *err);

/* --- writers: exactly once --- */

struct kv_writer {
    bool known;
    uint64_t device;    /* that made it; nobody else may use it */
    uint64_t highest;   /* number that was taken up, done or refused */
    uint64_t confirmed; /* outcomes up to here were dropped */
    uint64_t begun;     /* seq of its first change */
};
MUST_CHECK int kv_writer(struct kv *kv, uint64_t writer, struct kv_writer *out, struct err *err);

struct kv_outcome {
    uint64_t hash;   /* of the operation's content */
    uint64_t code;   /* 0 done, else positive number of base/err.h */
    uint64_t seq;    /* of its last change (of an OP_VOID: that change) */
    uint64_t bag_id; /* of its changes, 0 for OP_VOID */
};
/* E_NOT_FOUND when it is not taken up or already confirmed. */
MUST_CHECK int kv_outcome(struct kv *kv, uint64_t writer, uint64_t number, struct kv_outcome *out,
                          struct err *err);

#endif
