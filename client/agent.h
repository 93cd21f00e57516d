/* client/agent.h - the verbs of a client machine, done here or by the process that owns the folder.
 *
 * One process owns a data folder. `kitbag agent` is that process for as long as it runs and serves
 * the others on a local socket (DIR/agent.sock, 0600); without it whoever needs the folder owns it
 * for a moment. Both do a verb by the same function, agent_handle, so that a command behaves alike
 * with an agent and without.
 *
 * A request is a msgpack array [verb str, arguments...]. The answer is a row of frames: any number
 * of rows [0, fields...] and then one end [1, code, text str, results...], where code is 0 or the
 * positive number of the error and text its sentence. On the socket each of both travels with its
 * length before it (4 bytes, big-endian, at most AGENT_FRAME_MAX); a connection carries one request
 * after the other; closing it ends a watch or a wait.
 *
 *   verb     arguments                                   row                       results
 *   join     token, [server...], name|nil, serial|nil,                             device, users,
 *            model|nil, timeout_ms                                                 writes
 *   start
 *   stop
 *   login    user, [group...], timeout_ms
 *   logout   user
 *   users                                                name, cursor, items,
 *                                                        complete
 *   get      bag, item                                   bytes, seq, time_ms, pending
 *   set      bag, item, bytes, if_seq|nil, wait_ms                                 op
 *   rm       bag, item, if_seq|nil, wait_ms                                        op
 *   apply    bag, [[item, bytes|nil]...], if_seq|nil, wait_ms                      op
 *   wait     op, wait_ms
 *   ls       bag, prefix                                 item, bytes, seq, time_ms, pending
 *   explain  bag, item                                   see AGENT_EXPLAIN_FIELDS
 *   watch    bag|nil                                     bag, item|nil, removed, bytes|nil, seq
 *   outbox   refused (bool)                              op, bag, item, items, bytes, time_ms,
 *                                                        code, text
 *   retry    op (0: all)
 *   drop     op (0: all)
 *   status                                               see AGENT_STATUS_FIELDS
 *   verify                                                                         records,
 * damaged, batches
 *   import   path, password|nil, fingerprint|nil, dry_run                          kind, name,
 * signer, created_ms, seq, bags, items, left_out, taken, users, items_taken, newer, same, skipped
 *   export   path, password|nil                                                    signer, users,
 * groups, items, left_out, operations, bytes
 *   export-outbox path                                                             as of export
 *
 * Paths are of the process that does the verb: absolute ones.
 *
 * wait_ms 0 does not wait; else set, rm and apply end with the server's answer (0, the code it was
 * refused with, or E_TIMEOUT: the write is kept and goes out later). `op` is told in that case too:
 * the results of an end stand there whenever the write was made. A watch tells first one row whose
 * bag is "" and whose item is nil: from then on nothing is missed. Timeouts of 0 mean the default.
 */
#ifndef KITBAG_CLIENT_AGENT_H
#define KITBAG_CLIENT_AGENT_H

#include "base/pack.h"
#include "client/include/kitbag.h"

enum {
    AGENT_FRAME_MAX = 3670016,  /* 3.5 MiB */
    AGENT_CLIENTS_MAX = 64,     /* at a time; one more is answered E_BUSY */
    AGENT_ELEMENTS_MAX = 65536, /* msgpack objects of one frame */
    AGENT_SOCKET_MAX = 107,     /* bytes of the socket's path: the system's limit */
};

/* The row of `status`, in this order. */
#define AGENT_STATUS_FIELDS                                                                        \
    "phase connected code text device name history server head_seq seq users bags bags_complete "  \
    "items pending refused last_heard_ms wanted healed verified_ms kept mirror_seq mirror_code "   \
    "mirror_text mirror_from mirror_bytes"
/* phase: enum kb_phase as a number; connected, wanted: bool (wanted: it was started and not
 * stopped); code, mirror_code: positive; device, history, server: "" when not known. */

/* The row of `explain`. */
#define AGENT_EXPLAIN_FIELDS                                                                       \
    "layer pending category sharing copy sharing_seq seq time_ms origin device bytes shared own "  \
    "fallback"
/* layer: enum kb_layer, sharing: enum kb_sharing, both as numbers; category, origin, device: ""
 * when it is not known or none; bytes: nil when there is no value. shared, own and fallback are
 * arrays of what the layers have: [there, initialised_seq, seq, time_ms, origin, size]. */

/* --- requests and answers as bytes --- */

/* Begin a request: the verb and room for `arguments` of them, to be packed by the caller. */
void agent_begin(struct buf *out, const char *verb, uint32_t arguments);

/* One frame of an answer. */
struct agent_frame {
    bool end;
    int code;           /* of an end: 0 or negative */
    char text[384];     /* of an end */
    struct walk fields; /* of a row: its fields; of an end: its results */
};
/* `scratch` is zeroed before its first use, reused, and closed by the caller (unpack_close); fields
 * live as long as both. E_MALFORMED, E_TOO_LARGE, E_NOMEM. */
MUST_CHECK int agent_frame_read(struct span bytes, struct unpacked *scratch,
                                struct agent_frame *out);

/* --- doing them --- */

/* Is told each frame, borrowed for the call. Not 0: nothing more is told, a watch ends. */
typedef int agent_reply_fn(void *context, struct span frame);

/* Do one request on an open folder. `cancel_fd` (-1: none): readable or hung up when nobody waits
 * for the answer any more; watch and the waiting verbs then end early. Verbs that need the server
 * connect first when the machine was started. Bad requests are answered by an end with
 * E_MALFORMED or E_INVALID. Returns 0 or what `reply` returned. Safe from several threads. */
MUST_CHECK int agent_handle(struct kb *kb, struct span request, int cancel_fd,
                            agent_reply_fn *reply, void *context);

/* Ask the process that serves `socket`. E_UNREACHABLE: nobody does; E_IO: it went away in the
 * middle; E_MALFORMED, E_TOO_LARGE: what it says is no answer; or what `reply` returned. */
MUST_CHECK int agent_call(const char *socket, struct span request, agent_reply_fn *reply,
                          void *context, struct err *err);

/* The two together: by the agent when one serves the folder, else in this process (the folder is
 * opened, and closed before this returns). `by_agent` (may be NULL) tells which. What kb_open
 * refuses with is returned; else as agent_call. */
MUST_CHECK int agent_request(const struct kb_options *options, struct span request, bool *by_agent,
                             agent_reply_fn *reply, void *context, struct err *err);

/* DIR/agent.sock unless options->socket names another. E_INVALID: longer than AGENT_SOCKET_MAX. */
MUST_CHECK int agent_socket_path(const struct kb_options *options, char *out, size_t size,
                                 struct err *err);

/* Serve `socket` until `stop_fd` is readable: `kb` is connected first when it was started, clients
 * are answered by a thread each while they ask. `ready` (may be NULL) is called once the socket
 * takes connections. A stale socket file is replaced (the caller owns the folder, so no other agent
 * can be alive). Returns 0 after a stop, with the socket file removed and all clients gone. */
MUST_CHECK int agent_run(struct kb *kb, const char *socket, int stop_fd,
                         void (*ready)(void *context), void *context, struct err *err);

#endif
