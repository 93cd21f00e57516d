/* tests/sim/net.c - pipes of frames with the times at which they arrive. */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/chance.h"
#include "tests/sim/verdict.h"

enum {
    PIPE_BYTES = 1 << 20, /* as of router_send */
    PIPE_UP_BYTES = 256 << 10,
    TELL_MS = 3000, /* until a machine hears that its connection broke */
    CUT_MS = 100,
    LATE_MS = 4000,
};

struct net net;

void net_begin(void)
{
    net = (struct net){.delay_ms = 5};
}

static void drop_frames(struct net_pipe *pipe, size_t keep)
{
    struct net_frame **at = &pipe->first;
    pipe->last = NULL;
    pipe->bytes = 0;
    for (; *at != NULL && keep > 0; keep--) {
        pipe->last = *at;
        pipe->bytes += (*at)->size;
        at = &(*at)->next;
    }
    while (*at != NULL) {
        struct net_frame *frame = *at;
        *at = frame->next;
        free(frame);
    }
}

static size_t count_of(const struct net_pipe *pipe)
{
    size_t count = 0;
    for (const struct net_frame *frame = pipe->first; frame != NULL; frame = frame->next) {
        count++;
    }
    return count;
}

/* It breaks at some byte: whole frames before it arrive. */
static void lose_tail(struct net_pipe *pipe)
{
    drop_frames(pipe, chance_below(count_of(pipe) + 1));
}

static void conn_free(struct conn *conn)
{
    drop_frames(&conn->pipes[NET_UP], 0);
    drop_frames(&conn->pipes[NET_DOWN], 0);
    free(conn);
}

void net_end(void)
{
    while (net.conns != NULL) {
        struct conn *conn = net.conns;
        net.conns = conn->next;
        conn_free(conn);
    }
    net = (struct net){0};
}

/* Those that nobody can be told anything by any more. */
static void sweep(void)
{
    for (struct conn **at = &net.conns; *at != NULL;) {
        struct conn *conn = *at;
        bool silent = conn->server_gone || (conn->broken && conn->pipes[NET_UP].first == NULL);
        if (conn->machine_gone && silent) {
            *at = conn->next;
            conn_free(conn);
        } else {
            at = &conn->next;
        }
    }
}

static uint64_t delay(void)
{
    return net.calm ? chance_below(3) : chance_mostly_small(net.delay_ms);
}

static void push(struct net_pipe *pipe, struct span bytes)
{
    struct net_frame *frame = malloc(sizeof *frame + bytes.size);
    must_hold(frame != NULL, "there is memory");
    uint64_t at_ms = chance.now_ms + delay();
    frame->next = NULL;
    frame->at_ms = at_ms > pipe->last_ms ? at_ms : pipe->last_ms;
    frame->size = bytes.size;
    memcpy(frame->bytes, bytes.data, bytes.size);
    pipe->last_ms = frame->at_ms;
    pipe->bytes += bytes.size;
    if (pipe->last != NULL) {
        pipe->last->next = frame;
    } else {
        pipe->first = frame;
    }
    pipe->last = frame;
    net.frames++;
}

static struct net_frame *pop(struct conn *conn, enum net_side side)
{
    struct net_pipe *pipe = &conn->pipes[side];
    struct net_frame *frame = pipe->first;
    pipe->first = frame->next;
    pipe->last = pipe->first == NULL ? NULL : pipe->last;
    pipe->bytes -= frame->size;
    chance_note(side == NET_UP ? "up" : "down", conn->id, frame->size);
    net_watch(conn, side, frame);
    chance_note_bytes(span_of(frame->bytes, frame->size));
    return frame;
}

static uint64_t arrives_ms(const struct conn *conn, enum net_side side)
{
    const struct net_frame *frame = conn->pipes[side].first;
    uint64_t blocked_ms = net.blocked_ms[conn->machine][side];
    if (frame == NULL) {
        return UINT64_MAX;
    }
    return frame->at_ms > blocked_ms ? frame->at_ms : blocked_ms;
}

/* --- the machine's side --- */

void net_dial(unsigned machine, const uint8_t key[KEY_SIZE])
{
    net_hang_up(machine);
    struct conn *conn = calloc(1, sizeof *conn);
    must_hold(conn != NULL, "there is memory");
    conn->id = ++net.ids;
    conn->machine = machine;
    conn->dialling = true;
    memcpy(conn->key, key, KEY_SIZE);
    conn->at_ms = chance.now_ms + 1 + delay();
    conn->next = net.conns;
    net.conns = conn;
    net.of[machine] = conn;
}

void net_hang_up(unsigned machine)
{
    struct conn *conn = net.of[machine];
    net.of[machine] = NULL;
    if (conn == NULL) {
        return;
    }
    conn->machine_gone = true;
    conn->broken = true;
    drop_frames(&conn->pipes[NET_DOWN], 0);
    lose_tail(&conn->pipes[NET_UP]);
    if (!net.calm && chance_percent(20)) { /* overtaken by the next connection */
        uint64_t late_ms = chance_below(LATE_MS);
        for (struct net_frame *at = conn->pipes[NET_UP].first; at != NULL; at = at->next) {
            at->at_ms += late_ms;
        }
    }
    sweep();
}

int net_send_up(unsigned machine, struct span bytes)
{
    struct conn *conn = net.of[machine];
    if (conn == NULL || conn->dialling) {
        return E_UNREACHABLE;
    }
    if (conn->pipes[NET_UP].bytes > PIPE_UP_BYTES) {
        return E_BUSY;
    }
    if (!conn->broken) {
        push(&conn->pipes[NET_UP], bytes);
    }
    return 0;
}

