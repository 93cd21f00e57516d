/* server/sessions.c - who is connected. */
#include "server/sessions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "server/sessions_inside.h"

enum { TICKS_PER_SECOND = 10, STREAM_MAX_BYTES = 2 * BATCH_PAYLOAD_MAX };

/* --- tables --- */

static uint64_t hash_peer(const struct peer *peer)
{
    return table_hash(span_of(peer->id, peer->size), 0);
}

static uint64_t hash_number(uint64_t number)
{
    return table_hash(span_of(&number, sizeof number), 0);
}

static bool match_peer(const struct table_node *node, const void *key)
{
    const struct peer *a = &SESSION_OF(node, by_peer)->peer;
    const struct peer *b = key;
    return a->size == b->size && memcmp(a->id, b->id, a->size) == 0;
}

static bool match_number(const struct table_node *node, const void *key)
{
    return SESSION_OF(node, by_number)->number == *(const uint64_t *)key;
}

static bool match_device(const struct table_node *node, const void *key)
{
    return SESSION_OF(node, by_device)->device == *(const uint64_t *)key;
}

static bool match_seen(const struct table_node *node, const void *key)
{
    return TABLE_OWNER(node, struct device_seen, by_device)->live.device == *(const uint64_t *)key;
}

static struct session *find_peer(const struct sessions *sessions, const struct peer *peer)
{
    struct table_node *node = table_find(&sessions->by_peer, hash_peer(peer), match_peer, peer);
    return node != NULL ? SESSION_OF(node, by_peer) : NULL;
}

struct session *sessions_find_number(const struct sessions *sessions, uint64_t number)
{
    struct table_node *node =
        table_find(&sessions->by_number, hash_number(number), match_number, &number);
    return node != NULL ? SESSION_OF(node, by_number) : NULL;
}

struct session *sessions_find_device(const struct sessions *sessions, uint64_t device)
{
    struct table_node *node =
        table_find(&sessions->by_device, hash_number(device), match_device, &device);
    return node != NULL ? SESSION_OF(node, by_device) : NULL;
}

uint64_t sessions_now(const struct sessions *sessions)
{
    return clock_mono_ms(sessions->options.clock);
}

/* --- what is known of devices --- */

static struct device_seen *find_seen(const struct sessions *sessions, uint64_t device)
{
    struct table_node *node = table_find(&sessions->seen, hash_number(device), match_seen, &device);
    return node != NULL ? TABLE_OWNER(node, struct device_seen, by_device) : NULL;
}

struct device_seen *sessions_seen(struct sessions *sessions, uint64_t device)
{
    struct device_seen *seen = find_seen(sessions, device);
    if (seen == NULL) {
        seen = calloc(1, sizeof *seen);
        if (seen != NULL) {
            seen->live.device = device;
            table_add(&sessions->seen, &seen->by_device, hash_number(device));
        }
    }
    return seen;
}

int sessions_device(const struct sessions *sessions, uint64_t device, struct device_live *out)
{
    ASSERT(sessions != NULL && out != NULL);
    const struct device_seen *seen = find_seen(sessions, device);
    if (seen == NULL) {
        return E_NOT_FOUND;
    }
    *out = seen->live;
    const struct session *session = sessions_find_device(sessions, device);
    out->connected = session != NULL;
    out->followed = session != NULL ? feed_bags(session->feed) : 0;
    return 0;
}

uint64_t sessions_healed(const struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    return sessions->healed;
}

uint64_t sessions_waiting(const struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    return sessions->waiting;
}

uint64_t sessions_count(const struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    return sessions->by_device.count;
}

enum wire_state sessions_state(const struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    const struct committer *committer = sessions->options.committer;
    if (committer_state(committer) != COMMITTER_RUNNING) {
        return WIRE_READ_ONLY;
    }
    return committer_sync(committer)->stopped ? WIRE_STOPPED : WIRE_RUNNING;
}

/* --- coming and going --- */

static void enter_ring(struct sessions *sessions, struct session *session)
{
    if (sessions->ring == NULL) {
        session->next = session;
        session->prev = session;
        sessions->ring = session;
    } else {
        session->next = sessions->ring;
        session->prev = sessions->ring->prev;
        session->prev->next = session;
        session->next->prev = session;
    }
    sessions->count++;
}

static void leave_ring(struct sessions *sessions, struct session *session)
{
    if (session->next == session) {
        sessions->ring = NULL;
    } else {
        session->next->prev = session->prev;
        session->prev->next = session->next;
        if (sessions->ring == session) {
            sessions->ring = session->next;
        }
    }
    sessions->count--;
}

