/* server/tokens.h - "kitbagd token": asks the server that runs with a data folder for tokens. */
#ifndef KITBAG_SERVER_TOKENS_H
#define KITBAG_SERVER_TOKENS_H

#include "base/buf.h"
#include "base/err.h"

/* `count` join tokens that expire in `expires_ms`, one a line, appended to `out`; untouched on
 * failure. E_UNREACHABLE, E_TIMEOUT, E_PERMISSION, or what the server answered. */
MUST_CHECK int tokens_request(const char *data_dir, uint64_t count, uint64_t expires_ms,
                              struct buf *out, struct err *err);

/* {"tokens":["kb1...",...]} -> lines. E_MALFORMED. */
MUST_CHECK int tokens_read(struct span json, struct buf *out, struct err *err);

#endif
