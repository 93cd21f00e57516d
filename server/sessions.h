/* server/sessions.h - the sessions of all connected machines: carries out what their feeds ask for.
 *
 * A connection (peer) has one feed from its first message on; after HELLO it belongs to a device,
 * of which the newest connection wins. Every message's key is looked up in the registry again.
 *
 * Nothing that a machine asks for holds up others for long: pages, lists of bags, batches of the
 * journal and FOLLOWs beyond a few are worked off a slice at a time, by turns.
 *
 * Keeps true: a feed is stepped only when nobody is in the middle of another's list of actions; a
 * device that was removed, or has another key now, has no session; one whose rights were changed
 * says HELLO again before anything is sent to it.
 *
 * Owned by the main thread.
 */
#ifndef KITBAG_SERVER_SESSIONS_H
#define KITBAG_SERVER_SESSIONS_H

#include "admin/backend.h"
#include "server/committer.h"
#include "server/seen.h"
#include "server/sign_ins.h"
#include "transport/feed.h"
#include "transport/router.h"

struct sessions;

/* The socket, or a test's stand-in. As router_send, router_cut, router_address. */
struct sessions_port {
    int (*send)(void *context, const struct peer *peer, struct span bytes);
    void (*cut)(void *context, const struct peer *peer);
    const char *(*address)(void *context, const struct peer *peer);
    void *context;
};

struct sessions_options {
    struct sessions_port port;
    struct committer *committer;     /* borrowed for life */
    const struct registry *registry; /* borrowed for life */
    struct journal *journal;         /* borrowed for life */
    const struct clock *clock;       /* borrowed for life */
    struct seen *seen;               /* borrowed for life: is told where devices are; may be NULL */
    struct sign_ins *sign_ins;       /* borrowed for life: is told who signs in; may be NULL */
    uint64_t heartbeat_ms;
    size_t bags_max;      /* that one session may follow */
    size_t bags_max_kept; /* the same of a device that keeps groups or everybody; at least that */
    size_t sessions_max;  /* more peers than this are cut */
    size_t budget_bytes;  /* of messages in parts, all together */
};

MUST_CHECK int sessions_new(struct sessions **out, const struct sessions_options *options,
                            struct err *err);
void sessions_free(struct sessions **sessions); /* tells nobody */

/* A message came. */
void sessions_message(struct sessions *sessions, const struct peer *peer,
                      const uint8_t key[KEY_SIZE], struct span bytes);
/* A message broke the rules of the frame, and the router is cutting this peer: it is told why, and
 * its session ends. */
void sessions_broken(struct sessions *sessions, const struct peer *peer);

/* What the committer delivers (struct committer_sink). */
void sessions_device_changed(struct sessions *sessions, uint64_t device);
void sessions_replies(struct sessions *sessions, const struct reply *replies, size_t count);
void sessions_changes(struct sessions *sessions, const struct change *changes, size_t count,
                      const struct journal_position *head);

/* Read up to `count` pages for those whose turn it is; true when others still wait. */
bool sessions_turns(struct sessions *sessions, size_t count);
/* Time passed: call it each 100 ms; every session gets its tick about once a second. */
void sessions_tick(struct sessions *sessions);
void sessions_state_changed(struct sessions *sessions);
/* All sessions end with this word. */
void sessions_end_all(struct sessions *sessions, int code, const char *text);

/* Is the user signed in at a machine that is connected? */
bool sessions_uses(void *context, uint64_t user_bag); /* a sign_ins_used_fn */
/* Bags that devices fetched anew because their digest differed, as they told since the start. */
uint64_t sessions_healed(const struct sessions *sessions);
void sessions_replicas(struct sessions *sessions, struct server_replicas *out);
uint64_t sessions_count(const struct sessions *sessions);   /* of devices that said HELLO */
uint64_t sessions_waiting(const struct sessions *sessions); /* of them: told of unsent writes */
/* E_NOT_FOUND: never seen since the start. */
MUST_CHECK int sessions_device(const struct sessions *sessions, uint64_t device,
                               struct device_live *out);
/* READ_ONLY because of the committer; else whether an administrator stopped synchronization. */
enum wire_state sessions_state(const struct sessions *sessions);

#endif