static struct session *make_session(struct sessions *sessions, const struct peer *peer,
                                    const uint8_t *key)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return NULL;
    }
    do {
        session->number = random_u64();
    } while (sessions_find_number(sessions, session->number) != NULL);
    struct feed_options options = {
        .session = session->number,
        .heartbeat_ms = sessions->options.heartbeat_ms,
        .bags_max = sessions->options.bags_max,
        .pool = sessions->pool,
    };
    if (feed_new(&session->feed, &options) != 0) {
        free(session);
        return NULL;
    }
    session->peer = *peer;
    memcpy(session->key, key, KEY_SIZE);
    table_add(&sessions->by_peer, &session->by_peer, hash_peer(peer));
    table_add(&sessions->by_number, &session->by_number, hash_number(session->number));
    enter_ring(sessions, session);
    return session;
}

void sessions_widen(struct sessions *sessions, struct session *session)
{
    ASSERT(sessions != NULL && session != NULL && !session->wide);
    session->wide = true;
    session->wide_prev = NULL;
    session->wide_next = sessions->wides;
    if (sessions->wides != NULL) {
        sessions->wides->wide_prev = session;
    }
    sessions->wides = session;
}

static void narrow(struct sessions *sessions, struct session *session)
{
    if (!session->wide) {
        return;
    }
    session->wide = false;
    if (session->wide_prev != NULL) {
        session->wide_prev->wide_next = session->wide_next;
    } else {
        sessions->wides = session->wide_next;
    }
    if (session->wide_next != NULL) {
        session->wide_next->wide_prev = session->wide_prev;
    }
}

void sessions_forget(struct sessions *sessions, struct session *session)
{
    if (session->device != 0) {
        struct device_seen *seen = find_seen(sessions, session->device);
        if (seen != NULL) {
            seen->live.last_seen_ms = clock_wall_ms(sessions->options.clock);
        }
        table_remove(&sessions->by_device, &session->by_device);
    }
    table_remove(&sessions->by_peer, &session->by_peer);
    table_remove(&sessions->by_number, &session->by_number);
    leave_ring(sessions, session);
    sessions->waiting -= session->waits;
    followers_remove_all(&sessions->followers, &session->follower);
    turns_drop(&sessions->turns, &session->turn);
    turns_drop(&sessions->laters, &session->later.turn);
    session_mirror_stop(sessions, session);
    narrow(sessions, session);
    feed_free(&session->feed);
    free(session->runs);
    free(session);
}

void sessions_adopt(struct sessions *sessions, struct session *session, uint64_t device)
{
    struct session *older = sessions_find_device(sessions, device);
    if (older == session) {
        return;
    }
    if (older != NULL) {
        session_end(sessions, older, E_SUPERSEDED, err_meaning(E_SUPERSEDED));
    }
    ASSERT(session->device == 0);
    session->device = device;
    table_add(&sessions->by_device, &session->by_device, hash_number(device));
}

/* --- messages --- */

/* Nobody's key: a token that was removed, or a device's that got a new one, after the handshake. */
static bool is_stranger(struct sessions *sessions, const struct session *session,
                        const uint8_t *key)
{
    if (session != NULL && memcmp(session->key, key, KEY_SIZE) != 0) {
        return true; /* a connection has one key */
    }
    return registry_peer(sessions->options.registry, key).kind == REGISTRY_NOBODY;
}

void sessions_message(struct sessions *sessions, const struct peer *peer,
                      const uint8_t key[KEY_SIZE], struct span bytes)
{
    ASSERT(sessions != NULL && peer != NULL && key != NULL);
    struct session *session = find_peer(sessions, peer);
    if (is_stranger(sessions, session, key)) {
        if (session != NULL) {
            sessions_forget(sessions, session);
        }
        sessions->options.port.cut(sessions->options.port.context, peer);
        return;
    }
    if (session == NULL && sessions->count < sessions->options.sessions_max) {
        session = make_session(sessions, peer, key);
    }
    if (session == NULL) {
        sessions->options.port.cut(sessions->options.port.context, peer);
        return;
    }
    if (session->device != 0 && !registry_holds(sessions->options.registry, session->device, key)) {
        session_end(sessions, session, E_DEVICE_REMOVED, err_meaning(E_DEVICE_REMOVED));
        return;
    }
    session_run(sessions, session, (struct feed_event){.kind = FEED_FRAME, .frame = bytes});
}

/* One that has no session yet. */
static void tell_error(struct sessions *sessions, const struct peer *peer, int code,
                       const char *text)
{
    struct buf frame;
    buf_init(&frame, WIRE_FRAME_MAX);
    wire_put_error(&frame, 0, code, text, true);
    if (buf_error(&frame) == 0) { /* it is cut, told or not */
        (void)sessions->options.port.send(sessions->options.port.context, peer, buf_span(&frame));
    }
    buf_free(&frame);
}

