/* cli/kitbag_status.h - the row that the verb `status` answers with, for the commands that ask. */
#ifndef KITBAG_CLI_KITBAG_STATUS_H
#define KITBAG_CLI_KITBAG_STATUS_H

#include "cli/kitbag_call.h"
#include "cli/output.h"

/* Ask for the status; `out` is a new object with the keys of `kitbag status -o json`, and
 * "wanted" and "agent" (booleans), for the caller to free. */
MUST_CHECK int status_ask(const struct invocation *invocation, json_t **out, struct err *err);

/* "alone", "stopped", "connecting", "catching-up", "current", "refused". */
const char *status_phase_name(uint64_t phase);

#endif
