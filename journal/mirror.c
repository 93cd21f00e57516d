/* journal/mirror.c - a copy of another machine's journal.
 *
 * Several batches are written at once, BATCH_SIZE_MAX bytes at most, with one sync. So a crash may
 * leave whole batches behind one that was cut short; files of the purpose "mirror" are judged for
 * that (see tail.h).
 */
#include "journal/mirror.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "journal/folder.h"
#include "journal/format.h"

enum {
    SEGMENT_BYTES_MIN = 8 << 20, /* room for the largest batch, twice over */
    DROP_MAX = 32,               /* segments let go of in one call */
};

struct mirror {
    char *dir;
    uint64_t segment_bytes;
    const struct disk *disk;
    struct segment *segment; /* the newest; NULL: there is none yet */
    bool failed;             /* a write or sync failed: nothing more is taken */
    uint64_t floor_seq;      /* 0: no segment */
    uint64_t disk_bytes;     /* of all segments */
    /* The last batch that is on disk. */
    struct segment_position at;
    bool has_hash;
    uint64_t time_ms; /* 0: not known */
    /* Batches on their way: verified, padded, not written. */
    struct buf group;
    struct segment_position behind; /* the last of them */
    bool behind_has_hash;
    uint64_t behind_time_ms;
    struct unpacked scratch;
};

/* --- opening and closing --- */

static bool is_known(const uint8_t hash[SHA256_SIZE], uint64_t seq)
{
    static const uint8_t unknown[SHA256_SIZE];
    return seq == 0 || memcmp(hash, unknown, SHA256_SIZE) != 0;
}

static int note_time(void *context, const struct batch *batch, struct err *err)
{
    (void)err;
    uint64_t *time_ms = context;
    *time_ms = batch->time_ms;
    return 0;
}

static int open_newest(struct mirror *mirror, const struct folder *folder, struct err *err)
{
    uint64_t seq = folder->seqs[folder->count - 1];
    char path[PATH_MAX];
    enum segment_tail tail;
    struct segment *segment = NULL;
    int rc = folder_segment_path(path, mirror->dir, seq, err);
    if (rc == 0) {
        rc = segment_open(&segment, path, mirror->disk, note_time, &mirror->time_ms, &tail, err);
    }
    if (rc != 0) {
        return rc;
    }
    const struct segment_id *id = segment_id(segment);
    if (id->purpose != SEGMENT_MIRROR || id->base_seq != seq) {
        rc = err_set(err, E_CORRUPT, "'%s' is damaged at offset 0: it is not what its name tells",
                     path);
        segment_close(&segment);
        return rc;
    }
    mirror->segment = segment;
    mirror->floor_seq = folder->seqs[0];
    mirror->at.seq = segment_next_seq(segment);
    segment_last_hash(segment, mirror->at.hash);
    mirror->has_hash = is_known(mirror->at.hash, mirror->at.seq - 1);
    return 0;
}

static int file_size(const struct mirror *mirror, uint64_t seq, char path[PATH_MAX], uint64_t *size,
                     struct err *err)
{
    struct stat st;
    int rc = folder_segment_path(path, mirror->dir, seq, err);
    if (rc == 0 && stat(path, &st) != 0) {
        rc = err_sys(err, "look at", path);
    }
    *size = rc == 0 ? (uint64_t)st.st_size : 0;
    return rc;
}

static int weigh(struct mirror *mirror, const struct folder *folder, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < folder->count; i++) {
        char path[PATH_MAX];
        uint64_t size = 0;
        rc = file_size(mirror, folder->seqs[i], path, &size, err);
        mirror->disk_bytes += size;
    }
    return rc;
}

static int load(struct mirror *mirror, struct err *err)
{
    struct folder folder = {0};
    int rc = dir_make(mirror->dir, 0700, err);
    if (rc == 0) {
        rc = folder_list(&folder, mirror->dir, err);
    }
    if (rc == 0 && folder.count > 0) {
        rc = open_newest(mirror, &folder, err);
    }
    rc = rc != 0 ? rc : weigh(mirror, &folder, err);
    folder_free(&folder);
    return rc;
}

