/* journal/sharing_switch.c - the rule, by classes. */
#include "journal/sharing_switch.h"

bool sharing_initialises(struct sharing_switch change, const struct category *category,
                         enum fence_layer layer)
{
    ASSERT(category != NULL);
    bool settings =
        category->class == SHARING_DEFAULT_SETTINGS || category->class == SHARING_PREVIOUS_SETTINGS;
    bool buttons = category->class == SHARING_SHARED_BUTTONS;
    return layer == FENCE_SHARED ? (change.to_device && settings) || (change.to_shared && buttons)
                                 : change.to_shared && (category->has_flag || buttons);
}
