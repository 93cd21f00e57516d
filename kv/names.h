/* kv/names.h - the names of people and groups in memory, to be searched for a part of them.
 *
 * The directory is in the store, in order of names; but looking for a part of a name means to look
 * at all of them, and a hundred thousand took 27 ms there. Here they are folded names alone, in
 * order, behind one another in blocks of 2 KiB: a million are looked at in some milliseconds.
 *
 * Keeps true: of a kind that is whole, the list is the directory as it was last applied. It is read
 * from the store after the start, in slices, while changes go on: names up to the end of the last
 * slice are kept right by kv_names_note; what changes behind it while a slice is being read is
 * remembered and done after it. Without memory everything is forgotten, and read anew.
 *
 * Any thread. No call holds the lock for more than some ten microseconds but kv_names_end, which
 * does for a tenth of a millisecond with 1000 names.
 */
#ifndef KITBAG_KV_NAMES_H
#define KITBAG_KV_NAMES_H

#include <pthread.h>

#include "base/name.h"
#include "journal/owner.h"

enum { KV_NAMES_KINDS = 2 }; /* users and groups */

struct kv_names_block;

struct kv_names_list {
    struct kv_names_block **blocks; /* in order; none is empty */
    size_t count;
    size_t capacity;
    size_t names;
    bool whole;                        /* all of the directory is there */
    char frontier[NAME_MAX_BYTES + 1]; /* up to here, otherwise; "": nothing yet */
};

/* A change behind the frontier while a slice is read. */
struct kv_names_late {
    struct kv_names_late *next;
    bool present;
    char name[];
};

struct kv_names {
    pthread_mutex_t lock; /* guards all: the applying thread changes it, any thread reads */
    struct kv_names_list lists[KV_NAMES_KINDS];
    enum owner_kind slice; /* a slice of this kind is being read; 0: none */
    struct kv_names_late *late;
    struct kv_names_late **late_end;
};

void kv_names_init(struct kv_names *names);
void kv_names_free(struct kv_names *names);

/* Of a name in the directory, folded: it is there from now on, or no more. The store says so
 * already. */
void kv_names_note(struct kv_names *names, enum owner_kind kind, struct span name, bool present);

/* The first `limit` names of the kind behind `after` ("": from the start) that hold `search` ("":
 * all), in order, each with its NUL, are appended to `out`; `more`: others follow. E_BUSY without
 * a sentence: it is not whole yet. E_NOMEM, and E_TOO_LARGE of the buffer. */
struct kv_names_query {
    enum owner_kind kind;
    const char *search;
    const char *after;
    size_t limit;
};
MUST_CHECK int kv_names_find(struct kv_names *names, const struct kv_names_query *query,
                             struct buf *out, bool *more);

/* --- reading the directory; one thread at a time --- */

/* Which slice is next: the kind, and the name that it begins behind ("": the first). False: all are
 * whole. From now on what changes behind it is remembered. */
bool kv_names_begin(struct kv_names *names, enum owner_kind *kind, char after[NAME_MAX_BYTES + 1]);
/* Its names, in order, each with its NUL, as the store had them at some moment since the begin.
 * `end`: the kind has no more. E_NOMEM: everything is forgotten. */
MUST_CHECK int kv_names_end(struct kv_names *names, struct span slice, bool end);
/* It could not be read. */
void kv_names_give_up(struct kv_names *names);

#endif
