/* tests/client/toy.h - a server small enough to read: one thread, everything in memory.
 *
 * It speaks docs/protocol.md as far as libkitbag's tests need it: whole bags in one page, no parts,
 * no credit. Tests ask its thread to do things (toy_do), so that what they look at stands still.
 */
#ifndef KITBAG_TESTS_CLIENT_TOY_H
#define KITBAG_TESTS_CLIENT_TOY_H

#include "tests/client/toy_write.h"

/* --- messages --- */

static inline void toy_error(struct toy *toy, struct toy_peer *peer, int code)
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_error(&out, peer->session, code, "the toy says no", true);
    toy_send(toy, peer, &out);
}

static inline void toy_hello(struct toy *toy, struct toy_peer *peer, const struct wire_hello *hello)
{
    struct buf out;
    if (toy->refuse_hello != 0) {
        toy_error(toy, peer, toy->refuse_hello);
        return;
    }
    if (hello->writer != toy->writer) {
        toy->writer = hello->writer;
        toy->highest = 0;
    }
    peer->open = true;
    peer->session = toy->post != NULL ? ++toy->sessions : random_u64();
    peer->followed_count = 0;
    struct wire_welcome welcome = {.version = WIRE_VERSION,
                                   .head_seq = toy->head,
                                   .state = WIRE_RUNNING,
                                   .device = TOY_DEVICE,
                                   .device_bag = toy->bags[1].bag_id,
                                   .fleet_bag = toy->bags[0].bag_id,
                                   .heartbeat_ms = 2000,
                                   .window = WIRE_WINDOW_MAX,
                                   .keep = toy->keep,
                                   .mirror = toy->mirror,
                                   .resume_seq =
                                       toy->resume_seq != 0 ? toy->resume_seq : WIRE_SAME_HISTORY};
    memcpy(welcome.history, toy->history, HISTORY_SIZE);
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_welcome(&out, peer->session, &welcome);
    toy_send(toy, peer, &out);
}

static inline void toy_join(struct toy *toy, struct toy_peer *peer, const struct wire_join *join)
{
    struct buf out;
    toy->joins++;
    if (toy->join_code != 0) {
        toy_error(toy, peer, toy->join_code);
        return;
    }
    memcpy(toy->device_key, join->public_key, KEY_SIZE);
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_joined(&out, TOY_DEVICE, toy->history);
    toy_send(toy, peer, &out);
}

static inline struct bag_row toy_row(const struct toy_bag *bag)
{
    return (struct bag_row){
        .exists = true, .bag_id = bag->bag_id, .last_seq = bag->last_seq, .owner = bag->owner};
}

static inline struct toy_bag *toy_ensure(struct toy *toy, enum owner_kind kind, struct span name)
{
    struct owner owner;
    assert_int_equal(owner_make(&owner, kind, name, 0, NULL), 0);
    struct toy_bag *bag = toy_bag_of(toy, &owner);
    return bag != NULL ? bag : toy_create(toy, &owner);
}

static inline void toy_sign_in(struct toy *toy, struct toy_peer *peer,
                               const struct wire_message *message)
{
    struct buf out;
    struct bag_row rows[8];
    size_t count = 0;
    char path[64];
    int code = toy->sign_in_code;
    toy->sign_ins++;
    toy->sign_in_bag = message->sign_in.bag_id;
    toy->last_groups[0] = '\0';
    if (message->sign_in.bag_id != 0 && toy_bag(toy, message->sign_in.bag_id) == NULL) {
        code = toy->gone_code != 0 ? toy->gone_code : E_BAG_GONE;
    }
    if (code == 0) {
        struct toy_bag *user = toy_ensure(toy, OWNER_USER, message->sign_in.user);
        struct span name = span_str(user->owner.shown);
        toy_user_path(path, user->bag_id);
        if (!toy_is_signed_in(toy, user->bag_id)) {
            (void)toy_put(toy, toy_device_bag(toy), span_str(path), &name);
        }
        rows[count++] = toy_row(user);
        struct owner own = user->owner;
        own.kind = OWNER_USER_DEVICE;
        own.device = TOY_DEVICE;
        if (toy_bag_of(toy, &own) != NULL) {
            rows[count++] = toy_row(toy_bag_of(toy, &own));
        }
        for (size_t i = 0; i < message->sign_in.groups.count; i++) {
            struct span group = wire_group_at(&message->sign_in.groups, i);
            size_t used = strlen(toy->last_groups);
            (void)snprintf(toy->last_groups + used, sizeof toy->last_groups - used, "%.*s ",
                           (int)group.size, (const char *)group.data);
            rows[count++] = toy_row(toy_ensure(toy, OWNER_GROUP, group));
        }
    }
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_signed_in(&out, peer->session, message->sign_in.ref, code,
                       code != 0 ? "the toy says no" : "", rows, count);
    toy_send(toy, peer, &out);
}

