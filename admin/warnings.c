/* admin/warnings.c - a look at each thing, and a sentence for it. */
#include "admin/warnings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { USERS_NEAR_PERCENT = 80, PERCENT = 100, MIB = 1 << 20 };

const char *admin_warning_code(enum admin_warning_kind kind)
{
#define ADMIN_WARNING_CODE(name, code) code,
    static const char *const codes[] = {ADMIN_WARNINGS(ADMIN_WARNING_CODE)};
#undef ADMIN_WARNING_CODE
    ASSERT(kind < ADMIN_WARNING_KINDS);
    return codes[kind];
}

uint64_t admin_users_percent(const struct server_status *status)
{
    ASSERT(status != NULL);
    if (status->users_limit == 0) {
        return 0;
    }
    return status->users * PERCENT / status->users_limit;
}

/* Each fills in `out` and returns true when it holds. */
typedef bool look_fn(const struct admin_board_facts *facts, struct admin_warning *out);

static void say(struct admin_warning *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct admin_warning *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out->text, sizeof out->text, format, args);
    va_end(args);
}

static bool look_at_state(const struct admin_board_facts *facts, struct admin_warning *out)
{
    const struct server_status *status = &facts->status;
    if (status->state != SERVER_READ_ONLY) {
        return false;
    }
    const char *why = status->state_text;
    out->severe = true;
    say(out, "The server takes no writes%s%s", why[0] != '\0' ? ": " : ".", why);
    return true;
}

static bool look_at_held(const struct admin_board_facts *facts, struct admin_warning *out)
{
    out->severe = true;
    say(out, "The data was restored from a backup, and it is not known which machines and people "
             "were removed since: nobody is served until somebody has looked through them and "
             "confirmed it ('kitbagctl restore confirm').");
    return facts->status.held;
}

static bool look_at_disk(const struct admin_board_facts *facts, struct admin_warning *out)
{
    const struct server_status *status = &facts->status;
    uint64_t reserve = status->reserve_bytes;
    uint64_t room = status->room_bytes;
    if (reserve == 0 || (room >= reserve && room - reserve >= reserve)) {
        return false; /* a reserve of 0: nobody has looked yet */
    }
    out->severe = room < reserve;
    out->count = room;
    say(out,
        out->severe ? "The disk has %" PRIu64 " MiB left: writes wait until there are %" PRIu64
                      " MiB. Make room."
                    : "The disk has %" PRIu64 " MiB left, and the journal keeps only what is "
                      "needed. With less than %" PRIu64 " MiB writes will wait. Make room.",
        room / MIB, reserve / MIB);
    return true;
}

static bool look_at_digests(const struct admin_board_facts *facts, struct admin_warning *out)
{
    uint64_t wrong = facts->status.digests.wrong;
    out->severe = true;
    out->count = wrong;
    say(out, "%" PRIu64 " %s written. Look after the disk, and at the log.", wrong,
        wrong == 1 ? "bag is stored otherwise than it was"
                   : "bags are stored otherwise than they were");
    return wrong > 0;
}

static bool look_at_diverged(const struct admin_board_facts *facts, struct admin_warning *out)
{
    uint64_t count = facts->status.replicas.diverged;
    out->severe = true;
    out->count = count;
    say(out,
        "%" PRIu64 " %s not served, because it holds changes that the server does not have. See "
        "the list of machines.",
        count, count == 1 ? "machine is" : "machines are");
    return count > 0;
}

static bool look_at_unverified(const struct admin_board_facts *facts, struct admin_warning *out)
{
    uint64_t count = facts->status.replicas.unverified;
    out->count = count;
    say(out, "%" PRIu64 " connected %s not been compared with the server for a day.", count,
        count == 1 ? "machine has" : "machines have");
    return count > 0;
}

static bool look_at_clock(const struct admin_board_facts *facts, struct admin_warning *out)
{
    say(out, "The server's clock was moved: nothing is dropped for its age until a day has passed "
             "or the clock is confirmed.");
    return facts->status.clock_stepped;
}

static bool look_at_users(const struct admin_board_facts *facts, struct admin_warning *out)
{
    const struct server_status *status = &facts->status;
    uint64_t percent = admin_users_percent(status);
    const char *then = status->users_evict ? "who signed in longest ago makes room for new ones"
                                           : "new ones are refused";
    out->count = percent;
    out->severe = percent >= PERCENT && !status->users_evict;
    say(out, "%" PRIu64 " of at most %" PRIu64 " users are registered (%" PRIu64 " %%)%s %s.",
        status->users, status->users_limit, percent, percent >= PERCENT ? ":" : "; at the limit,",
        then);
    return percent >= USERS_NEAR_PERCENT;
}

static const char *journal_holder(const struct server_status *status)
{
    for (size_t i = 0; i < RETENTION_LINES; i++) {
        const struct retention_line *line = &status->retention[i];
        if (line->what != NULL && strcmp(line->what, "journal") == 0) {
            return line->text;
        }
    }
    return "";
}

static bool look_at_journal(const struct admin_board_facts *facts, struct admin_warning *out)
{
    const struct server_status *status = &facts->status;
    uint64_t bytes = facts->journal.file_bytes;
    const char *why = journal_holder(status);
    out->count = bytes;
    say(out, "The journal has %" PRIu64 " MiB on disk, more than its limit of %" PRIu64 " MiB%s%s",
        bytes / MIB, status->journal_max_bytes / MIB, why[0] != '\0' ? ": " : ".", why);
    return status->journal_max_bytes > 0 && bytes > status->journal_max_bytes;
}

size_t admin_warnings(const struct admin_board_facts *facts,
                      struct admin_warning out[ADMIN_WARNING_KINDS])
{
    static look_fn *const looks[ADMIN_WARNING_KINDS] = {
        [ADMIN_WARNING_READ_ONLY] = look_at_state,
        [ADMIN_WARNING_HELD] = look_at_held,
        [ADMIN_WARNING_DISK] = look_at_disk,
        [ADMIN_WARNING_DIGESTS] = look_at_digests,
        [ADMIN_WARNING_DIVERGED] = look_at_diverged,
        [ADMIN_WARNING_UNVERIFIED] = look_at_unverified,
        [ADMIN_WARNING_CLOCK] = look_at_clock,
        [ADMIN_WARNING_USERS] = look_at_users,
        [ADMIN_WARNING_JOURNAL] = look_at_journal,
    };
    size_t count = 0;
    for (size_t i = 0; i < ADMIN_WARNING_KINDS; i++) {
        struct admin_warning warning = {.kind = (enum admin_warning_kind)i};
        if (looks[i](facts, &warning)) {
            out[count++] = warning;
        }
    }
    return count;
}
