/* admin/warnings.h - what somebody should look at: a decision about the facts. Pure. */
#ifndef KITBAG_ADMIN_WARNINGS_H
#define KITBAG_ADMIN_WARNINGS_H

#include "admin/board.h"

/* Stable words; the log's events have the same ones where there are such. */
#define ADMIN_WARNINGS(X)                                                                          \
    X(ADMIN_WARNING_READ_ONLY, "state.read_only")     /* no write is taken */                      \
    X(ADMIN_WARNING_HELD, "restore.held")             /* nobody is served */                       \
    X(ADMIN_WARNING_DISK, "disk.low")                 /* soon, or already, none is */              \
    X(ADMIN_WARNING_DIGESTS, "state.damaged")         /* rows differ from their digest */          \
    X(ADMIN_WARNING_DIVERGED, "replica.diverged")     /* machines are refused */                   \
    X(ADMIN_WARNING_UNVERIFIED, "replica.unverified") /* not compared for long */                  \
    X(ADMIN_WARNING_CLOCK, "clock.stepped")           /* nothing is dropped for its age */         \
    X(ADMIN_WARNING_USERS, "limit.users")             /* at 80 %, 90 % and at the limit */         \
    X(ADMIN_WARNING_JOURNAL, "journal.large")         /* something holds it over its limit */

#define ADMIN_WARNING_ENUM(name, code) name,
enum admin_warning_kind { ADMIN_WARNINGS(ADMIN_WARNING_ENUM) ADMIN_WARNING_KINDS };
#undef ADMIN_WARNING_ENUM

struct admin_warning {
    enum admin_warning_kind kind;
    bool severe;    /* something does not work now */
    uint64_t count; /* of what the sentence tells: machines, users, bytes, percent; 0: nothing */
    char text[2 * ERR_TEXT_MAX];
};

const char *admin_warning_code(enum admin_warning_kind kind);
/* Those that hold, at most one of a kind, in order of the list: how many. */
size_t admin_warnings(const struct admin_board_facts *facts,
                      struct admin_warning out[ADMIN_WARNING_KINDS]);
/* How full the number of users is, in percent, rounded down; 0 without a limit. */
uint64_t admin_users_percent(const struct server_status *status);

#endif
