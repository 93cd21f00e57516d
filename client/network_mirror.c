/* client/network_mirror.c - the copy of the server's journal, for a machine that has the right to
 * it.
 *
 * The server sends its journal's own bytes behind the copy's position. When it has let go of what
 * comes next, the copy begins anew. When the two have parted, nothing here is touched: this may be
 * the only copy of what it has more. What is older than the machine is told to keep goes, some
 * files a minute.
 */
#include <stdio.h>
#include <string.h>

#include "client/network_inside.h"
#include "journal/mirror.h"

enum { AGAIN_MS = 60000, DROP_EVERY_MS = 60000 };

static void tell(struct network *network, int code, const char *text)
{
    struct kb *kb = network->kb;
    (void)pthread_mutex_lock(&kb->lock);
    kb->mirroring.code = code;
    size_t length = strnlen(text, ERR_TEXT_MAX - 1);
    memcpy(kb->mirroring.text, text, length);
    kb->mirroring.text[length] = '\0';
    (void)pthread_mutex_unlock(&kb->lock);
}

static void later(struct network *network, int code, const char *text)
{
    tell(network, code, text);
    network->mirror_due = true;
    network->mirror_at_ms = network->now_ms + AGAIN_MS;
}

void network_mirror_welcome(struct network *network, bool allowed)
{
    const struct kb *kb = network->kb;
    network->mirror_due = kb->mirror_dir[0] != '\0' && allowed;
    if (kb->mirror_dir[0] != '\0' && !allowed) {
        tell(network, E_NOT_ALLOWED,
             "this machine may not have the server's journal: an administrator gives that right "
             "('kitbagctl device mirror ID yes')");
    }
}

void network_mirror_ask(struct network *network)
{
    struct err err = {0};
    struct mirror_position position;
    struct kb *kb = network->kb;
    if (!network->mirror_due || network->now_ms < network->mirror_at_ms) {
        return;
    }
    network->mirror_due = false;
    int rc = client_mirror_open(kb, &err);
    if (rc != 0) {
        later(network, rc, err.text);
        return;
    }
    mirror_position(kb->mirror, &position);
    struct follow_event event = {.kind = FOLLOW_MIRROR};
    event.mirror.seq = position.seq;
    event.mirror.has_hash = position.has_hash && position.seq != 0;
    memcpy(event.mirror.hash, position.hash, SHA256_SIZE);
    network_step(network, event);
}

static void have_parted(struct network *network)
{
    char text[ERR_TEXT_MAX];
    (void)snprintf(
        text, sizeof text,
        "the copy of the journal in '%.120s' and the server's journal have parted: "
        "nothing is taken and nothing of the copy is touched. If the server was put back "
        "from an older copy, this one may have more; else name another folder",
        network->kb->mirror_dir);
    tell(network, E_DIVERGED, text);
}

/* A copy of a history that ended may have what the server does not have any more. */
static bool is_of_the_servers_history(struct network *network)
{
    struct mirror_position copy;
    struct replica_position ours;
    mirror_position(network->kb->mirror, &copy);
    return copy.floor_seq == 0 || /* there is nothing in it */
           (replica_position(network->kb->replica, &ours, NULL) == 0 && ours.has_history &&
            memcmp(copy.history, ours.history, HISTORY_SIZE) == 0);
}

/* The server keeps what is from `floor_seq` on. */
static void start_over(struct network *network, uint64_t floor_seq)
{
    struct err err = {0};
    char text[ERR_TEXT_MAX];
    struct kb *kb = network->kb;
    if (!is_of_the_servers_history(network)) {
        have_parted(network);
        return;
    }
    int rc = floor_seq == 0 ? err_set(&err, E_PROTOCOL, "the server names no first change")
                            : mirror_restart(kb->mirror, floor_seq - 1, NULL, &err);
    if (rc != 0) {
        later(network, rc, err.text);
        return;
    }
    (void)snprintf(text, sizeof text,
                   "the server has let go of what came next in the copy of its journal: the copy "
                   "began anew with change %llu",
                   (unsigned long long)floor_seq);
    tell(network, 0, text);
    network->mirror_due = true;
}

void network_mirroring(struct network *network, const struct follow_action *action)
{
    const char *said = action->mirroring.text != NULL ? action->mirroring.text : "";
    switch (action->mirroring.code) {
    case 0:
        if (network->kb->mirroring.code != 0) { /* written by this thread alone */
            tell(network, 0, "");
        }
        break;
    case E_TOO_OLD:
        start_over(network, action->mirroring.floor_seq);
        break;
    case E_DIVERGED:
        have_parted(network);
        break;
    case E_UNREACHABLE: /* asked again with the next session */
        break;
    default:
        later(network, action->mirroring.code, said);
        break;
    }
}

enum { MUCH_LATER_MS = 32 * AGAIN_MS };

/* What comes can't be taken: as `later`, and after each time in a row twice as long. */
static void much_later(struct network *network, int code, const char *text)
{
    uint64_t twice_ms = 2 * network->mirror_pause_ms;
    twice_ms = twice_ms < MUCH_LATER_MS ? twice_ms : MUCH_LATER_MS;
    network->mirror_pause_ms = twice_ms != 0 ? twice_ms : AGAIN_MS;
    later(network, code, text);
    network->mirror_at_ms = network->now_ms + network->mirror_pause_ms;
}

/* A copy that can't be written ends the session, which then goes on without it for a while: the
 * server can't be told to stop sending otherwise. */
void network_batches(struct network *network, const struct follow_action *action,
                     struct follow_event *answer)
{
    struct err err = {0};
    struct kb *kb = network->kb;
    answer->kind = FOLLOW_APPLIED;
    answer->applied.code = 0;
    answer->applied.bag_id = 0;
    answer->applied.cursor = 0;
    int rc = kb->mirror == NULL ? err_set(&err, E_CLOSED, "the copy of the journal is not open")
                                : mirror_take(kb->mirror, action->batches.bytes, &err);
    if (rc == 0) {
        network->mirror_pause_ms = 0;
    } else {
        much_later(network, rc, err.text);
        answer->applied.code = E_UNREACHABLE; /* it connects again at once: the rest goes on */
        client_mirror_close(kb);              /* opened again with what is on disk */
        return;
    }
    client_mirror_tell(kb);
}

void network_mirror_drop(struct network *network)
{
    struct err err = {0};
    struct kb *kb = network->kb;
    if (kb->mirror == NULL || kb->mirror_keep_ms == 0 ||
        network->now_ms < network->mirror_drop_ms) {
        return;
    }
    network->mirror_drop_ms = network->now_ms + DROP_EVERY_MS;
    int rc = mirror_drop(kb->mirror, kb->mirror_keep_ms, &err);
    if (rc != 0) { /* it goes on all the same, and this is tried again */
        tell(network, rc, err.text);
    } else if (network->mirror_drop_failed) {
        tell(network, 0, "");
    }
    network->mirror_drop_failed = rc != 0;
    client_mirror_tell(kb);
}
