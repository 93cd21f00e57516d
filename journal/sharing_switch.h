/* journal/sharing_switch.h - what is initialised for everybody when categories become
 * device-specific, or shared.
 *
 *   to device-specific   in the layer "shared": default settings and previous settings, whichever
 *                        category it was
 *   to shared            in the layer "device": every category that has a flag; in both layers:
 *                        shared buttons
 *
 * It is the category itself that is, without the categories within it. With a copy nothing is.
 * Pure.
 */
#ifndef KITBAG_JOURNAL_SHARING_SWITCH_H
#define KITBAG_JOURNAL_SHARING_SWITCH_H

#include "journal/sharing.h"

/* What a change set of flags does, of whichever categories. */
struct sharing_switch {
    bool to_device; /* one or more become device-specific, */
    bool to_shared; /* or shared */
};

/* Does it begin with "@sharing/": is it the path of a flag? */
bool sharing_flag_is(struct span path);

bool sharing_initialises(struct sharing_switch change, const struct category *category,
                         enum fence_layer layer);

#endif
