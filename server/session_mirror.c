/* server/session_mirror.c - the journal itself, to those who may have all of it.
 *
 * A mirroring session has a cursor of its own. It is told what its budget allows whenever it has a
 * turn, and hears of every batch, so that it asks for turns only when there is something to read.
 * Nothing is kept for one that does not take its batches: the cursor stands where it stands. While
 * it stands in a segment that the journal let go of, that one and all behind it stay on the disk;
 * so it is closed as soon as the floor has passed it, and the machine is told E_TOO_OLD.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/sessions_inside.h"

/* --- the line of all that mirror --- */

static void enter(struct sessions *sessions, struct session *session)
{
    session->mirror.next = sessions->mirrors;
    session->mirror.prev = NULL;
    if (sessions->mirrors != NULL) {
        sessions->mirrors->mirror.prev = session;
    }
    sessions->mirrors = session;
}

static void leave(struct sessions *sessions, struct session *session)
{
    struct mirroring *mirror = &session->mirror;
    if (mirror->prev != NULL) {
        mirror->prev->mirror.next = mirror->next;
    } else {
        sessions->mirrors = mirror->next;
    }
    if (mirror->next != NULL) {
        mirror->next->mirror.prev = mirror->prev;
    }
}

static void note(struct session *session, uint64_t seq)
{
    if (session->seen != NULL) {
        session->seen->live.mirror_seq = seq;
    }
}

void session_mirror_stop(struct sessions *sessions, struct session *session)
{
    ASSERT(sessions != NULL && session != NULL);
    if (session->mirror.on) {
        leave(sessions, session);
        journal_cursor_close(&session->mirror.cursor);
        session->mirror = (struct mirroring){0};
        note(session, 0);
    }
}

/* --- MIRROR --- */

static void too_old(const struct journal *journal, struct feed_event *answer)
{
    static char text[ERR_TEXT_MAX]; /* lives until the answer was given: one thread */
    uint64_t floor = journal_floor(journal);
    (void)snprintf(text, sizeof text,
                   "the server's journal begins at change %" PRIu64 ": start the copy over there",
                   floor);
    if (answer->kind == FEED_MIRRORING) {
        answer->mirroring.code = E_TOO_OLD;
        answer->mirroring.floor_seq = floor;
        answer->mirroring.text = text;
    } else {
        answer->batches.code = E_TOO_OLD;
        answer->batches.floor_seq = floor;
        answer->batches.text = text;
    }
}

/* Does a copy that ends there go on with what we have? 0, E_TOO_OLD, E_DIVERGED, E_IO. */
static int check_end(struct journal *journal, const struct wire_mirror *wanted)
{
    struct journal_position head;
    journal_head(journal, &head);
    if (wanted->seq > head.seq) {
        return E_DIVERGED;
    }
    if (wanted->seq + 1 < journal_floor(journal)) {
        return E_TOO_OLD;
    }
    if (wanted->seq == 0) {
        return 0;
    }
    uint8_t hash[SHA256_SIZE];
    struct err err = {0};
    int rc = journal_hash_at(journal, wanted->seq, hash, &err);
    if (rc == E_NOT_FOUND) { /* the floor moved, or no batch ends there */
        return wanted->seq + 1 < journal_floor(journal) ? E_TOO_OLD : E_DIVERGED;
    }
    if (rc != 0) {
        log_err(LOG_ERROR, "session", "journal.unreadable", &err);
        return E_IO;
    }
    bool same = !wanted->has_hash || memcmp(hash, wanted->hash, SHA256_SIZE) == 0;
    return same ? 0 : E_DIVERGED;
}

bool session_mirror(struct sessions *sessions, struct session *session,
                    const struct wire_mirror *wanted, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && wanted != NULL && answer != NULL);
    struct wire_mirror end = *wanted; /* before the event that it may point into is overwritten */
    struct journal *journal = sessions->options.journal;
    session_mirror_stop(sessions, session);
    *answer = (struct feed_event){.kind = FEED_MIRRORING};
    int code = session->rights.mirror ? check_end(journal, &end) : E_NOT_ALLOWED;
    session->mirror_refused = code;
    answer->mirroring.code = code;
    answer->mirroring.text = code == 0 ? "" : err_meaning(code);
    switch (code) {
    case 0:
        session->mirror = (struct mirroring){.on = true, .at = end.seq};
        enter(sessions, session);
        note(session, end.seq);
        log_event(LOG_INFO, "session", "mirror.began", "device=%016" PRIx64 " seq=%" PRIu64,
                  session->device, end.seq);
        break;
    case E_TOO_OLD:
        too_old(journal, answer);
        break;
    case E_NOT_ALLOWED:
        answer->mirroring.text = "this machine has not the right to mirror the journal";
        break;
    case E_DIVERGED:
        session_diverged(sessions, session->device, end.seq);
        break;
    default:
        break;
    }
    return true;
}

