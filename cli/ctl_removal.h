/* cli/ctl_removal.h - removing things that are named one by one: accounts, API tokens, join tokens.
 *
 * All take a list and a dry run, and tell how many there were and which are missing.
 */
#ifndef KITBAG_CLI_CTL_REMOVAL_H
#define KITBAG_CLI_CTL_REMOVAL_H

#include "cli/command.h"

struct ctl_removal {
    const char *target;
    const char *member; /* of the request: "names" */
    const char *count;  /* of the answer: "accounts" */
    const char *one;    /* "account" */
    const char *effect; /* what removing them does, for the question */
};

/* Looks, asks, removes, tells. */
MUST_CHECK int ctl_remove(const struct invocation *invocation, const struct ctl_removal *removal,
                          struct err *err);

#endif
