/* client/kb_status.c - how it is: status, verify, names of codes. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "client/kb_inside.h"
#include "client/network.h"

/* --- status --- */

static void copy_text(char *out, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);
    memcpy(out, text, length);
    out[length] = '\0';
}

static enum kb_phase phase_of(const struct kb *kb)
{
    if (kb->identity.device == 0) {
        return KB_PHASE_ALONE;
    }
    if (kb->network == NULL) {
        return KB_PHASE_STOPPED;
    }
    if (kb->live.refused) {
        return KB_PHASE_REFUSED;
    }
    if (!kb->live.connected) {
        return KB_PHASE_CONNECTING;
    }
    return kb->live.caught_up ? KB_PHASE_CURRENT : KB_PHASE_CATCHING_UP;
}

static const char *kept_name(unsigned kept)
{
    static const char *const names[] = {"signed-in", "groups", "everybody"};
    ASSERT(kept < sizeof names / sizeof names[0]);
    return names[kept];
}

static void copy_live(struct kb *kb, struct kb_status *status)
{
    (void)pthread_mutex_lock(&kb->lock);
    const struct live *live = &kb->live;
    status->phase = phase_of(kb);
    status->connected = kb->network != NULL && live->connected;
    status->code = kb->network != NULL ? live->code : 0;
    copy_text(status->text, sizeof status->text, status->code != 0 ? live->text : kb->note);
    if (kb->identity.device != 0) {
        device_format(kb->identity.device, status->device);
        copy_text(status->name, sizeof status->name, kb->identity.name);
        hex_encode(kb->identity.history, HISTORY_SIZE, status->history);
    }
    copy_text(status->server, sizeof status->server, live->server);
    status->head_seq = live->head_seq;
    status->seq = live->caught_up ? live->current_seq : 0;
    status->last_heard_ms = live->last_heard_ms;
    status->healed = live->healed;
    status->verified_ms = live->verified_ms;
    copy_text(status->kept, sizeof status->kept, kept_name(kb->kept));
    status->mirror_seq = kb->mirroring.seq;
    status->mirror_code = kb->mirroring.code;
    copy_text(status->mirror_text, sizeof status->mirror_text, kb->mirroring.text);
    status->mirror_from = kb->mirroring.floor_seq;
    status->mirror_bytes = kb->mirroring.bytes;
    (void)pthread_mutex_unlock(&kb->lock);
}

void kb_status(struct kb *kb, struct kb_status *out)
{
    ASSERT(kb != NULL && out != NULL && out->size == sizeof *out);
    struct kb_status status = {.size = sizeof status};
    struct replica_position position = {0};
    struct replica_counts counts;
    copy_live(kb, &status);
    replica_counts(kb->replica, &counts);
    status.users = counts.users;
    status.bags = counts.bags;
    status.bags_complete = counts.complete;
    status.items = counts.items;
    /* What can't be read counts as nothing; reading it says why. */
    (void)!replica_position(kb->replica, &position, NULL);
    if (status.device[0] != '\0' && position.has_history) {
        hex_encode(position.history, HISTORY_SIZE, status.history);
    }
    status.seq = status.seq > position.seq ? status.seq : position.seq;
    status.head_seq = status.head_seq > position.seq ? status.head_seq : position.seq;
    outbox_counts(kb->outbox, &status.pending, &status.refused);
    *out = status;
}

/* --- verify --- */

int kb_verify(struct kb *kb, struct kb_verify_report *report, struct kb_error *error)
{
    ASSERT(kb != NULL && report != NULL);
    struct err err = {0};
    struct kb_verify_report made = {0};
    (void)pthread_mutex_lock(&kb->control); /* what is being imported belongs to no bag yet */
    int rc = replica_verify(kb->replica, &made.records, &made.damaged, &err);
    (void)pthread_mutex_unlock(&kb->control);
    rc = rc != 0 ? rc : outbox_verify(kb->outbox, &made.batches, &err);
    if (made.damaged > 0) {
        (void)pthread_mutex_lock(&kb->lock);
        if (kb->network != NULL) {
            network_wake(kb->network, NETWORK_BAGS);
        }
        (void)pthread_mutex_unlock(&kb->lock);
    }
    if (rc == 0) {
        *report = made;
    }
    if (rc == 0 && made.damaged > 0) {
        rc = err_set(&err, E_CORRUPT,
                     "%llu of %llu records of the replica were damaged: they were dropped and are "
                     "fetched anew when this machine is connected",
                     (unsigned long long)made.damaged, (unsigned long long)made.records);
    }
    return rc == 0 ? 0 : client_fail(error, &err);
}

/* --- codes --- */

const char *client_remedy(int code)
{
    switch (code) {
    case E_TOKEN_UNKNOWN:
    case E_TOKEN_EXPIRED:
        return "ask the server's administrator for a new one ('kitbagd token')";
    case E_TOKEN_USED:
        return "a token is good for one machine; ask the server's administrator for a new one";
    case E_DEVICE_REMOVED:
        return "what is kept here stays usable; to be served again, join with a new token "
               "('kitbag join TOKEN')";
    case E_NOT_ALLOWED:
        return "bring the server's data back, or join again with a new token ('kitbag join "
               "TOKEN')";
    case E_HISTORY:
        return "its data was replaced, so nothing is exchanged; bring the server's data back, or "
               "move the file 'identity' out of the data folder and join with a new token";
    case E_DIVERGED:
        return "was the server's data put back from an older copy? Nothing is overwritten; bring "
               "the newer data back, or go on with the older ('kitbagctl history fork'): what is "
               "newer here is refused then, and kept";
    case E_PROTOCOL:
        return "bring this machine and the server to the same version of Kitbag";
    default:
        return NULL;
    }
}

_Static_assert(KB_E_INVALID == (int)E_INVALID && KB_E_PERMISSION == (int)E_PERMISSION &&
                   KB_E_BAG_EXISTS == (int)E_BAG_EXISTS && KB_E_QUOTA == (int)E_QUOTA,
               "the public codes are ours");

const char *kb_code_name(int code)
{
    return code == 0 ? "ok" : err_name(code);
}

int kb_exit_code(int code)
{
    return code == 0 ? 0 : err_exit_code(code);
}

const char *kb_version(void)
{
    return KITBAG_VERSION;
}
