/* admin/auth/lockout.h - slows down who guesses passwords, without locking the administrator out.
 *
 * Attempts are counted before the password is looked at, so that many at once gain nothing, and
 * taken back when it was right. Too many make whoever tries wait, each time twice as long, up to a
 * quarter of an hour:
 *
 *   an account from one place     after AUTH_PAIR_FREE attempts that failed
 *   one place, for all accounts   after AUTH_PLACE_FREE
 *   an account from anywhere      after AUTH_ACCOUNT_FREE
 *
 * A place from which somebody signed in to the account before is known for it, until the account
 * gets another password. There only the first of these counts, and the wait is half a minute at
 * most: strangers can't keep the owner out.
 *
 * Who waits is refused whatever the password. A place is an IPv4 address, or the /64 of an IPv6
 * address. Counts halve with each hour without an attempt. Sessions, API tokens and the local
 * socket never come here.
 *
 * Pure; times are of a clock that never goes back, in ms. Memory is fixed: tables by keyed hashes,
 * which forget the lowest and oldest counts first. The caller locks.
 */
#ifndef KITBAG_ADMIN_AUTH_LOCKOUT_H
#define KITBAG_ADMIN_AUTH_LOCKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    AUTH_PAIR_FREE = 5,
    AUTH_PLACE_FREE = 20,
    AUTH_ACCOUNT_FREE = 100,
    AUTH_DELAY_FIRST_MS = 1000,
    AUTH_DELAY_MAX_MS = 15 * 60 * 1000,
    AUTH_DELAY_KNOWN_MS = 30 * 1000,
    AUTH_HALVE_MS = 60 * 60 * 1000,
    AUTH_LOCKOUT_SETS = 256,
    AUTH_LOCKOUT_WAYS = 8,
    /* all of accounts from one place, and all of accounts from anywhere */
    AUTH_WAITS_MAX = 2 * AUTH_LOCKOUT_SETS * AUTH_LOCKOUT_WAYS,
};

struct auth_lockout;

struct auth_attempt {
    const char *account; /* folded, or as it was written when it can't be folded */
    const char *address; /* as a number */
    uint64_t now_ms;
};

MUST_CHECK int auth_lockout_new(struct auth_lockout **out, struct err *err); /* E_NOMEM */
void auth_lockout_free(struct auth_lockout **lockout);

/* May the password be looked at? Returns 0, or E_LOCKED and for how long to wait. When it may, the
 * attempt counts as one that failed, until auth_lockout_undo. `*locks`: one more and whoever tries
 * has to wait; told once each time that begins. */
int auth_lockout_try(struct auth_lockout *lockout, const struct auth_attempt *attempt,
                     uint64_t *wait_ms, bool *locks);
/* The password was right, or was not looked at after all: the attempt does not count. */
void auth_lockout_undo(struct auth_lockout *lockout, const struct auth_attempt *attempt);
/* Somebody came in: the place is known for the account, and what failed there before is forgotten.
 */
void auth_lockout_know(struct auth_lockout *lockout, const struct auth_attempt *attempt);

/* The accounts for which somebody has to wait, by one look at all counts: for a list of accounts.
 * 32 KiB; the lockout is borrowed. */
struct auth_waits {
    const struct auth_lockout *lockout;
    size_t count;
    uint64_t accounts[AUTH_WAITS_MAX]; /* sorted */
};
void auth_lockout_waits(const struct auth_lockout *lockout, uint64_t now_ms,
                        struct auth_waits *out);
bool auth_waits_has(const struct auth_waits *waits, const char *account);

/* Nobody has to wait, for now. */
void auth_lockout_clear(struct auth_lockout *lockout, const char *account);
/* No place is known for the account any more: whoever signed in there may have done so with a
 * password that is no longer the account's. */
void auth_lockout_forget_places(struct auth_lockout *lockout, const char *account);

#endif