uint64_t net_next_ms(unsigned machine)
{
    const struct conn *conn = net.of[machine];
    if (conn == NULL) {
        return UINT64_MAX;
    }
    const uint64_t *blocked_ms = net.blocked_ms[machine];
    if (conn->dialling) {
        uint64_t at_ms = conn->at_ms > blocked_ms[NET_UP] ? conn->at_ms : blocked_ms[NET_UP];
        return at_ms > blocked_ms[NET_DOWN] ? at_ms : blocked_ms[NET_DOWN];
    }
    uint64_t at_ms = arrives_ms(conn, NET_DOWN);
    return conn->pipes[NET_DOWN].first == NULL && conn->at_ms != 0 ? conn->at_ms : at_ms;
}

static enum net_news end_of_dialling(struct conn *conn)
{
    if (!server_is_up()) {
        net.of[conn->machine] = NULL;
        conn->machine_gone = conn->server_gone = true;
        sweep();
        return NET_IS_DOWN;
    }
    if (!server_admits(conn->key)) {
        net.of[conn->machine] = NULL;
        conn->machine_gone = conn->server_gone = true;
        sweep();
        return NET_IS_REFUSED;
    }
    conn->dialling = false;
    conn->at_ms = 0;
    return NET_IS_UP;
}

enum net_news net_take(unsigned machine, struct net_frame **frame)
{
    struct conn *conn = net.of[machine];
    if (conn == NULL || net_next_ms(machine) > chance.now_ms) {
        return NET_NOTHING;
    }
    if (conn->dialling) {
        return end_of_dialling(conn);
    }
    if (conn->pipes[NET_DOWN].first != NULL) {
        *frame = pop(conn, NET_DOWN);
        return NET_IS_FRAME;
    }
    net.of[machine] = NULL;
    conn->machine_gone = true;
    sweep();
    return NET_IS_DOWN;
}

/* --- the server's side --- */

struct peer net_peer_of(const struct conn *conn)
{
    struct peer peer = {.size = sizeof conn->id};
    memcpy(peer.id, &conn->id, sizeof conn->id);
    return peer;
}

struct conn *net_conn_of(const struct peer *peer)
{
    uint64_t id = 0;
    memcpy(&id, peer->id, sizeof id);
    struct conn *conn = net.conns;
    while (conn != NULL && conn->id != id) {
        conn = conn->next;
    }
    return conn;
}

int net_send_down(const struct peer *peer, struct span bytes)
{
    struct conn *conn = net_conn_of(peer);
    if (conn == NULL || conn->server_gone) {
        return E_NOT_FOUND;
    }
    if (conn->pipes[NET_DOWN].bytes + bytes.size > PIPE_BYTES) {
        return E_BUSY;
    }
    if (!conn->broken) {
        push(&conn->pipes[NET_DOWN], bytes);
    }
    return 0;
}

/* What was sent before arrives, if the connection holds; what comes is swallowed. */
static void server_lets_go(struct conn *conn, uint64_t told_ms)
{
    conn->server_gone = true;
    conn->broken = true;
    drop_frames(&conn->pipes[NET_UP], 0);
    if (!conn->machine_gone && !conn->dialling && conn->at_ms == 0) {
        conn->at_ms = told_ms;
    }
}

void net_cut(const struct peer *peer)
{
    struct conn *conn = net_conn_of(peer);
    if (conn != NULL && !conn->server_gone) {
        server_lets_go(conn, chance.now_ms + CUT_MS);
        sweep();
    }
}

uint64_t net_server_next_ms(void)
{
    uint64_t next_ms = UINT64_MAX;
    for (const struct conn *conn = net.conns; conn != NULL; conn = conn->next) {
        uint64_t at_ms = arrives_ms(conn, NET_UP);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms;
}

struct net_frame *net_server_take(struct conn **from)
{
    size_t due = 0;
    struct conn *chosen = NULL;
    for (struct conn *conn = net.conns; conn != NULL; conn = conn->next) {
        if (arrives_ms(conn, NET_UP) <= chance.now_ms && chance_below(++due) == 0) {
            chosen = conn;
        }
    }
    *from = chosen;
    return chosen != NULL ? pop(chosen, NET_UP) : NULL;
}

void net_server_ended(void)
{
    for (struct conn *conn = net.conns; conn != NULL; conn = conn->next) {
        if (conn->server_gone) {
            continue;
        }
        lose_tail(&conn->pipes[NET_DOWN]);
        server_lets_go(conn, chance.now_ms + 1 + chance_below(TELL_MS));
    }
    sweep();
}

/* --- what goes wrong --- */

void net_break(unsigned machine)
{
    struct conn *conn = net.of[machine];
    if (conn == NULL || conn->dialling || conn->broken) {
        return;
    }
    net.breaks++;
    conn->broken = true;
    lose_tail(&conn->pipes[NET_UP]);
    lose_tail(&conn->pipes[NET_DOWN]);
    /* Now and then it is never told, and has to notice by the silence. */
    conn->at_ms = chance_percent(75) ? chance.now_ms + 1 + chance_below(TELL_MS) : 0;
}

void net_block(unsigned machine, enum net_side side, uint64_t until_ms)
{
    net.blocked_ms[machine][side] = until_ms;
}

void net_calm(void)
{
    net.calm = true;
    memset(net.blocked_ms, 0, sizeof net.blocked_ms);
}