static inline void toy_sign_out(struct toy *toy, struct toy_peer *peer,
                                const struct wire_message *message)
{
    struct buf out;
    char path[64];
    toy->sign_outs++;
    toy_user_path(path, message->sign_out.bag_id);
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_signed_out(&out, peer->session, message->sign_out.ref, 0, "");
    toy_send(toy, peer, &out);
    (void)toy_put(toy, toy_device_bag(toy), span_str(path), NULL);
}

/* What lies below "late/" was set in a time to come, all else long ago. */
static inline uint64_t toy_time(const struct toy_item *item)
{
    return (strncmp(item->path, "late/", 5) == 0 ? 9000000000000 : 1000) + item->seq;
}

static inline void toy_page(struct toy *toy, struct toy_peer *peer, const struct toy_bag *bag)
{
    struct buf out;
    struct wire_position position = toy_position(toy);
    uint32_t live = 0;
    for (size_t i = 0; i < bag->count; i++) {
        live += bag->items[i].live ? 1 : 0;
    }
    buf_init(&out, WIRE_FRAME_MAX);
    wire_begin_page(&out, peer->session, bag->bag_id,
                    WIRE_PAGE_FIRST | WIRE_PAGE_LAST | WIRE_PAGE_WHOLE, 0, bag->last_seq, &position,
                    live);
    for (size_t i = 0; i < bag->count; i++) {
        const struct toy_item *item = &bag->items[i];
        struct item_row row = {.state = ITEM_LIVE,
                               .seq = item->seq,
                               .time_ms = toy_time(item),
                               .value = span_of(item->value, item->size)};
        if (item->live) {
            wire_put_row(&out, span_str(item->path), &row);
        }
    }
    toy_send(toy, peer, &out);
}

static inline struct digest toy_digest(const struct toy *toy, const struct toy_bag *bag)
{
    struct digest digest = {.high = toy->lies ? 1 : 0};
    for (size_t i = 0; bag != NULL && i < bag->count; i++) {
        const struct toy_item *item = &bag->items[i];
        if (item->live) {
            digest_add(&digest, span_str(item->path), item->seq, span_of(item->value, item->size));
        }
    }
    return digest;
}

static inline void toy_follow(struct toy *toy, struct toy_peer *peer, struct wire_bag wanted)
{
    struct toy_bag *bag = toy_bag(toy, wanted.bag_id);
    int gone = toy->gone_code != 0 ? toy->gone_code : E_BAG_GONE;
    int code = bag == NULL ? gone : (toy_may_read(toy, bag) ? 0 : E_NOT_ALLOWED);
    bool known = false;
    toy->follows++;
    for (size_t i = 0; i < peer->followed_count; i++) {
        known |= peer->followed[i] == wanted.bag_id;
    }
    if (code == 0 && !known) {
        assert_true(peer->followed_count < TOY_BAGS);
        peer->followed[peer->followed_count++] = wanted.bag_id;
    }
    if (code == 0 && bag->last_seq != wanted.cursor) {
        toy_page(toy, peer, bag);
        if (!toy->tells_digests) {
            return;
        }
        wanted.cursor = bag->last_seq; /* what it adds up to comes behind it */
    }
    struct buf out;
    struct digest digest = toy_digest(toy, bag);
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_bag(&out, peer->session, wanted.bag_id, code, wanted.cursor,
                 code != 0 ? "the toy says no" : "", toy->tells_digests ? &digest : NULL);
    toy_send(toy, peer, &out);
}

/* --- the rights of a device --- */

static inline bool toy_lists(const struct toy *toy, const struct toy_bag *bag)
{
    return !bag->gone && ((bag->owner.kind == OWNER_USER && toy->keep == WIRE_KEEP_EVERYBODY) ||
                          (bag->owner.kind == OWNER_GROUP && toy->keep != WIRE_KEEP_SIGNED_IN));
}

