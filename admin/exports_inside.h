/* admin/exports_inside.h - what the files that exports are made of share:
 *
 *   exports.c          which there are, until when, and their files
 *   exports_settle.c   what machines hold still, before the moment
 *   exports_gather.c   from the state to a base
 *   exports_shape.c    from a base to the file that is offered
 *   exports_addresses.c  from a base to address lists
 */
#ifndef KITBAG_ADMIN_EXPORTS_INSIDE_H
#define KITBAG_ADMIN_EXPORTS_INSIDE_H

#include "admin/catalogue.h"
#include "admin/exports.h"

/* Wait, at most `wait_ms`, until each connected machine has told that the server has all it holds.
 * Those that had not by then are told in `out`. E_NOMEM, and what the backend may return. */
MUST_CHECK int exports_settle(const struct admin_backend *backend, unsigned wait_ms,
                              const atomic_bool *given_up, struct admin_export *out,
                              struct err *err);

/* What is gathered, and where to. */
struct exports_gathering {
    const struct admin_backend *backend;
    const struct admin_export_order *order;
    const char *name; /* the server's */
    const uint8_t *secret_key;
    const uint8_t *key; /* of the base */
    uint64_t created_ms;
    int fd;
    struct admin_export *out; /* history, seq, users, groups and addresses are filled */
    uint64_t *reserve_bytes;  /* filled: the room that stays free on the disk */
};
/* Read all that was ordered under one view, and write the base. */
MUST_CHECK int exports_gather(const struct exports_gathering *gathering, struct err *err);

struct exports_shaping {
    int base_fd;
    const uint8_t *key;
    const uint8_t *secret_key;
    const struct admin_export_form *form;
    const atomic_bool *given_up; /* NULL: nobody will */
    int fd;
    uint64_t reserve_bytes;
};
/* Write the file that is offered. `counts` is filled. E_NOSPACE before the disk's reserve. */
MUST_CHECK int exports_shape(const struct exports_shaping *shaping, struct snapshot_counts *counts,
                             struct err *err);

/* While a base is read: what its fleet's bag, which comes first, tells of categories. */
MUST_CHECK int exports_learn(struct admin_catalogue *catalogue,
                             const struct snapshot_record *record, struct err *err);
/* Which items may leave: a snapshot_choose_fn, whose context is such a catalogue. */
enum snapshot_choice exports_choose(void *context, const struct owner *owner, struct span path);

/* What is kept of the data. */
struct exports_base {
    int fd;
    const uint8_t *key;
    uint64_t reserve_bytes; /* for what is made of it */
};
/* The address lists into an empty file, and its size. E_NOSPACE before the disk's reserve. */
MUST_CHECK int exports_addresses(const struct admin_export_lists *lists,
                                 const struct exports_base *base, int fd, uint64_t *size,
                                 struct err *err);

/* E_NOSPACE when the file's disk has less room than `reserve_bytes`. */
MUST_CHECK int exports_check_room(int fd, uint64_t reserve_bytes, struct err *err);

#endif
