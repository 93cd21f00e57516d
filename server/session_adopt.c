/* server/session_adopt.c - which machine is asked for its copy of a deleted bag (adoptions.h).
 *
 * It is the first that held the bag and is told that it is gone: one of those that follow it when
 * it is deleted; else the next that comes with it. That is written into the server's bag, so that
 * nobody else is asked; a machine that went away before its copy was here is asked again when it
 * comes, and another one when an administrator removed it.
 */
#include <inttypes.h>

#include "server/sessions_inside.h"

static void claim(struct sessions *sessions, const struct session *session, uint64_t bag_id)
{
    log_event(LOG_INFO, "session", "copy.asked", "device=%016" PRIx64 " bag=%" PRIu64,
              session->device, bag_id);
    committer_claim(sessions->options.committer, bag_id, session->device);
}

bool session_is_asked(struct sessions *sessions, struct session *session, uint64_t bag_id,
                      uint64_t cursor)
{
    ASSERT(sessions != NULL && session != NULL);
    const struct adoption *adoption =
        adoptions_of_bag(committer_adoptions(sessions->options.committer), bag_id);
    if (adoption == NULL || cursor == 0) {
        return false;
    }
    if (adoption->device == session->device) {
        return true;
    }
    struct access access = session_access(sessions, session);
    struct bag_row bag = {.bag_id = bag_id, .owner = adoption->owner};
    if (registry_active(sessions->options.registry, adoption->device) ||
        access_check(&access, ACCESS_READ, &bag, NULL) != 0) {
        return false;
    }
    claim(sessions, session, bag_id);
    return true;
}

/* --- those that are connected --- */

struct search {
    uint64_t bag_id;
    struct session *found;
};

static void look_at(struct search *search, struct session *session)
{
    if (search->found == NULL && feed_holds(session->feed, search->bag_id)) {
        search->found = session;
    }
}

static void see_follower(void *context, struct follower *follower)
{
    look_at(context, (void *)((char *)follower - offsetof(struct session, follower)));
}

static void ask_one(struct sessions *sessions, uint64_t bag_id)
{
    struct search search = {.bag_id = bag_id};
    followers_each(&sessions->followers, bag_id, see_follower, &search);
    for (struct session *wide = sessions->wides; wide != NULL; wide = wide->wide_next) {
        look_at(&search, wide);
    }
    if (search.found != NULL) {
        claim(sessions, search.found, bag_id);
        session_run(sessions, search.found,
                    (struct feed_event){.kind = FEED_WANTED, .wanted = {.bag_id = bag_id}});
    }
}

void sessions_ask_copies(struct sessions *sessions, const struct change *changes, size_t count)
{
    ASSERT(sessions != NULL && (changes != NULL || count == 0));
    for (size_t i = 0; i < count; i++) {
        const struct adoption *adoption =
            changes[i].kind == CHANGE_BAG_DELETE
                ? adoptions_of_bag(committer_adoptions(sessions->options.committer),
                                   changes[i].bag_id)
                : NULL;
        if (adoption != NULL && adoption->device == 0) {
            ask_one(sessions, changes[i].bag_id);
        }
    }
}