static inline void toy_list(struct toy *toy, struct toy_peer *peer, uint64_t after)
{
    struct buf out;
    struct bag_row rows[TOY_BAGS];
    size_t count = 0;
    bool end = true;
    toy->lists++;
    for (size_t i = 0; i < toy->bag_count; i++) { /* in the order of their ids */
        const struct toy_bag *bag = &toy->bags[i];
        if (!toy_lists(toy, bag) || bag->bag_id <= after) {
            continue;
        }
        if (toy->owners_page != 0 && count == toy->owners_page) {
            end = false;
            break;
        }
        rows[count++] = toy_row(bag);
    }
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_owners(&out, peer->session, 0, end, rows, count);
    toy_send(toy, peer, &out);
}

static inline void toy_mirror(struct toy *toy, struct toy_peer *peer,
                              const struct wire_mirror *from)
{
    struct buf out;
    int code = toy->mirror_code;
    toy->mirrors++;
    toy->mirror_from = from->seq;
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_mirroring(&out, peer->session, code, toy->floor_seq, code != 0 ? "no" : "");
    toy_send(toy, peer, &out);
    if (code == 0 && toy->batches.size > 0) {
        buf_init(&out, WIRE_FRAME_MAX);
        wire_put_batches(&out, peer->session, toy->head, toy->batches);
        toy_send(toy, peer, &out);
    }
    toy->mirror_code = code == E_TOO_OLD ? 0 : code;
}

/* Only what was asked is answered, so a machine without a thread hears of it at a known time. */
static inline void toy_heartbeat(struct toy *toy, struct toy_peer *peer,
                                 const struct wire_heartbeat *heard)
{
    struct buf out;
    struct wire_heartbeat beat = {
        .seq = toy->head, .current = toy->head, .newest_bag = toy->newest_bag};
    toy->healed = heard->healed;
    buf_init(&out, WIRE_FRAME_MAX);
    wire_put_heartbeat(&out, peer->session, &beat);
    toy_send(toy, peer, &out);
}

/* --- the thread --- */

static inline void toy_message(struct toy *toy, struct toy_peer *peer, struct span bytes)
{
    struct unpacked scratch = {0};
    struct wire_message message;
    assert_int_equal(wire_decode(bytes, &scratch, &message, NULL), 0);
    bool known =
        message.session == peer->session || message.type == WIRE_HELLO || message.type == WIRE_JOIN;
    switch (known && !toy->mute ? (int)message.type : 0) {
    case WIRE_HELLO:
        toy_hello(toy, peer, &message.hello);
        break;
    case WIRE_JOIN:
        toy_join(toy, peer, &message.join);
        break;
    case WIRE_SIGN_IN:
        toy_sign_in(toy, peer, &message);
        break;
    case WIRE_SIGN_OUT:
        toy_sign_out(toy, peer, &message);
        break;
    case WIRE_FOLLOW:
        for (size_t i = 0; i < message.follow.bags.count; i++) {
            toy_follow(toy, peer, wire_bag_at(&message.follow.bags, i));
        }
        break;
    case WIRE_LIST:
        toy_list(toy, peer, message.list.after);
        break;
    case WIRE_MIRROR:
        toy_mirror(toy, peer, &message.mirror);
        break;
    case WIRE_HEARTBEAT:
        if (toy->post != NULL) {
            toy_heartbeat(toy, peer, &message.heartbeat);
        }
        break;
    case WIRE_WRITE:
        toy_write(toy, peer, &message.write.operations);
        break;
    default:
        break;
    }
    unpack_close(&scratch);
}

static inline struct toy_peer *toy_peer(struct toy *toy, const struct peer *peer)
{
    struct toy_peer *fresh = &toy->peers[0];
    for (size_t i = 0; i < TOY_PEERS; i++) {
        struct toy_peer *known = &toy->peers[i];
        if (known->peer.size == peer->size && memcmp(known->peer.id, peer->id, peer->size) == 0) {
            return known;
        }
        if (known->peer.size == 0) {
            fresh = known;
        }
    }
    *fresh = (struct toy_peer){.peer = *peer};
    return fresh;
}

static inline void toy_receive(struct toy *toy)
{
    struct peer peer;
    uint8_t key[KEY_SIZE];
    struct span bytes;
    while (router_receive(toy->router, &peer, key, &bytes) == 0) {
        struct toy_peer *from = toy_peer(toy, &peer);
        bool joins = memcmp(key, toy->token.public_key, KEY_SIZE) == 0;
        assert_true(joins || memcmp(key, toy->device_key, KEY_SIZE) == 0);
        toy_message(toy, from, bytes);
    }
}

