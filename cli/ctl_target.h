/* cli/ctl_target.h - a target of HTTP, "/api/v1/owners?kind=user", made of what was typed. */
#ifndef KITBAG_CLI_CTL_TARGET_H
#define KITBAG_CLI_CTL_TARGET_H

#include "base/buf.h"
#include "base/clock.h"
#include "cli/command.h"

/* Append text percent-encoded for a target. */
void ctl_escape(struct buf *out, const char *text);
/* Append "&NAME=VALUE"; nothing when `value` is NULL. */
void ctl_put_query(struct buf *out, const char *name, const char *value);
/* A moment of the command line as the API takes it: one that counts from now ("-2h") is made a time
 * in `room`, so that all pages of a list mean the same; else *out is `text`. E_USAGE. */
MUST_CHECK int ctl_moment(const char *text, const char *option, char room[CLOCK_TEXT_MAX],
                          const char **out, struct err *err);
/* That of an option (--at, --from, --to), appended the same way; nothing when it was not given. */
MUST_CHECK int ctl_put_moment(const struct invocation *invocation, struct buf *out,
                              const char *option, struct err *err);
/* The buffer as a NUL-ended target, or NULL and an error in `err`. */
const char *ctl_target(struct buf *buf, struct err *err);

/* --lines, else what is usual: how many rows are wanted. E_USAGE. */
MUST_CHECK int ctl_lines(const struct invocation *invocation, size_t usual, size_t *lines,
                         struct err *err);

#endif