int mirror_open(struct mirror **out, const struct mirror_options *options, struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->dir != NULL);

    if (options->segment_bytes < SEGMENT_BYTES_MIN || options->segment_bytes > INT64_MAX) {
        return err_set(err, E_INVALID, "segments of %llu bytes: at least %d are needed",
                       (unsigned long long)options->segment_bytes, SEGMENT_BYTES_MIN);
    }
    struct mirror *mirror = calloc(1, sizeof *mirror);
    if (mirror == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    mirror->disk = options->disk != NULL ? options->disk : &disk_system;
    mirror->segment_bytes = options->segment_bytes;
    mirror->at.seq = 1;
    mirror->has_hash = true; /* zeros: before the first change there ever was */
    buf_init(&mirror->group, BATCH_SIZE_MAX);
    mirror->dir = strdup(options->dir);
    int rc = mirror->dir != NULL ? load(mirror, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc != 0) {
        mirror_close(&mirror);
        return rc;
    }
    *out = mirror;
    return 0;
}

void mirror_close(struct mirror **mirror)
{
    if (mirror == NULL || *mirror == NULL) {
        return;
    }
    segment_close(&(*mirror)->segment);
    buf_free(&(*mirror)->group);
    unpack_close(&(*mirror)->scratch);
    free((*mirror)->dir);
    free(*mirror);
    *mirror = NULL;
}

void mirror_position(const struct mirror *mirror, struct mirror_position *out)
{
    ASSERT(mirror != NULL && out != NULL);
    *out = (struct mirror_position){
        .floor_seq = mirror->floor_seq,
        .seq = mirror->at.seq - 1,
        .has_hash = mirror->has_hash,
        .time_ms = mirror->time_ms,
        .disk_bytes = mirror->disk_bytes,
    };
    memcpy(out->hash, mirror->at.hash, SHA256_SIZE);
    if (mirror->segment != NULL) {
        memcpy(out->history, segment_id(mirror->segment)->history, HISTORY_SIZE);
    }
}

/* --- verifying --- */

static int refused(const struct mirror *mirror, int code, const char *why, struct err *err)
{
    return err_set(err, code, "the batch that came where change %llu comes next %s",
                   (unsigned long long)mirror->behind.seq, why);
}

static int on_change(void *context, const struct change *change, struct err *err)
{
    (void)context; /* that it decodes is all that is asked */
    (void)change;
    (void)err;
    return 0;
}

static int check_changes(struct mirror *mirror, const struct format_batch *header,
                         const uint8_t *bytes, struct err *err)
{
    struct batch batch = {
        .base_seq = header->base_seq,
        .count = header->count,
        .time_ms = header->time_ms,
        .payload = span_of(bytes + BATCH_HEADER_SIZE, header->payload_size),
    };
    struct err why = {0};
    int rc = batch_changes(&batch, &mirror->scratch, on_change, NULL, &why);
    return rc == 0 ? 0 : err_set(err, rc == E_NOMEM ? rc : E_CORRUPT, "%s", why.text);
}

/* The first batch of `raw`, in itself and behind those that came before. */
static int check_batch(struct mirror *mirror, struct span raw, struct format_batch *header,
                       struct err *err)
{
    const char *why = NULL;
    if (raw.size < BATCH_HEADER_SIZE) {
        return refused(mirror, E_MALFORMED, "is cut short", err);
    }
    if (format_get_batch(raw.data, header, &why) != 0) {
        return err_set(err, E_CORRUPT,
                       "the header of the batch that came where change %llu comes next %s",
                       (unsigned long long)mirror->behind.seq, why);
    }
    if (header->clean_stop || header->payload_size > raw.size - BATCH_HEADER_SIZE) {
        return refused(mirror, E_MALFORMED, "is cut short, or none", err);
    }
    if (!format_crc_holds(raw.data, header)) {
        return refused(mirror, E_CORRUPT, "fails its checksum", err);
    }
    if (header->base_seq != mirror->behind.seq) {
        return refused(mirror, E_DIVERGED, "begins with another change", err);
    }
    if (mirror->behind_has_hash && !format_hash_holds(raw.data, header, mirror->behind.hash)) {
        return refused(mirror, E_DIVERGED, "has another past than what is here", err);
    }
    return check_changes(mirror, header, raw.data, err);
}

/* --- writing --- */

