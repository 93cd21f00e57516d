/* base/err.h - one list of error codes, and the sentence that goes with a failure.
 *
 * A function returns 0 or a negative code of this list. Where a person has to act it also fills a
 * `struct err` with a sentence that names the thing and the remedy. Codes travel on the wire as
 * their (positive) number and in JSON and logs as their name: numbers and names never change.
 */
#ifndef KITBAG_BASE_ERR_H
#define KITBAG_BASE_ERR_H

#include "base/assert.h"

/* X(NAME, number, "stable_name", exit code of a command that ends with it, "what it means") */
#define ERR_LIST(X)                                                                                \
    X(E_INVALID, 1, "invalid", 2, "an argument is not valid")                                      \
    X(E_NOT_FOUND, 2, "not_found", 3, "there is no such thing")                                    \
    X(E_EXISTS, 3, "exists", 4, "it exists already")                                               \
    X(E_CONDITION, 4, "condition_failed", 4, "the condition does not hold")                        \
    X(E_NOT_ALLOWED, 5, "not_allowed", 5, "this is not allowed")                                   \
    X(E_UNREACHABLE, 6, "unreachable", 6, "the server can't be reached")                           \
    X(E_TIMEOUT, 7, "timed_out", 6, "it took too long")                                            \
    X(E_NOMEM, 8, "out_of_memory", 1, "out of memory")                                             \
    X(E_IO, 9, "io", 1, "reading or writing failed")                                               \
    X(E_NOSPACE, 10, "no_space", 1, "the disk is full")                                            \
    X(E_CORRUPT, 11, "corrupt", 1, "stored data is damaged")                                       \
    X(E_FORMAT, 12, "format", 1, "the format is not one this version knows")                       \
    X(E_BUSY, 13, "busy", 1, "it is in use")                                                       \
    X(E_TOO_LARGE, 14, "too_large", 2, "it is larger than the limit")                              \
    X(E_MALFORMED, 15, "malformed", 1, "the bytes are not what they should be")                    \
    X(E_PATH, 16, "item_path", 2, "the item's path is not valid")                                  \
    X(E_NAME, 17, "name", 2, "the name is not valid")                                              \
    X(E_STOPPED, 18, "stopped", 5, "synchronization is stopped")                                   \
    X(E_READ_ONLY, 19, "read_only", 1, "the server takes no writes")                               \
    X(E_DEFERRED, 20, "deferred", 1, "not now: it is tried again later")                           \
    X(E_BAG_GONE, 21, "bag_gone", 3, "the bag was deleted")                                        \
    X(E_DROPPED, 22, "dropped", 1, "the operation was dropped before it was sent")                 \
    X(E_TOKEN_UNKNOWN, 23, "token_unknown", 5, "the server does not know this join token")         \
    X(E_TOKEN_USED, 24, "token_used", 5, "the join token was used already")                        \
    X(E_TOKEN_EXPIRED, 25, "token_expired", 5, "the join token has expired")                       \
    X(E_DEVICE_REMOVED, 26, "device_removed", 5, "an administrator removed this machine")          \
    X(E_HISTORY, 27, "other_history", 4, "the server has another history")                         \
    X(E_DIVERGED, 28, "diverged", 4, "both sides hold changes that the other lacks")               \
    X(E_PROTOCOL, 29, "protocol_version", 1, "the other side speaks another protocol version")     \
    X(E_HELLO_FIRST, 30, "hello_first", 1, "the session is not known: say hello")                  \
    X(E_SUPERSEDED, 31, "superseded", 1, "another connection of this machine took over")           \
    X(E_WRITER, 32, "writer_unknown", 1, "this writer's numbers do not fit: take a new writer")    \
    X(E_BAG_EXISTS, 33, "bag_exists", 4, "the server has this owner already")                      \
    X(E_NOT_JOINED, 34, "not_joined", 5, "this machine has not joined a server")                   \
    X(E_NOT_SIGNED_IN, 35, "not_signed_in", 3, "this user is not signed in here")                  \
    X(E_USAGE, 36, "usage", 2, "the command line is not valid")                                    \
    X(E_PARTLY, 37, "partly_done", 7, "a part of it failed")                                       \
    X(E_QUOTA, 38, "quota", 5, "a limit on the number of things is reached")                       \
    X(E_SYSTEM, 39, "system", 1, "the system refused a call")                                      \
    X(E_CLOSED, 40, "closed", 1, "it is shutting down")                                            \
    X(E_PERMISSION, 41, "permission", 5, "the system does not permit it")                          \
    X(E_TOO_OLD, 42, "too_old", 3, "the past does not reach back so far")                          \
    X(E_CSRF, 43, "csrf", 5, "the token that a session's changes need is missing or another")      \
    X(E_LOCKED, 44, "locked", 5, "too many attempts failed: wait")                                 \
    X(E_CREDENTIALS, 45, "bad_credentials", 5, "the name or the password is wrong")                \
    X(E_LAST_ADMIN, 46, "last_admin", 4, "there has to be an administrator")                       \
    X(E_BAG_WANTED, 47, "bag_wanted", 3, "the bag was deleted, and this machine's copy is wanted") \
    X(E_MUST_CHANGE, 48, "must_change", 5, "somebody else knows the password: choose another")     \
    X(E_SHARING_CHANGED, 49, "sharing_changed", 4, "what is shared was changed meanwhile")         \
    X(E_CATEGORY, 50, "category", 2, "the value is not of the kind that its category holds")       \
    X(E_SIGNATURE, 51, "signature", 5, "the signature is not one that is trusted")                 \
    X(E_PASSWORD, 52, "password", 5, "the password is missing or another")

#define ERR_ENUM(name, number, text, exit_code, meaning) name = -(number),
enum err_code { ERR_LIST(ERR_ENUM) };
#undef ERR_ENUM

/* Of administration: whoever asks has not signed in. Programs know it by the same name. */
enum { E_UNAUTHENTICATED = E_NOT_SIGNED_IN };

enum { ERR_TEXT_MAX = 384 };

/* Born as `struct err err = {0};`. Plain data: copied freely, nothing to free. */
struct err {
    int code;                /* 0, or a code of the list */
    char text[ERR_TEXT_MAX]; /* a sentence without a newline, cut when too long, always ended */
};

/* Fill `err` (may be NULL) and return `code`, so that `return err_set(...)` reads well.
 * A later err_set replaces an earlier one. */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from errno: "open '/var/lib/kitbag/x': No such file or directory". ENOSPC and EDQUOT
 * become E_NOSPACE, EACCES and EPERM E_PERMISSION, ENOENT E_NOT_FOUND, ENOMEM E_NOMEM, EIO E_IO,
 * all else E_SYSTEM. */
int err_sys(struct err *err, const char *operation, const char *thing);

/* Put words before an existing sentence: "journal" gives "journal: ...", words that end in a space
 * are put as they are. Returns err->code, or 0 for NULL. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* All three accept any number; an unknown one gives "unknown", 1 and "an unknown error". */
const char *err_name(int code);
int err_exit_code(int code);
const char *err_meaning(int code);

/* A code from its positive number on the wire; E_MALFORMED when the list has none. */
int err_from_wire(unsigned long long number);
/* A code from its stable name; E_MALFORMED when the list has none. */
int err_from_name(const char *name);

#endif
