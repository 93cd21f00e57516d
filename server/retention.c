/* server/retention.c - the oldest segment first, until one has to stay. */
#include "server/retention.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal/owner.h"

/* Is something of this time older than `keep_ms`? Not while ages mean nothing. */
static bool older(const struct retention_input *input, uint64_t time_ms, uint64_t keep_ms)
{
    return !input->clock_held && input->now_ms > time_ms && input->now_ms - time_ms > keep_ms;
}

/* --- undo --- */

static void decide_undo(const struct retention_input *input, struct retention_limit *out)
{
    out->seq = input->undo_before;
    out->hold = input->clock_held ? RETENTION_CLOCK : RETENTION_UNDO;
    if (!input->clock_held && input->undo_seq > out->seq) {
        out->seq = input->undo_seq;
    }
}

/* --- the journal --- */

/* Would someone have it gone? */
static bool wanted_gone(const struct retention_input *input,
                        const struct retention_segment *segment, uint64_t bytes_left)
{
    const struct retention_settings *settings = input->settings;
    return input->room_low ||
           (settings->journal_max_bytes > 0 && bytes_left > settings->journal_max_bytes) ||
           older(input, segment->last_ms, settings->journal_keep_ms);
}

/* The reason why a segment that is not the newest stays; RETENTION_EVERYTHING: it goes. The change
 * that was flushed last, and the last one before the undo, stay: opening and looking up a time
 * begin there. */
static enum retention_hold why_stays(const struct retention_input *input,
                                     const struct retention_segment *segment, uint64_t bytes_left,
                                     uint64_t undo_seq)
{
    if (!wanted_gone(input, segment, bytes_left)) {
        return input->clock_held ? RETENTION_CLOCK : RETENTION_AGE;
    }
    if (segment->last_seq >= input->flushed_seq) {
        return RETENTION_FLUSH;
    }
    if (segment->last_seq >= undo_seq) {
        return input->clock_held ? RETENTION_CLOCK : RETENTION_UNDO;
    }
    return RETENTION_EVERYTHING;
}

static void decide_journal(const struct retention_input *input, uint64_t undo_seq,
                           struct retention_limit *out)
{
    uint64_t bytes_left = 0;
    for (size_t i = 0; i < input->segment_count; i++) {
        bytes_left += input->segments[i].bytes;
    }
    size_t first = 0;
    out->hold = RETENTION_NEWEST;
    while (first + 1 < input->segment_count) {
        const struct retention_segment *segment = &input->segments[first];
        enum retention_hold why = why_stays(input, segment, bytes_left, undo_seq);
        if (why != RETENTION_EVERYTHING) {
            out->hold = why;
            break;
        }
        bytes_left -= segment->bytes;
        first++;
    }
    out->seq = input->segments[first].base_seq;
}

/* --- tombstones --- */

bool retention_active(const struct retention_input *input, const struct retention_device *device)
{
    ASSERT(input != NULL && device != NULL);
    return !older(input, device->last_ms, input->settings->devices_active_ms);
}

static void decide_tombstones(const struct retention_input *input, struct retention_limit *out)
{
    out->seq = input->head_seq;
    out->hold = RETENTION_EVERYTHING;
    for (size_t i = 0; i < input->device_count; i++) {
        const struct retention_device *device = &input->devices[i];
        if (device->seq < out->seq && retention_active(input, device)) {
            out->seq = device->seq;
            out->hold = RETENTION_DEVICE;
            out->device = device->device;
        }
    }
    if (!input->clock_held && input->tombstones_seq > out->seq) {
        out->seq = input->tombstones_seq;
    }
    if (input->purged_before > out->seq) {
        out->seq = input->purged_before;
    }
}

void retention_decide(const struct retention_input *input, struct retention_decision *out)
{
    ASSERT(input != NULL && out != NULL && input->settings != NULL);
    ASSERT(input->segments != NULL && input->segment_count > 0);
    *out = (struct retention_decision){0};
    decide_undo(input, &out->undo);
    decide_journal(input, out->undo.seq, &out->journal);
    decide_tombstones(input, &out->tombstones);
}