/* --- reading --- */

static void let_go(struct mirroring *mirror)
{
    journal_cursor_close(&mirror->cursor);
    mirror->batch.count = 0; /* its bytes were the cursor's */
}

void sessions_mirrors_tick(struct sessions *sessions)
{
    ASSERT(sessions != NULL);
    uint64_t floor = sessions->mirrors == NULL ? 0 : journal_floor(sessions->options.journal);
    for (struct session *at = sessions->mirrors; at != NULL; at = at->mirror.next) {
        if (at->mirror.at + 1 < floor) {
            let_go(&at->mirror);
        }
    }
}

/* The cursor stands behind after_seq, and mirror->at is that. E_NOT_FOUND: below the floor. */
static int stand_at(struct mirroring *mirror, struct journal *journal, uint64_t after_seq,
                    struct err *err)
{
    bool there = mirror->at == after_seq && after_seq + 1 >= journal_floor(journal);
    if (mirror->cursor != NULL && there) {
        return 0;
    }
    let_go(mirror);
    mirror->at = after_seq;
    return journal_cursor_open(&mirror->cursor, journal, after_seq + 1, err);
}

/* The batch that is next is at hand. 0; E_NOT_FOUND: there are no more. */
static int have_next(struct mirroring *mirror, struct err *err)
{
    if (mirror->batch.count > 0) {
        return 0;
    }
    int rc = journal_cursor_next_raw(mirror->cursor, &mirror->batch, &mirror->raw, err);
    mirror->batch.count = rc == 0 ? mirror->batch.count : 0;
    return rc;
}

static void pass(struct mirroring *mirror)
{
    mirror->at = mirror->batch.base_seq + mirror->batch.count - 1;
    mirror->batch.count = 0;
}

/* As many whole batches as the budget allows, but one. One that fills it lies where it was read,
 * until the next is; smaller ones are put together in `room`. 0; E_NOT_FOUND: there are no more. */
static int gather(struct mirroring *mirror, size_t budget_bytes, struct buf *room, struct span *out,
                  struct err *err)
{
    int rc = have_next(mirror, err);
    if (rc == 0 && mirror->raw.size >= budget_bytes) {
        *out = mirror->raw;
        pass(mirror);
        return 0;
    }
    while (rc == 0 && (room->size == 0 || room->size + mirror->raw.size <= budget_bytes)) {
        rc = buf_append_span(room, mirror->raw);
        pass(mirror);
        rc = rc != 0 ? rc : have_next(mirror, err);
    }
    *out = buf_span(room);
    return rc;
}

bool session_read_journal(struct sessions *sessions, struct session *session, uint64_t after_seq,
                          size_t budget_bytes, struct feed_event *answer)
{
    ASSERT(sessions != NULL && session != NULL && answer != NULL);
    ASSERT(session->mirror.on); /* a feed reads after MIRRORING said that it may */
    struct mirroring *mirror = &session->mirror;
    struct journal *journal = sessions->options.journal;
    struct err err = {0};
    *answer = (struct feed_event){.kind = FEED_BATCHES};
    buf_reset(&sessions->batches);
    struct span bytes = {NULL, 0};
    int rc = stand_at(mirror, journal, after_seq, &err);
    if (rc == 0) {
        rc = gather(mirror, budget_bytes, &sessions->batches, &bytes, &err);
    }
    struct journal_position head;
    journal_head(journal, &head);
    answer->batches.last_seq = mirror->at;
    answer->batches.head_seq = head.seq;
    answer->batches.end = rc == E_NOT_FOUND;
    if (rc == E_NOT_FOUND && mirror->at + 1 < journal_floor(journal)) {
        too_old(journal, answer); /* what was gathered is below the floor as well */
        session_mirror_stop(sessions, session);
    } else if (rc != 0 && rc != E_NOT_FOUND) {
        log_err(LOG_ERROR, "session", "journal.unreadable", &err);
        answer->batches.code = rc;
        session_mirror_stop(sessions, session);
    } else {
        answer->batches.bytes = bytes;
        note(session, mirror->at);
    }
    return true;
}
