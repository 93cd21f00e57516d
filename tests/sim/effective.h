/* tests/sim/effective.h - what a person sees at a machine, told by the rules and the journal alone.
 */
#ifndef KITBAG_TESTS_SIM_EFFECTIVE_H
#define KITBAG_TESTS_SIM_EFFECTIVE_H

#include "tests/sim/model.h"

/* Of a bag, now, in order of paths. `own` is, of a user, the bag on the machine that looks; NULL:
 * it has none, or knows of none. An item with seq 0 is a default. Valid until the next call. */
size_t effective_items(const struct model_bag *bag, const struct model_bag *own,
                       const struct model_item **out);

#endif