/* A change of the disk that failed half way. */
static int failed(struct mirror *mirror, int rc)
{
    mirror->failed = mirror->failed || rc == E_IO;
    return rc;
}

/* A new segment behind the last batch that is on disk. */
static int roll(struct mirror *mirror, const uint8_t history[HISTORY_SIZE], struct err *err)
{
    struct segment_id id = {.purpose = SEGMENT_MIRROR, .base_seq = mirror->at.seq};
    if (mirror->segment != NULL) {
        const struct segment_id *before = segment_id(mirror->segment);
        id.lineage = before->lineage;
        if (memcmp(before->history, history, HISTORY_SIZE) != 0) {
            lineage_add(&id.lineage, before->history, mirror->at.seq - 1);
        }
    }
    memcpy(id.history, history, HISTORY_SIZE);
    memcpy(id.prev_hash, mirror->at.hash, SHA256_SIZE);
    char path[PATH_MAX];
    struct segment *segment = NULL;
    int rc = folder_segment_path(path, mirror->dir, id.base_seq, err);
    if (rc == 0) {
        rc = segment_create(&segment, path, &id, mirror->segment_bytes, mirror->disk, err);
    }
    if (rc == 0 && mirror->segment == NULL) { /* the folder itself may be new */
        rc = disk_sync_parent(mirror->disk, mirror->dir, err);
    }
    if (rc != 0) {
        segment_close(&segment);
        return failed(mirror, rc);
    }
    mirror->floor_seq = mirror->floor_seq == 0 ? id.base_seq : mirror->floor_seq;
    segment_close(&mirror->segment);
    mirror->segment = segment;
    mirror->disk_bytes += segment_file_size(segment);
    return 0;
}

static int flush(struct mirror *mirror, struct err *err)
{
    if (mirror->group.size == 0) {
        return 0;
    }
    int rc = segment_append_group(mirror->segment, buf_span(&mirror->group), &mirror->behind, err);
    buf_reset(&mirror->group);
    if (rc != 0) {
        return failed(mirror, rc);
    }
    mirror->at = mirror->behind;
    mirror->has_hash = mirror->behind_has_hash;
    mirror->time_ms = mirror->behind_time_ms;
    return 0;
}

static bool is_of_this_segment(const struct mirror *mirror, const struct format_batch *header)
{
    return mirror->segment != NULL &&
           memcmp(segment_id(mirror->segment)->history, header->history, HISTORY_SIZE) == 0;
}

/* Room in the group and behind it in the file; else what was gathered is written, and the next
 * segment begun. */
static int make_room(struct mirror *mirror, const struct format_batch *header, size_t size,
                     struct err *err)
{
    bool same = is_of_this_segment(mirror, header);
    bool fits = same && (uint64_t)segment_end(mirror->segment) + mirror->group.size + size +
                                SEGMENT_SECTOR <=
                            segment_file_size(mirror->segment);
    int rc = 0;
    if (!fits || mirror->group.size + size > BATCH_SIZE_MAX) {
        rc = flush(mirror, err);
    }
    return rc == 0 && !fits ? roll(mirror, header->history, err) : rc;
}