/* --- sentences --- */

/* "90 days", "36 hours", "45 seconds". */
static const char *duration(uint64_t ms, char *out, size_t size)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "days"}, {3600000, "hours"}, {60000, "minutes"}, {1000, "seconds"}};
    size_t i = 0;
    while (i < 3 && (ms < 2 * units[i].ms || ms % units[i].ms != 0)) {
        i++;
    }
    (void)snprintf(out, size, "%" PRIu64 " %s", ms / units[i].ms, units[i].name);
    return out;
}

enum { DURATION_TEXT_MAX = 40 };
#define DURATION(ms) duration((ms), (char[DURATION_TEXT_MAX]){0}, DURATION_TEXT_MAX)

static const char CLOCK_TEXT[] =
    "the clock stepped by more than an hour: nothing goes by age until it has run for a day, or an "
    "administrator confirmed that it is right";

void retention_journal_text(const struct retention_input *input,
                            const struct retention_decision *decision, char *out)
{
    ASSERT(input != NULL && decision != NULL && out != NULL);
    const struct retention_settings *settings = input->settings;
    const char *low =
        input->room_low ? "there is little room on the disk, so what can go went: " : "";
    switch (decision->journal.hold) {
    case RETENTION_AGE:
        (void)snprintf(out, ERR_TEXT_MAX, "the oldest segment is of the last %s (journal.keep)",
                       DURATION(settings->journal_keep_ms));
        break;
    case RETENTION_FLUSH:
        (void)snprintf(out, ERR_TEXT_MAX, "%sthe state is on disk up to seq %" PRIu64 " only", low,
                       input->flushed_seq);
        break;
    case RETENTION_UNDO:
        (void)snprintf(out, ERR_TEXT_MAX, "%san undo within %s needs the rest (undo.keep)", low,
                       DURATION(settings->undo_keep_ms));
        break;
    case RETENTION_CLOCK:
        (void)snprintf(out, ERR_TEXT_MAX, "%s%s", low, CLOCK_TEXT);
        break;
    case RETENTION_NEWEST:
    case RETENTION_DEVICE:
    case RETENTION_EVERYTHING:
        (void)snprintf(out, ERR_TEXT_MAX, "%sonly the newest segment is left", low);
        break;
    }
}

void retention_tombstones_text(const struct retention_input *input,
                               const struct retention_decision *decision, char *out)
{
    ASSERT(input != NULL && decision != NULL && out != NULL);
    const struct retention_limit *limit = &decision->tombstones;
    if (limit->hold != RETENTION_DEVICE) {
        (void)snprintf(out, ERR_TEXT_MAX, "no active device waits for an older deletion");
        return;
    }
    char device[DEVICE_TEXT_MAX];
    device_format(limit->device, device);
    if (input->clock_held) {
        (void)snprintf(out, ERR_TEXT_MAX, "device %s has not come further; %s", device, CLOCK_TEXT);
        return;
    }
    (void)snprintf(out, ERR_TEXT_MAX,
                   "device %s has not come further; it is waited for as long as a deletion is "
                   "younger than %s (tombstones.keep)",
                   device, DURATION(input->settings->tombstones_keep_ms));
}

void retention_undo_text(const struct retention_input *input,
                         const struct retention_decision *decision, char *out)
{
    ASSERT(input != NULL && decision != NULL && out != NULL);
    if (decision->undo.hold == RETENTION_CLOCK) {
        (void)snprintf(out, ERR_TEXT_MAX, "%s", CLOCK_TEXT);
        return;
    }
    (void)snprintf(out, ERR_TEXT_MAX, "what was deleted within %s can be undone (undo.keep)",
                   DURATION(input->settings->undo_keep_ms));
}
