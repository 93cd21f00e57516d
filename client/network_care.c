/* client/network_care.c - a little at a time, when nothing else is to be done.
 *
 * Once a second at most, while nothing comes: the digests of some followed bags are asked for again
 * (each bag's about once an hour), a piece of the replica is compared with its own digests (a round
 * an hour), and users whom nobody needs here any more are let go of.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/network_inside.h"

enum {
    VERIFY_AGAIN_MS = 3600000,
    DIFFER_AGAIN_MS = VERIFY_AGAIN_MS / 2,
    SCRUB_AGAIN_MS = 3600000,
    SCRUB_BYTES = 256 << 10,
    EVICT_EVERY_MS = 60000,
    BELIEVED_AFTER_MS = CLOCK_STEP_MS, /* the start */
    VERIFY_LOOKS = 4096,               /* bags looked at in a turn */
    VERIFY_MAX = 64,                   /* and asked for */
};

static const char HEALED_NOTE[] = "healed";
static const char DISUSED_NOTE[] = "disused";

/* --- numbers that are kept --- */

static uint64_t noted(struct kb *kb, const char *name)
{
    uint64_t number = 0;
    struct buf bytes;
    buf_init(&bytes, sizeof(uint64_t));
    if (replica_note_get(kb->replica, name, &bytes, NULL) == 0 && bytes.size == sizeof(uint64_t)) {
        number = get_be64(bytes.data);
    }
    buf_free(&bytes);
    return number;
}

static bool note(struct kb *kb, const char *name, uint64_t number)
{
    uint8_t bytes[sizeof(uint64_t)];
    put_be64(bytes, number);
    return replica_note_set(kb->replica, name, span_of(bytes, sizeof bytes), NULL) == 0;
}

/* --- since when disuse is counted --- */

static struct clock_pair clocks_now(struct kb *kb)
{
    return (struct clock_pair){client_wall_ms(kb), client_up_ms(kb)};
}

static void count_disuse_from(struct network *network, uint64_t wall_ms)
{
    network->disused_from_ms = wall_ms;
    network->disused_noted = false;
}

static void begin_disuse(struct network *network)
{
    network->clocks = clocks_now(network->kb);
    network->disused_at_ms = network->now_ms + BELIEVED_AFTER_MS;
    network->disused_from_ms = noted(network->kb, DISUSED_NOTE);
    network->disused_noted = true;
    if (network->disused_from_ms > network->clocks.wall_ms) { /* set back while nothing ran */
        count_disuse_from(network, network->clocks.wall_ms);
    }
}

/* Who was used when is noted by the wall clock. When that one steps, what was noted before tells
 * nothing any more. */
static void look_at_clocks(struct network *network)
{
    struct clock_pair now = clocks_now(network->kb);
    if (clock_pair_step(&network->clocks, now) != 0) {
        count_disuse_from(network, now.wall_ms);
    }
}

/* True: disuse may be looked at. Not before it is known to the next start as well. */
static bool disuse_counts(struct network *network)
{
    if (!network->disused_noted) {
        network->disused_noted = note(network->kb, DISUSED_NOTE, network->disused_from_ms);
    }
    return network->disused_noted && network->now_ms >= network->disused_at_ms;
}

/* --- counting what was healed --- */

uint64_t client_healed_note(struct kb *kb)
{
    return noted(kb, HEALED_NOTE);
}

void network_care_begin(struct network *network)
{
    struct kb *kb = network->kb;
    network->healed = client_healed_note(kb);
    network->healed_due = network->healed > 0;
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.healed = network->healed;
    (void)pthread_mutex_unlock(&kb->lock);
    network->care_at_ms = network->now_ms + NETWORK_CARE_MS;
    network->evict_at_ms = network->now_ms + EVICT_EVERY_MS;
    begin_disuse(network);
}

/* `bag` is fetched anew: counted for good, and said. */
static void count_healed(struct network *network, const struct replica_bag *bag)
{
    struct kb *kb = network->kb;
    char name[OWNER_TEXT_MAX];
    char text[ERR_TEXT_MAX];
    (void)note(kb, HEALED_NOTE, ++network->healed); /* without room: counted in this run only */
    network->healed_due = true;
    owner_format(&bag->owner, name);
    (void)snprintf(text, sizeof text,
                   "the bag '%.250s' differed from the server's: it is fetched anew", name);
    network_tell_note(network, text);
    (void)pthread_mutex_lock(&kb->lock);
    kb->live.healed = network->healed;
    (void)pthread_mutex_unlock(&kb->lock);
}

