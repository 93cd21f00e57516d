/* server/retaining.c - the inputs of a decision, and its outcome. */
#include "server/retaining.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "base/pack.h"
#include "server/records.h"
#include "server/rows.h"

static const char MARKS_NOTE[] = "retention/marks";

enum {
    MARKS_MAX = 200,
    MARK_SIZE = 16,
    MARKS_OF_KEEP = 120, /* so many within tombstones.keep */
};

/* The head was at `seq` at this time of the journal. */
struct mark {
    uint64_t time_ms;
    uint64_t seq;
};

struct retaining {
    struct retaining_options options;
    struct retention_decision decided;
    struct retention_line lines[RETENTION_LINES];
    struct mark marks[MARKS_MAX]; /* the oldest first */
    size_t mark_count;
    uint64_t devices_seq; /* the server's bag when the devices were read */
    struct retention_segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    struct retention_device *devices;
    size_t device_count;
    size_t device_capacity;
};

/* --- marks --- */

/* Those that make no sense end the list: fewer marks only keep more. */
static int load_marks(struct retaining *retaining, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, KV_NOTE_MAX_BYTES);
    struct err why = {0};
    int rc = kv_note_get(retaining->options.kv, MARKS_NOTE, &bytes, &why);
    for (size_t at = 0; rc == 0 && at + MARK_SIZE <= bytes.size; at += MARK_SIZE) {
        struct mark mark = {get_be64(bytes.data + at), get_be64(bytes.data + at + 8)};
        size_t count = retaining->mark_count;
        const struct mark *last = count > 0 ? &retaining->marks[count - 1] : NULL;
        if (count == MARKS_MAX ||
            (last != NULL && (mark.seq <= last->seq || mark.time_ms < last->time_ms))) {
            break;
        }
        retaining->marks[retaining->mark_count++] = mark;
    }
    buf_free(&bytes);
    return rc == 0 || rc == E_NOT_FOUND ? 0 : err_set(err, rc, "%s", why.text);
}

static int save_marks(const struct retaining *retaining, struct err *err)
{
    uint8_t bytes[MARKS_MAX * MARK_SIZE];
    for (size_t i = 0; i < retaining->mark_count; i++) {
        put_be64(bytes + i * MARK_SIZE, retaining->marks[i].time_ms);
        put_be64(bytes + i * MARK_SIZE + 8, retaining->marks[i].seq);
    }
    return kv_note_put(retaining->options.kv, MARKS_NOTE,
                       span_of(bytes, retaining->mark_count * MARK_SIZE), err);
}

/* The newest mark that is not behind `time_ms`; -1: none. */
static ptrdiff_t mark_before(const struct retaining *retaining, uint64_t time_ms)
{
    ptrdiff_t i = (ptrdiff_t)retaining->mark_count - 1;
    while (i >= 0 && retaining->marks[i].time_ms > time_ms) {
        i--;
    }
    return i;
}

/* The head as a mark, when the last one is old enough. Those that no question needs go. */
static int add_mark(struct retaining *retaining, const struct retaining_now *now,
                    const struct journal_stat *stat, struct err *err)
{
    uint64_t keep_ms = retaining->options.settings.tombstones_keep_ms;
    size_t count = retaining->mark_count;
    const struct mark *last = count > 0 ? &retaining->marks[count - 1] : NULL;
    if (stat->head_seq == 0 ||
        (last != NULL && (stat->head_seq <= last->seq ||
                          stat->last_time_ms < last->time_ms + keep_ms / MARKS_OF_KEEP))) {
        return 0;
    }
    ptrdiff_t first = now->wall_ms > keep_ms ? mark_before(retaining, now->wall_ms - keep_ms) : 0;
    if (count == MARKS_MAX && first <= 0) {
        first = 1; /* times that ran ahead: better to forget the oldest than to stop here */
    }
    if (first > 0) {
        retaining->mark_count -= (size_t)first;
        memmove(retaining->marks, retaining->marks + first,
                retaining->mark_count * sizeof retaining->marks[0]);
    }
    retaining->marks[retaining->mark_count++] = (struct mark){stat->last_time_ms, stat->head_seq};
    return save_marks(retaining, err);
}

/* --- inputs --- */

