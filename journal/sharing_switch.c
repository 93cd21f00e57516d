/* journal/sharing_switch.c - the rule, by classes. */
#include "journal/sharing_switch.h"

#include <string.h>

bool sharing_flag_is(struct span path)
{
    size_t head = sizeof SHARING_FLAG - 1;
    return path.size > head && memcmp(path.data, SHARING_FLAG, head) == 0;
}

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
