/* client/agent_line.h - frames on the agent's socket: 4 bytes of length, big-endian, then bytes. */
#ifndef KITBAG_CLIENT_AGENT_LINE_H
#define KITBAG_CLIENT_AGENT_LINE_H

#include "base/buf.h"
#include "base/err.h"

/* Read one frame in place of what `out` holds (its maximum is the largest frame). `stop_fd` (-1:
 * none): readable ends the wait with E_CLOSED. E_NOT_FOUND: the other side hung up between frames;
 * E_IO: in the middle of one; E_TOO_LARGE; E_NOMEM. Blocks. */
MUST_CHECK int agent_line_read(int fd, int stop_fd, struct buf *out);

/* E_IO when the other side is gone, or takes nothing for 30 s; E_TOO_LARGE. Blocks. */
MUST_CHECK int agent_line_write(int fd, struct span frame);

#endif
