/* server/token_expiry.h - join tokens that nobody can use any more are removed from the server's
 * bag, by ordinary changes, seven days after they were used or expired.
 */
#ifndef KITBAG_SERVER_TOKEN_EXPIRY_H
#define KITBAG_SERVER_TOKEN_EXPIRY_H

#include "server/clearing.h"

enum { TOKEN_EXPIRY_MS = 7 * 86400000, TOKEN_EXPIRY_AT_ONCE = 200 };

/* Removes some that are over at `now_ms` (since 1970), TOKEN_EXPIRY_AT_ONCE at most: `removed`
 * tells how many. Reads all tokens. Blocks in submit; what that was refused with, or the state's
 * errors. */
MUST_CHECK int token_expiry_turn(struct kv *kv, const struct clearing_submit *submit,
                                 uint64_t now_ms, size_t *removed, struct err *err);

#endif