void sessions_broken(struct sessions *sessions, const struct peer *peer)
{
    static const char why[] = "a message has more than one part, or more than 65,536 bytes";
    ASSERT(sessions != NULL && peer != NULL);
    struct session *session = find_peer(sessions, peer);
    if (session != NULL) {
        session_end(sessions, session, E_MALFORMED, why);
    } else {
        tell_error(sessions, peer, E_MALFORMED, why);
    }
}

/* --- time --- */

bool sessions_turns(struct sessions *sessions, size_t count)
{
    ASSERT(sessions != NULL);
    sessions->round++;
    for (size_t i = 0; i < count; i++) {
        bool later = turns_any(&sessions->laters) && (i % 2 == 1 || !turns_any(&sessions->turns));
        struct turn *turn = turns_take(later ? &sessions->laters : &sessions->turns);
        if (turn == NULL) {
            return false;
        }
        if (later) {
            session_later(sessions, TABLE_OWNER(turn, struct session, later.turn));
        } else {
            session_run(sessions, TABLE_OWNER(turn, struct session, turn),
                        (struct feed_event){.kind = FEED_TURN});
        }
    }
    return turns_any(&sessions->turns) || turns_any(&sessions->laters);
}

void sessions_tick(struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    sessions_mirrors_tick(sessions);
    struct journal_position head;
    journal_head(sessions->options.journal, &head);
    size_t due = sessions->count / TICKS_PER_SECOND + (sessions->count > 0);
    for (size_t i = 0; i < due && sessions->ring != NULL; i++) {
        struct session *session = sessions->ring;
        sessions->ring = session->next;
        struct feed_event event = {.kind = FEED_TICK, .head_seq = head.seq};
        event.newest_bag = session_newest_bag(sessions, session);
        session_run(sessions, session, event);
    }
}

/* Run each session that is there now; those may go meanwhile. */
static void run_all(struct sessions *sessions, const struct feed_event *event)
{
    size_t count = sessions->count;
    for (size_t i = 0; i < count && sessions->ring != NULL; i++) {
        struct session *session = sessions->ring;
        sessions->ring = session->next;
        session_run(sessions, session, *event);
    }
}

void sessions_state_changed(struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    run_all(sessions, &(struct feed_event){.kind = FEED_STATE, .state = sessions_state(sessions)});
}

void sessions_end_all(struct sessions *sessions, int code, const char *text)
{
    ASSERT(sessions != NULL && text != NULL);
    run_all(sessions, &(struct feed_event){.kind = FEED_END, .end = {code, text}});
}

/* --- birth and death --- */

int sessions_new(struct sessions **out, const struct sessions_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL);
    struct sessions *sessions = calloc(1, sizeof *sessions);
    struct bag_row *listed = malloc(WIRE_OWNERS_MAX * sizeof *listed);
    if (sessions == NULL || listed == NULL ||
        feed_pool_new(&sessions->pool, options->budget_bytes) != 0) {
        free(sessions);
        free(listed);
        return err_set(err, E_NOMEM, "the sessions: out of memory");
    }
    sessions->options = *options;
    sessions->listed = listed;
    if (options->bags_max_kept < options->bags_max) {
        sessions->options.bags_max_kept = options->bags_max;
    }
    buf_init(&sessions->stream, STREAM_MAX_BYTES);
    buf_init(&sessions->batches, 2 * BATCH_SIZE_MAX);
    pages_init(&sessions->pages);
    *out = sessions;
    return 0;
}

static void free_seen(void *context, struct table_node *node)
{
    (void)context;
    free(TABLE_OWNER(node, struct device_seen, by_device));
}

void sessions_free(struct sessions **sessions)
{
    if (sessions == NULL || *sessions == NULL) {
        return;
    }
    struct sessions *gone = *sessions;
    while (gone->ring != NULL) {
        sessions_forget(gone, gone->ring);
    }
    table_each(&gone->seen, free_seen, NULL);
    table_free(&gone->seen);
    table_free(&gone->by_peer);
    table_free(&gone->by_number);
    table_free(&gone->by_device);
    followers_free(&gone->followers);
    pages_free(&gone->pages);
    buf_free(&gone->stream);
    buf_free(&gone->batches);
    feed_pool_free(&gone->pool);
    free((void *)gone->followed.changes);
    free(gone->followed.encoded);
    free((void *)gone->picked.changes);
    free(gone->picked.encoded);
    free(gone->listed);
    free(gone->outcomes);
    free(gone);
    *sessions = NULL;
}