static int read_segments(struct retaining *retaining, struct err *err)
{
    struct journal_segment_info info = {0};
    uint64_t seq = 0;
    int rc = 0;
    retaining->segment_count = 0;
    for (bool first = true; rc == 0 && (first || !info.newest); first = false) {
        struct retention_segment *segments =
            array_reserve(retaining->segments, &retaining->segment_capacity,
                          retaining->segment_count + 1, sizeof *segments);
        if (segments == NULL) {
            return err_set(err, E_NOMEM, "the journal's segments: out of memory");
        }
        retaining->segments = segments;
        rc = journal_segment_info(retaining->options.journal, seq, &info, err);
        if (rc == 0) {
            retaining->segments[retaining->segment_count++] = (struct retention_segment){
                .base_seq = info.base_seq,
                .last_seq = info.last_seq,
                .last_ms = info.last_time_ms,
                .bytes = info.file_bytes,
            };
            seq = info.last_seq + 1;
        }
    }
    return rc;
}

static int each_device(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct retaining *retaining = context;
    struct device_record record = {0};
    if (record_get_device(&record, path, row->value, NULL) != 0) {
        return 0; /* the registry says so, and lets nobody in by it */
    }
    if (record.removed) {
        return seen_forget(retaining->options.seen, retaining->options.kv, record.id, err);
    }
    struct retention_device *devices =
        array_reserve(retaining->devices, &retaining->device_capacity, retaining->device_count + 1,
                      sizeof *devices);
    if (devices == NULL) {
        return err_set(err, E_NOMEM, "the devices' positions: out of memory");
    }
    retaining->devices = devices;
    retaining->devices[retaining->device_count++] =
        (struct retention_device){.device = record.id, .last_ms = record.joined_ms};
    return 0;
}

/* Reads who is registered, when that changed. */
static int read_devices(struct retaining *retaining, struct err *err)
{
    static const struct owner server = {.kind = OWNER_SERVER};
    struct kv *kv = retaining->options.kv;
    struct bag_row bag = {0};
    int rc = kv_bag_of(kv, NULL, &server, &bag, err);
    if (rc != 0 || bag.last_seq == retaining->devices_seq) {
        return rc;
    }
    retaining->device_count = 0;
    rc = rows_each(kv, bag.bag_id, SPAN_LITERAL("device/"), each_device, retaining, err);
    retaining->devices_seq = rc == 0 ? bag.last_seq : 0;
    return rc;
}

/* A device that was never heard of counts as one that has nothing since it joined. */
static void read_positions(struct retaining *retaining)
{
    for (size_t i = 0; i < retaining->device_count; i++) {
        struct retention_device *device = &retaining->devices[i];
        struct seen_device at = {0};
        (void)seen_get(retaining->options.seen, device->device, &at); /* zeros when unknown */
        device->seq = at.seq;
        device->last_ms = at.last_ms > device->last_ms ? at.last_ms : device->last_ms;
    }
}

/* The last change that is older than `keep_ms`, as far as it can be told; 0: none. */
static int seq_of_age(struct retaining *retaining, uint64_t now_ms, uint64_t keep_ms, uint64_t *out,
                      struct err *err)
{
    *out = 0;
    if (now_ms <= keep_ms) {
        return 0;
    }
    uint64_t time_ms = now_ms - keep_ms - 1;
    ptrdiff_t i = mark_before(retaining, time_ms);
    uint64_t marked = i >= 0 ? retaining->marks[i].seq : 0;
    struct err why = {0};
    int rc = journal_seek_time(retaining->options.journal, time_ms, out, &why);
    *out = marked > *out ? marked : *out;
    return rc == 0 || rc == E_TOO_OLD ? 0 : err_set(err, rc, "%s", why.text);
}

