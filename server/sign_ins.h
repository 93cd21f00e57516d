/* server/sign_ins.h - when each user signed in last; and who makes room when there are too many.
 *
 * Not journalled: what was signed in lately is kept in memory, and as notes of the state
 * ("signin/XX/BAG_ID" -> time in ms, 8 bytes big endian; XX are the id's last two hexadecimal
 * digits), written about once a minute, for each user once a day at most. What a crash loses makes
 * a user look as if they had not been here for longer than they were.
 *
 * With eviction, those who signed in longest ago are looked for while there are nearly as many
 * users as may be: a thousand bags at a look, so that nothing waits for it. Users of whom nothing
 * is known come first, the oldest of them first.
 *
 * Safe from any thread: the main thread notes and asks who is next, housekeeping saves and looks.
 */
#ifndef KITBAG_SERVER_SIGN_INS_H
#define KITBAG_SERVER_SIGN_INS_H

#include "kv/kv.h"

struct sign_ins;

enum {
    SIGN_INS_NOTED_MAX = 65536, /* that wait to be saved; with more, some are not remembered */
    SIGN_INS_LOOK_BAGS = 1000,  /* of one look */
    SIGN_INS_CANDIDATES = 1024,
};

struct sign_ins_options {
    uint64_t users_max;
    bool evict;
    const struct clock *clock; /* borrowed for life */
};

MUST_CHECK int sign_ins_new(struct sign_ins **out, const struct sign_ins_options *options);
void sign_ins_free(struct sign_ins **sign_ins);

/* The owner of this bag signed in just now. */
void sign_ins_note(struct sign_ins *sign_ins, uint64_t bag_id);
/* When the owner signed in last, since 1970; 0: not known. */
uint64_t sign_ins_last(struct sign_ins *sign_ins, struct kv *kv, uint64_t bag_id);

/* Who is to go next, told once: 0; E_BUSY (it is being looked for), E_NOT_FOUND (nobody: all who
 * were found are in use). `in_use` says who stays, whenever they signed in. */
typedef bool sign_ins_used_fn(void *context, uint64_t bag_id);
MUST_CHECK int sign_ins_next(struct sign_ins *sign_ins, struct kv *kv, sign_ins_used_fn *in_use,
                             void *context, uint64_t *bag_id);

/* By housekeeping: write what was noted, and let go of some notes of bags that are gone; errors of
 * kv_note_put. */
MUST_CHECK int sign_ins_save(struct sign_ins *sign_ins, struct kv *kv, struct err *err);
/* Once a second or so: a piece of the search, when there is one; says in the log when the users
 * come near their limit (80 %, 90 %) or reach it, once each time. Errors of reading the state. */
MUST_CHECK int sign_ins_look(struct sign_ins *sign_ins, struct kv *kv, struct err *err);

#endif
