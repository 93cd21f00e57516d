/* server/scrub.h - reads the whole state again and again, slowly, and compares each bag with its
 * digest.
 *
 * Works in slices of a few milliseconds and then rests for as much longer as keeps it at a fiftieth
 * of a processor. A wrong bag is logged (the first of a round, the others are counted) and shown;
 * it never takes the server down. Owned by one thread.
 */
#ifndef KITBAG_SERVER_SCRUB_H
#define KITBAG_SERVER_SCRUB_H

#include "base/clock.h"
#include "kv/kv.h"

/* Born by scrub_begin; what is counted is counted since then. */
struct scrub {
    uint64_t checked;  /* bags */
    uint64_t wrong;    /* bags, each time that they were found so */
    uint64_t round_ms; /* since 1970: when the last whole round ended; 0: none yet */
    /* The rest is its own. */
    uint64_t interval_ms;
    uint64_t next_ms; /* monotonic: not before this */
    uint64_t next_bag;
    uint64_t begun_ms; /* monotonic: of this round */
    uint64_t round_checked;
    uint64_t round_wrong;
    bool running;
};

/* A round every `interval_ms`; the first one at once, or after that time. */
void scrub_begin(struct scrub *scrub, uint64_t interval_ms, bool at_once,
                 const struct clock *clock);
/* Call it often: a slice, when one is due. */
void scrub_work(struct scrub *scrub, struct kv *kv, const struct clock *clock);

#endif