void network_differs(struct network *network, uint64_t bag_id)
{
    struct replica_bag bag;
    struct followed *followed = network_find_followed(network, bag_id);
    if (followed != NULL) {
        followed->differed_ms = network->now_ms;
    }
    if (replica_bag_by_id(network->kb->replica, bag_id, &bag, NULL) == 0) {
        count_healed(network, &bag);
    }
    atomic_fetch_or(&network->news, NETWORK_BAGS);
}

bool network_compares(const struct network *network, uint64_t bag_id)
{
    const struct followed *followed = network_find_followed(network, bag_id);
    return followed == NULL || followed->differed_ms == 0 ||
           network->now_ms - followed->differed_ms >= DIFFER_AGAIN_MS;
}

static void found_wrong(void *context, const struct replica_bag *bag)
{
    struct network *network = context;
    network->wrong_bag = bag->bag_id;
}

/* --- comparing --- */

void network_verified(struct network *network, uint64_t bag_id, bool compared)
{
    struct followed *followed = network_find_followed(network, bag_id);
    if (followed != NULL && compared) {
        followed->verified_ms = client_wall_ms(network->kb);
        followed->asked_ms = network->now_ms;
    }
}

static bool is_due(const struct network *network, const struct followed *followed)
{
    return followed->caught &&
           (followed->asked_ms == 0 || network->now_ms - followed->asked_ms >= VERIFY_AGAIN_MS);
}

/* Adds the bag, as it is here, to those whose digest is asked for. */
static void ask_for(struct network *network, struct followed *followed, struct wire_bag *wanted,
                    size_t *count)
{
    struct replica_bag bag;
    followed->asked_ms = network->now_ms;
    if (replica_bag_by_id(network->kb->replica, followed->id, &bag, NULL) == 0 && bag.complete) {
        wanted[(*count)++] = (struct wire_bag){.bag_id = bag.bag_id, .cursor = bag.cursor};
    } /* else it comes anew */
}

/* A round is done: the moment since which every bag was compared once, when there is one. */
static void tell_verified(struct network *network)
{
    struct kb *kb = network->kb;
    if (network->verify_oldest_ms != 0 && network->verify_oldest_ms != UINT64_MAX) {
        (void)pthread_mutex_lock(&kb->lock);
        kb->live.verified_ms = network->verify_oldest_ms;
        (void)pthread_mutex_unlock(&kb->lock);
    }
}

/* The next in the row, which begins again behind the last one. */
static struct followed *next_followed(struct network *network)
{
    if (network->verify_next >= network->followed_count) {
        network->verify_next = 0;
    }
    if (network->verify_next == 0) {
        network->verify_oldest_ms = UINT64_MAX;
    }
    struct followed *followed = &network->followed[network->verify_next++];
    if (followed->verified_ms < network->verify_oldest_ms) {
        network->verify_oldest_ms = followed->verified_ms;
    }
    network->verify_quiet++;
    return followed;
}

/* Looks at the next bags in the row, and asks for the digests of those that are due: so many at
 * once that all are asked for within the hour. False when a whole round found none. */
static bool verify_some(struct network *network)
{
    struct wire_bag wanted[VERIFY_MAX];
    size_t count = 0;
    size_t all = network->followed_count;
    size_t share = 1 + all / (VERIFY_AGAIN_MS / NETWORK_CARE_MS);
    share = share < VERIFY_MAX ? share : VERIFY_MAX;
    for (size_t i = 0; i < all && i < VERIFY_LOOKS && count < share; i++) {
        struct followed *followed = next_followed(network);
        if (is_due(network, followed)) {
            network->verify_quiet = 0;
            ask_for(network, followed, wanted, &count);
        }
        if (network->verify_next == all) {
            tell_verified(network);
        }
    }
    if (count > 0) {
        struct follow_event event = {.kind = FOLLOW_BAGS};
        event.bags.list = wanted;
        event.bags.count = count;
        network_step(network, event);
    }
    return network->verify_quiet < all;
}

