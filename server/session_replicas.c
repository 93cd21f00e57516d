/* server/session_replicas.c - how the machines' replicas are, all together. */
#include "base/clock.h"
#include "server/sessions_inside.h"

enum {
    LOOK_EVERY_MS = 1000,     /* thousands of sessions are looked at */
    UNVERIFIED_MS = 86400000, /* each bag is compared about once an hour */
};

static void look_at(const struct sessions *sessions, const struct session *session, uint64_t head,
                    struct server_replicas *out)
{
    if (session->device == 0 || session->seen == NULL) {
        return;
    }
    const struct device_live *live = &session->seen->live;
    uint64_t lag = live->seq < head ? head - live->seq : 0;
    uint64_t from_ms = sessions->replicas_began_ms; /* nothing is known of what was before */
    from_ms = live->verified_ms > from_ms ? live->verified_ms : from_ms;
    uint64_t now_ms = clock_wall_ms(sessions->options.clock);
    out->lag = lag > out->lag ? lag : out->lag;
    out->behind += lag > 0;
    out->unverified += feed_bags(session->feed) > 0 && now_ms > from_ms + UNVERIFIED_MS;
}

struct counting {
    const struct registry *registry;
    uint64_t diverged;
};

static void count_diverged(void *context, struct table_node *node)
{
    struct counting *counting = context;
    const struct device_live *live = &TABLE_OWNER(node, struct device_seen, by_device)->live;
    counting->diverged +=
        live->refused == E_DIVERGED && registry_active(counting->registry, live->device);
}

void sessions_replicas(struct sessions *sessions, struct server_replicas *out)
{
    ASSERT(sessions != NULL && out != NULL);
    uint64_t now_ms = sessions_now(sessions);
    if (sessions->replicas_began_ms == 0) {
        sessions->replicas_began_ms = clock_wall_ms(sessions->options.clock);
    } else if (now_ms - sessions->replicas_ms < LOOK_EVERY_MS) {
        *out = sessions->replicas;
        return;
    }
    struct server_replicas found = {0};
    struct journal_position head;
    struct counting counting = {.registry = sessions->options.registry};
    journal_head(sessions->options.journal, &head);
    const struct session *session = sessions->ring;
    for (size_t i = 0; i < sessions->count; i++, session = session->next) {
        look_at(sessions, session, head.seq, &found);
    }
    table_each(&sessions->seen, count_diverged, &counting);
    found.diverged = counting.diverged;
    sessions->replicas = found;
    sessions->replicas_ms = now_ms;
    *out = found;
}
