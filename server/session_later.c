/* server/session_later.c - questions that a session has answered by and by.
 *
 * A machine may ask for a lot in one message: a thousand bags to follow, all bags that it is to
 * keep. It gets a slice of that at each of its turns, which it shares with those who wait for pages
 * (sessions_turns): nobody waits for it longer than for a page.
 */
#include <inttypes.h>

#include "base/log.h"
#include "server/sessions_inside.h"

enum {
    FOLLOWS_AT_ONCE = 200, /* one costs about 5 us: a slice is a millisecond */
    LIST_ROWS = 1000,      /* bags that are looked at in a slice */
    LIST_RESTARTS_MAX = 100,
};

static void want(struct sessions *sessions, struct session *session)
{
    turns_want(&sessions->laters, &session->later.turn, false);
}

/* --- FOLLOW --- */

bool session_follow_waits(struct sessions *sessions, struct session *session, uint64_t bag_id,
                          uint64_t cursor)
{
    ASSERT(sessions != NULL && session != NULL);
    struct later *later = &session->later;
    if (later->round != sessions->round) {
        later->round = sessions->round;
        later->follows = 0;
    }
    if (later->follows < FOLLOWS_AT_ONCE) {
        later->follows++;
        return false;
    }
    later->follow = bag_id;
    later->cursor = cursor;
    want(sessions, session);
    return true;
}

static void answer_follow(struct sessions *sessions, struct session *session)
{
    struct later *later = &session->later;
    uint64_t bag_id = later->follow;
    later->follow = 0;
    later->round = sessions->round;
    later->follows = 1;
    struct feed_event answer;
    if (session_follow(sessions, session, bag_id, later->cursor, &answer)) {
        session_run(sessions, session, answer);
    }
}

/* --- LIST --- */

bool session_list(struct sessions *sessions, struct session *session, uint64_t after, bool again,
                  struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && answer != NULL);
    struct later *later = &session->later;
    if (session->rights.keep == KEEP_SIGNED_IN) {
        *answer = (struct feed_event){.kind = FEED_LISTED};
        answer->listed.code = E_NOT_ALLOWED;
        answer->listed.end = true;
        return true;
    }
    if (!again && after < later->listed && ++later->restarts > LIST_RESTARTS_MAX) {
        log_event(LOG_WARNING, "session", "list.flood",
                  "device=%016" PRIx64 " text=\"it asks for the same bags over and over\"",
                  session->device);
        return session_answer_end(answer, E_QUOTA, "the same bags were listed a hundred times");
    }
    if (after != later->listed || later->looked_at < after) {
        later->looked_at = after; /* else it goes on where the last slice ended */
    }
    later->lists = true;
    want(sessions, session);
    return false;
}

struct search {
    struct sessions *sessions;
    struct session *session;
    size_t count; /* found, in sessions->listed */
};

static int look_at(void *context, const struct bag_row *bag, struct err *err)
{
    (void)err;
    struct search *search = context;
    const struct session *session = search->session;
    search->session->later.looked_at = bag->bag_id;
    if (access_keeps(session->rights.keep, session->device, &bag->owner)) {
        search->sessions->listed[search->count++] = *bag;
    }
    return search->count == WIRE_OWNERS_MAX;
}

static void answer_list(struct sessions *sessions, struct session *session)
{
    struct later *later = &session->later;
    struct search search = {sessions, session, 0};
    struct err err = {0};
    bool more = false;
    int rc = kv_bags(sessions_settled(sessions), NULL, later->looked_at, LIST_ROWS, look_at,
                     &search, &more, &err);
    if (sessions_behind(sessions)) {
        session_end(sessions, session, E_READ_ONLY, err_meaning(E_READ_ONLY));
        return;
    }
    if (rc < 0) {
        log_err(LOG_ERROR, "session", "bags.unreadable", &err);
        session_end(sessions, session, E_IO, "the server can't read its list of bags");
        return;
    }
    more = more || rc > 0;
    if (more && search.count == 0) {
        want(sessions, session); /* others first */
        return;
    }
    later->lists = false;
    if (search.count > 0) {
        later->listed = sessions->listed[search.count - 1].bag_id;
    }
    if (!more) {
        session->newest_bag = 0; /* what is made from now on is heard of */
    }
    struct feed_event answer = {.kind = FEED_LISTED};
    answer.listed.bags = sessions->listed;
    answer.listed.count = search.count;
    answer.listed.end = !more;
    session_run(sessions, session, answer);
}

void session_later(struct sessions *sessions, struct session *session)
{
    ASSERT(sessions != NULL && session != NULL);
    struct later *later = &session->later;
    if (later->follow != 0 && later->lists) {
        want(sessions, session); /* one at a time */
    }
    if (later->follow != 0) {
        answer_follow(sessions, session);
    } else if (later->lists) {
        answer_list(sessions, session);
    }
}

/* --- bags that are made --- */

uint64_t session_newest_bag(const struct sessions *sessions, const struct session *session)
{
    ASSERT(sessions != NULL && session != NULL);
    if (session->rights.keep == KEEP_SIGNED_IN) {
        return session->newest_bag; /* one of its users' own, which a sign-in lists */
    }
    uint64_t newest = sessions->newest_bag[session->rights.keep];
    return newest > session->newest_bag ? newest : session->newest_bag;
}

void sessions_bag_made(struct sessions *sessions, const struct change *change)
{
    ASSERT(sessions != NULL && change != NULL && change->kind == CHANGE_BAG_CREATE);
    struct session *session = change->owner.kind == OWNER_USER_DEVICE
                                  ? sessions_find_device(sessions, change->owner.device)
                                  : NULL;
    if (session != NULL) {
        session->newest_bag = change->seq;
        return;
    }
    for (int keep = KEEP_GROUPS; keep <= KEEP_EVERYBODY; keep++) {
        if (access_keeps((enum device_keep)keep, 0, &change->owner)) {
            sessions->newest_bag[keep] = change->seq;
        }
    }
}