/* --- the replica by itself --- */

static bool scrub_some(struct network *network)
{
    struct err err = {0};
    struct replica_bag bag;
    uint64_t bags = 0;
    network->wrong_bag = 0;
    int rc = replica_scrub(network->kb->replica, &network->scrub_next, SCRUB_BYTES, &bags,
                           found_wrong, network, &err);
    if (rc != 0) {
        network_tell_trouble(network, rc, err.text);
    }
    if (rc != 0 || network->scrub_next == 0) { /* a round is done */
        network->scrub_next = 0;
        network->scrub_at_ms = network->now_ms + SCRUB_AGAIN_MS;
    }
    if (network->wrong_bag != 0 &&
        replica_bag_by_id(network->kb->replica, network->wrong_bag, &bag, NULL) == 0) {
        count_healed(network, &bag);
        atomic_fetch_or(&network->news, NETWORK_BAGS);
    }
    return rc == 0 && network->scrub_next != 0;
}

/* --- users nobody needs --- */

static int is_of_user(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    const struct owner *user = context;
    bool theirs =
        entry->owner->kind == OWNER_GROUP || strcmp(entry->owner->folded, user->folded) == 0;
    return theirs ? 1 : 0; /* a group's writes may be theirs */
}

/* `used_ms`: as noted. */
static bool is_unused(const struct network *network, uint64_t used_ms, uint64_t now_ms)
{
    uint64_t from_ms = used_ms > network->disused_from_ms ? used_ms : network->disused_from_ms;
    uint64_t most_ms = network->kb->keep_unused_ms;
    return most_ms != 0 && used_ms != 0 && now_ms > from_ms && now_ms - from_ms > most_ms;
}

/* Without a connection a sign-in could not bring them back, so none is let go of then. */
static void evict(struct network *network)
{
    struct kb *kb = network->kb;
    struct replica_use *list = NULL;
    size_t count = 0;
    uint64_t now_ms = client_wall_ms(kb);
    if (replica_least_used(kb->replica, &list, &count, NULL) != 0) {
        return; /* another time */
    }
    size_t left = count;
    bool counts = disuse_counts(network);
    for (size_t i = 0; i < count; i++) {
        uint64_t used_ms = list[i].used_ms;
        bool unused = counts && is_unused(network, used_ms, now_ms);
        bool many = kb->keep_users_max != 0 && left > kb->keep_users_max;
        if (used_ms == 0 || used_ms > now_ms) { /* from now on */
            (void)!replica_used(kb->replica, list[i].local, now_ms, NULL);
        }
        if ((unused || many) && list[i].bag_id != 0 &&
            !network_is_requested(network, &list[i].owner) &&
            outbox_each(kb->outbox, OUTBOX_PENDING, is_of_user, &list[i].owner, NULL) == 0 &&
            client_let_go(kb, &list[i].owner, NULL) == 0) {
            left--;
            atomic_fetch_or(&network->news, NETWORK_BAGS);
        }
    }
    free(list);
}

/* --- all of it --- */

void network_care(struct network *network)
{
    const struct kb *kb = network->kb;
    bool current = network->open && network->caught == network->followed_count;
    bool more = false;
    network->care_at_ms = network->now_ms + NETWORK_CARE_MS;
    look_at_clocks(network);
    network_mirror_drop(network); /* also where something comes all the time */
    if (network->data_ms != 0 && network->now_ms - network->data_ms < NETWORK_CARE_MS) {
        return;
    }
    if (network->now_ms >= network->scrub_at_ms) {
        more |= scrub_some(network);
    }
    bool evicts = kb->keep_users_max != 0 || kb->keep_unused_ms != 0;
    if (evicts && current && network->now_ms >= network->evict_at_ms &&
        !network_keeps(network, OWNER_USER)) {
        network->evict_at_ms = network->now_ms + EVICT_EVERY_MS;
        evict(network);
    }
    if (current) {
        more |= verify_some(network);
    }
    if (!more && atomic_load(&network->news) == 0) { /* an hour's round is done */
        network->care_at_ms = network->now_ms + EVICT_EVERY_MS;
    }
}
