/* client/agent_frames.h - frames on a stream socket: a length (4 bytes, big-endian), then so many
 * bytes. Both sides of the agent's socket use it.
 */
#ifndef KITBAG_CLIENT_AGENT_FRAMES_H
#define KITBAG_CLIENT_AGENT_FRAMES_H

#include "client/agent.h"

/* Blocks until all is taken, or the socket's time is over (SO_SNDTIMEO). E_TOO_LARGE; E_IO. */
MUST_CHECK int agent_frame_send(int fd, struct span bytes);
/* Blocks for one frame, into `out` (emptied first). E_CLOSED: the other side ended, between two
 * frames; E_IO: in the middle of one, or its time was over; E_TOO_LARGE, E_NOMEM. */
MUST_CHECK int agent_frame_receive(int fd, struct buf *out);

#endif
