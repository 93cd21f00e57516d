/* cli/ctl_owner.h - what the verbs on users and on user groups share: they are the same verbs. */
#ifndef KITBAG_CLI_CTL_OWNER_H
#define KITBAG_CLI_CTL_OWNER_H

#include "base/buf.h"

struct ctl_kind {
    const char *name;   /* in the API */
    const char *member; /* of a request's body */
    const char *one, *many;
};
extern const struct ctl_kind ctl_user_kind;
extern const struct ctl_kind ctl_group_kind;

/* "/api/v1/owners/KIND/NAME", in place of what the buffer held. */
void ctl_owner_target(struct buf *buf, const struct ctl_kind *kind, const char *name);

#endif
