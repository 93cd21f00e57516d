/* client/kb_policy.c - the rule by which joining judges an item; and the note of what is to be
 * judged: a msgpack array [format, policy, upto, held bool, hash of these].
 */
#include "client/kb_policy.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"

enum { NOTE_FORMAT = 1, NOTE_MAX = 64 };

bool client_is_policy(enum kb_join_policy policy)
{
    return policy == KB_SERVER_WINS || policy == KB_CLIENT_WINS || policy == KB_NEWEST ||
           policy == KB_MERGE;
}

enum client_verdict client_judge_item(enum kb_join_policy policy, const struct client_side *ours,
                                      const struct client_side *theirs)
{
    ASSERT(ours != NULL && theirs != NULL);
    bool same =
        ours->there == theirs->there && (!ours->there || span_equal(ours->value, theirs->value));
    if (same) {
        return CLIENT_SAME;
    }
    if (policy == KB_SERVER_WINS) {
        return CLIENT_STAY;
    }
    bool unchanged = theirs->seq <= ours->seq || (theirs->own && ours->seq != 0);
    if (!theirs->there || unchanged) {
        return CLIENT_TAKE;
    }
    bool newer = policy == KB_NEWEST && ours->time_ms > theirs->time_ms;
    return newer || policy == KB_CLIENT_WINS ? CLIENT_REPLACE : CLIENT_STAY;
}

/* --- the note --- */

static int note_path(const struct kb *kb, char out[PATH_MAX])
{
    return path_join(out, PATH_MAX, kb->dir, "judging");
}

static void write_note(const struct judging *judging, struct buf *out)
{
    pack_array(out, 5);
    pack_u64(out, NOTE_FORMAT);
    pack_u64(out, (uint64_t)judging->policy);
    pack_u64(out, judging->upto);
    pack_bool(out, judging->held);
    pack_u64(out, hash64(buf_span(out), 0));
}

static bool read_note(struct span bytes, struct judging *out)
{
    struct buf again;
    struct unpacked unpacked = {0};
    struct judging read = {.due = true};
    bool whole = unpack_open(&unpacked, bytes, NOTE_MAX) == 0;
    if (whole) {
        struct walk fields = walk_array(&unpacked.root);
        whole = walk_u64(&fields) == NOTE_FORMAT;
        read.policy = (int)walk_u64_max(&fields, KB_MERGE);
        read.upto = walk_u64(&fields);
        read.held = walk_bool(&fields);
        (void)walk_u64(&fields);
        whole = walk_end(&fields, false) == 0 && whole;
    }
    unpack_close(&unpacked);
    buf_init(&again, NOTE_MAX);
    write_note(&read, &again);
    whole = whole && buf_error(&again) == 0 && span_equal(buf_span(&again), bytes);
    buf_free(&again);
    if (whole) {
        *out = read;
    }
    return whole;
}

static int store_note(struct kb *kb, const struct judging *judging, struct err *err)
{
    char path[PATH_MAX];
    struct buf bytes;
    buf_init(&bytes, NOTE_MAX);
    write_note(judging, &bytes);
    int rc = buf_error(&bytes);
    rc = rc != 0 ? rc : note_path(kb, path);
    rc = rc != 0 ? err_set(err, rc, "what is to be judged can't be noted")
                 : file_replace(path, bytes.data, bytes.size, 0600, err);
    buf_free(&bytes);
    return rc;
}

static void set_judging(struct kb *kb, const struct judging *judging)
{
    (void)pthread_mutex_lock(&kb->lock);
    kb->judging = *judging;
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
}

int client_judging_begin(struct kb *kb, enum kb_join_policy policy, struct err *err)
{
    ASSERT(kb != NULL);
    struct judging judging = {.due = true,
                              .held = policy != KB_SERVER_WINS,
                              .policy = (int)policy,
                              .upto = outbox_newest(kb->outbox)};
    int rc = store_note(kb, &judging, err);
    if (rc == 0) {
        set_judging(kb, &judging);
    }
    return rc;
}

void client_judging_load(struct kb *kb)
{
    ASSERT(kb != NULL);
    char path[PATH_MAX];
    struct buf bytes;
    struct judging judging = {0};
    buf_init(&bytes, NOTE_MAX);
    if (note_path(kb, path) == 0 && file_read(path, &bytes, NULL) == 0 &&
        read_note(buf_span(&bytes), &judging)) {
        set_judging(kb, &judging);
    }
    buf_free(&bytes);
}

struct judging client_judging(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    struct judging judging = kb->judging;
    (void)pthread_mutex_unlock(&kb->lock);
    return judging;
}

void client_judging_release(struct kb *kb)
{
    (void)pthread_mutex_lock(&kb->lock);
    kb->judging.held = false;
    (void)pthread_mutex_unlock(&kb->lock);
}

void client_judging_end(struct kb *kb)
{
    char path[PATH_MAX];
    if (note_path(kb, path) == 0 && unlink(path) == 0) {
        (void)!dir_sync_parent(path, NULL); /* else it is there again, and there is nothing to do */
    }
    (void)pthread_mutex_lock(&kb->lock);
    kb->judging.due = false;
    kb->judging.held = false;
    (void)pthread_cond_broadcast(&kb->changed);
    (void)pthread_mutex_unlock(&kb->lock);
}

/* --- for those who wait --- */

static int end_of_wait(const struct kb *kb, bool late, struct err *err)
{
    if (!kb->judging.due) {
        return 0;
    }
    if (kb->closing) {
        return err_set(err, E_CLOSED, "the folder is being closed");
    }
    if (kb->network == NULL) {
        return err_set(err, E_STOPPED,
                       "what this machine had is judged when synchronization is started");
    }
    return late ? err_set(err, E_TIMEOUT,
                          "what this machine had was not judged in time: that goes on")
                : E_DEFERRED;
}

int kb_judged(struct kb *kb, unsigned timeout_ms, struct kb_judged *judged, struct kb_error *error)
{
    ASSERT(kb != NULL && judged != NULL);
    struct err err = {0};
    if (judged->size != sizeof *judged) {
        (void)err_set(&err, E_INVALID, "the size is not this version's");
        return client_fail(error, &err);
    }
    struct timespec until = client_after(timeout_ms);
    int timed_out = 0;
    (void)pthread_mutex_lock(&kb->lock);
    int rc = end_of_wait(kb, false, &err);
    while (rc == E_DEFERRED) {
        timed_out = pthread_cond_timedwait(&kb->changed, &kb->lock, &until);
        rc = end_of_wait(kb, timed_out != 0, &err);
    }
    *judged = kb->judging.done;
    judged->size = sizeof *judged;
    (void)pthread_mutex_unlock(&kb->lock);
    return rc == 0 ? 0 : client_fail(error, &err);
}