static int read_input(struct retaining *retaining, const struct retaining_now *now,
                      struct retention_input *out, struct err *err)
{
    const struct retention_settings *settings = &retaining->options.settings;
    struct journal_stat stat = {0};
    *out = (struct retention_input){
        .settings = settings,
        .now_ms = now->wall_ms,
        .clock_held = now->clock_held,
        .room_low = now->room_low,
        .flushed_seq = now->flushed_seq,
        .undo_before = retaining->decided.undo.seq,
        .purged_before = retaining->decided.tombstones.seq,
    };
    int rc = journal_stat(retaining->options.journal, &stat, err);
    if (rc == 0 && !now->clock_held) {
        rc = add_mark(retaining, now, &stat, err);
    }
    rc = rc != 0 ? rc : read_segments(retaining, err);
    rc = rc != 0 ? rc : read_devices(retaining, err);
    rc = rc != 0 ? rc
                 : seq_of_age(retaining, now->wall_ms, settings->undo_keep_ms, &out->undo_seq, err);
    rc = rc != 0 ? rc
                 : seq_of_age(retaining, now->wall_ms, settings->tombstones_keep_ms,
                              &out->tombstones_seq, err);
    if (rc == 0) {
        read_positions(retaining);
    }
    out->head_seq = stat.head_seq;
    out->segments = retaining->segments;
    out->segment_count = retaining->segment_count;
    out->devices = retaining->devices;
    out->device_count = retaining->device_count;
    return rc;
}

/* --- a round --- */

static void tell(struct retaining *retaining, const struct retention_input *input)
{
    const struct retention_decision *decided = &retaining->decided;
    struct retention_line *lines = retaining->lines;
    lines[0] = (struct retention_line){.what = "journal", .seq = decided->journal.seq};
    lines[1] = (struct retention_line){.what = "tombstones", .seq = decided->tombstones.seq};
    lines[2] = (struct retention_line){.what = "undo", .seq = decided->undo.seq};
    retention_journal_text(input, decided, lines[0].text);
    retention_tombstones_text(input, decided, lines[1].text);
    retention_undo_text(input, decided, lines[2].text);
}

static int execute(struct retaining *retaining, uint64_t floor_before, struct err *err)
{
    const struct retention_decision *decided = &retaining->decided;
    uint64_t floor = 0;
    int rc = journal_drop(retaining->options.journal, decided->journal.seq, &floor, err);
    if (rc != 0) {
        return rc;
    }
    if (floor > floor_before) {
        log_event(LOG_INFO, "retention", "journal.dropped", "floor=%" PRIu64 " before=%" PRIu64,
                  floor, floor_before);
    }
    struct upkeep_goals goals = {
        .purge_to = decided->tombstones.seq,
        .clean_to = decided->undo.seq,
        .bury_below = floor,
    };
    upkeep_set(retaining->options.upkeep, &goals);
    return 0;
}

int retaining_round(struct retaining *retaining, const struct retaining_now *now, struct err *err)
{
    ASSERT(retaining != NULL && now != NULL);
    struct retention_input input;
    int rc = read_input(retaining, now, &input, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t floor_before = retaining->segments[0].base_seq;
    retention_decide(&input, &retaining->decided);
    tell(retaining, &input);
    return execute(retaining, floor_before, err);
}

uint64_t retaining_undo_seq(const struct retaining *retaining)
{
    ASSERT(retaining != NULL);
    return retaining->decided.undo.seq;
}

void retaining_lines(const struct retaining *retaining, struct retention_line out[RETENTION_LINES])
{
    ASSERT(retaining != NULL && out != NULL);
    memcpy(out, retaining->lines, sizeof retaining->lines);
}

/* --- birth and death --- */

int retaining_new(struct retaining **out, const struct retaining_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->journal != NULL && options->kv != NULL);
    ASSERT(options->seen != NULL && options->upkeep != NULL);
    struct retaining *retaining = calloc(1, sizeof *retaining);
    if (retaining == NULL) {
        return err_set(err, E_NOMEM, "retention: out of memory");
    }
    retaining->options = *options;
    static const char *const names[RETENTION_LINES] = {"journal", "tombstones", "undo"};
    for (size_t i = 0; i < RETENTION_LINES; i++) {
        retaining->lines[i].what = names[i];
        (void)snprintf(retaining->lines[i].text, ERR_TEXT_MAX, "not looked at yet");
    }
    int rc = load_marks(retaining, err);
    if (rc != 0) {
        retaining_free(&retaining);
        return rc;
    }
    *out = retaining;
    return 0;
}

void retaining_free(struct retaining **retaining)
{
    if (retaining == NULL || *retaining == NULL) {
        return;
    }
    free((*retaining)->segments);
    free((*retaining)->devices);
    free(*retaining);
    *retaining = NULL;
}
