/* cli/ctl_device.h - machines as they are named on the command line. */
#ifndef KITBAG_CLI_CTL_DEVICE_H
#define KITBAG_CLI_CTL_DEVICE_H

#include <jansson.h>

#include "cli/command.h"

/* An ID, or the name of exactly one machine: its ID as a text (new). E_NOT_FOUND, E_CONDITION (two
 * have the name). */
MUST_CHECK int ctl_device_id(const struct invocation *invocation, const char *text, json_t **id,
                             struct err *err);

#endif