static inline void toy_run(struct thread *self, void *context)
{
    struct toy *toy = context;
    thread_ready(self, 0, NULL);
    while (!atomic_load(&toy->stopping)) {
        assert_int_equal(router_wait(toy->router, NULL, 0, 200), 0);
        (void)pthread_mutex_lock(&toy->lock);
        if (toy->task != NULL) {
            toy->task(toy, toy->task_context);
            toy->task = NULL;
            (void)pthread_cond_signal(&toy->done);
        }
        toy_receive(toy);
        (void)pthread_mutex_unlock(&toy->lock);
    }
}

static inline bool toy_admit(void *context, const uint8_t key[KEY_SIZE])
{
    const struct toy *toy = context;
    return !toy->forget_device || memcmp(key, toy->token.public_key, KEY_SIZE) == 0;
}

/* --- for tests --- */

static inline void toy_do(struct toy *toy, void (*task)(struct toy *toy, void *context),
                          void *context)
{
    (void)pthread_mutex_lock(&toy->lock);
    toy->task = task;
    toy->task_context = context;
    router_wake(toy->router);
    while (toy->task != NULL) {
        (void)pthread_cond_wait(&toy->done, &toy->lock);
    }
    (void)pthread_mutex_unlock(&toy->lock);
}

/* Listens (on the port it had, when it is started again). */
static inline void toy_start(struct toy *toy)
{
    char endpoint[64];
    const char *listen[] = {endpoint, NULL};
    struct router_options options = {
        .listen = listen, .keys = &toy->keys, .io_threads = 1, .admit = toy_admit, .context = toy};
    if (toy->port == 0) {
        (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:*");
    } else {
        (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", toy->port);
    }
    int rc = E_BUSY;
    for (int attempt = 0; rc == E_BUSY && attempt < 100; attempt++) {
        rc = router_open(&toy->router, &options, NULL);
        if (rc == E_BUSY) {
            const struct timespec pause = {.tv_nsec = 20000000};
            (void)nanosleep(&pause, NULL);
        }
    }
    assert_int_equal(rc, 0);
    toy->port = router_port(toy->router, 0);
    memset(toy->peers, 0, sizeof toy->peers);
    atomic_store(&toy->stopping, false);
    assert_int_equal(thread_start(&toy->thread, "toy", toy_run, toy, NULL), 0);
}

static inline void toy_stop(struct toy *toy)
{
    atomic_store(&toy->stopping, true);
    router_wake(toy->router);
    thread_join(&toy->thread);
    router_close(&toy->router);
}

static inline struct toy *toy_new_quiet(void)
{
    struct toy *toy = calloc(1, sizeof *toy);
    assert_non_null(toy);
    toy->bags = calloc(TOY_BAGS, sizeof *toy->bags);
    assert_non_null(toy->bags);
    (void)pthread_mutex_init(&toy->lock, NULL);
    (void)pthread_cond_init(&toy->done, NULL);
    key_pair_make(&toy->keys);
    key_pair_make(&toy->token);
    random_bytes(toy->history, sizeof toy->history);
    toy->head = 10;
    struct owner fleet = {.kind = OWNER_FLEET};
    struct owner device = {.kind = OWNER_DEVICE, .device = TOY_DEVICE};
    (void)toy_create(toy, &fleet);
    (void)toy_create(toy, &device);
    return toy;
}

static inline struct toy *toy_new(void)
{
    struct toy *toy = toy_new_quiet();
    toy_start(toy);
    return toy;
}

static inline void toy_free(struct toy *toy)
{
    if (toy->thread != NULL) {
        toy_stop(toy);
    }
    (void)pthread_cond_destroy(&toy->done);
    (void)pthread_mutex_destroy(&toy->lock);
    free(toy->bags);
    free(toy);
}

/* A join token for it. */
static inline void toy_token(struct toy *toy, char out[TOKEN_TEXT_MAX])
{
    struct join_token token = {.address_count = 1, .expires_ms = 9999999999999};
    (void)snprintf(token.addresses[0], sizeof token.addresses[0], "127.0.0.1:%d", toy->port);
    memcpy(token.server_key, toy->keys.public_key, KEY_SIZE);
    memcpy(token.secret, toy->token.secret_key, KEY_SIZE);
    assert_int_equal(token_format(&token, out, NULL), 0);
}

#endif