/* One batch into the group. */
static int gather(struct mirror *mirror, struct span raw, const struct format_batch *header,
                  struct err *err)
{
    size_t used = BATCH_HEADER_SIZE + header->payload_size;
    size_t size = format_batch_size(header->payload_size);
    int rc = make_room(mirror, header, size, err);
    if (rc != 0) {
        return rc;
    }
    uint8_t *bytes = buf_extend(&mirror->group, size);
    if (bytes == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    memcpy(bytes, raw.data, used);
    memset(bytes + used, 0, size - used);
    mirror->behind.seq = header->base_seq + header->count;
    memcpy(mirror->behind.hash, header->hash, SHA256_SIZE);
    mirror->behind_has_hash = true;
    mirror->behind_time_ms = header->time_ms;
    return 0;
}

int mirror_take(struct mirror *mirror, struct span raw, struct err *err)
{
    ASSERT(mirror != NULL && (raw.data != NULL || raw.size == 0));

    if (mirror->failed) {
        return err_set(err, E_READ_ONLY,
                       "the mirror takes nothing more: writing to it failed before. Look after "
                       "the disk, then start again");
    }
    buf_reset(&mirror->group);
    mirror->behind = mirror->at;
    mirror->behind_has_hash = mirror->has_hash;
    mirror->behind_time_ms = mirror->time_ms;
    int rc = 0;
    while (rc == 0 && raw.size > 0) {
        struct format_batch header;
        rc = check_batch(mirror, raw, &header, err);
        if (rc == 0) {
            rc = gather(mirror, raw, &header, err);
        }
        if (rc == 0) {
            size_t used = BATCH_HEADER_SIZE + header.payload_size;
            raw = span_of(raw.data + used, raw.size - used);
        }
    }
    return rc == 0 ? flush(mirror, err) : rc;
}

/* --- letting go --- */

/* Synced before anything else goes: what is left is a row without gaps. */
static int remove_one(struct mirror *mirror, uint64_t seq, struct err *err)
{
    char path[PATH_MAX];
    uint64_t size = 0;
    int rc = file_size(mirror, seq, path, &size, err);
    if (rc == 0 && mirror->disk->unlink(mirror->disk->context, path) != 0) {
        rc = err_sys(err, "remove", path);
    }
    mirror->disk_bytes -= rc == 0 ? size : 0;
    return rc != 0 ? rc : disk_sync_parent(mirror->disk, path, err);
}

/* The time of the first batch of the segment that begins with `seq`: nothing before it is newer.
 * UINT64_MAX: it holds none yet. */
static int first_time(const struct mirror *mirror, uint64_t seq, uint64_t *time_ms, struct err *err)
{
    char path[PATH_MAX];
    struct segment *segment = NULL;
    struct segment_position start;
    struct batch batch;
    int rc = folder_segment_path(path, mirror->dir, seq, err);
    rc = rc != 0 ? rc : segment_open_read(&segment, path, err);
    if (rc == 0) {
        segment_start(segment, &start);
        rc = segment_peek(segment, start.offset, &batch, err);
        *time_ms = rc == 0 ? batch.time_ms : UINT64_MAX;
        rc = rc == E_NOT_FOUND ? 0 : rc;
    }
    segment_close(&segment);
    return rc;
}

int mirror_drop(struct mirror *mirror, uint64_t keep_ms, struct err *err)
{
    ASSERT(mirror != NULL);

    struct folder folder = {0};
    uint64_t time_ms = 0;
    if (mirror->time_ms <= keep_ms) {
        return 0;
    }
    uint64_t before_ms = mirror->time_ms - keep_ms;
    int rc = folder_list(&folder, mirror->dir, err);
    for (size_t i = 0; rc == 0 && i < DROP_MAX && i + 1 < folder.count; i++) {
        rc = first_time(mirror, folder.seqs[i + 1], &time_ms, err);
        if (rc != 0 || time_ms >= before_ms) {
            break;
        }
        rc = remove_one(mirror, folder.seqs[i], err);
        mirror->floor_seq = rc == 0 ? folder.seqs[i + 1] : mirror->floor_seq;
    }
    folder_free(&folder);
    return rc;
}

/* --- starting over --- */

/* Oldest first. */
static int remove_all(struct mirror *mirror, const struct folder *folder, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < folder->count; i++) {
        rc = remove_one(mirror, folder->seqs[i], err);
    }
    return rc;
}

int mirror_restart(struct mirror *mirror, uint64_t seq, const uint8_t *hash, struct err *err)
{
    ASSERT(mirror != NULL && seq < UINT64_MAX);

    struct folder folder = {0};
    int rc = folder_list(&folder, mirror->dir, err);
    if (rc != 0) {
        return rc;
    }
    segment_close(&mirror->segment);
    rc = remove_all(mirror, &folder, err);
    folder_free(&folder);
    if (rc != 0) { /* what is there now has to be found out by opening it again */
        mirror->failed = true;
        return rc;
    }
    mirror->floor_seq = 0;
    mirror->disk_bytes = 0;
    mirror->time_ms = 0;
    mirror->at = (struct segment_position){.seq = seq + 1};
    if (hash != NULL) {
        memcpy(mirror->at.hash, hash, SHA256_SIZE);
    }
    mirror->has_hash = is_known(mirror->at.hash, seq);
    return 0;
}
