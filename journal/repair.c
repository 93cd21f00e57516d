/* journal/repair.c - a damaged journal becomes a whole one that is shorter.
 *
 * In this order, each step durable before the next, so that after a crash at any moment it can be
 * done again: whole files are moved away, of the newest the last one first (or, to keep what is
 * behind, of the oldest the first), so that what is left is a row without gaps at any moment; of
 * the file that is cut a copy is kept; then a shorter one takes its place.
 */
#include "journal/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/folder.h"
#include "journal/format.h"

enum { COPY_CHUNK = 1 << 20 };

struct repair {
    const char *dir;
    const struct disk *disk;
    const struct repair_options *options;
    struct repair_report *report;
    struct verify_report found;
    struct folder folder;
    /* What is to be done. */
    size_t from; /* files of the folder that are moved: [from, to) */
    size_t to;
    bool cut; /* and the file `from - 1` is cut at found.offset */
};

/* --- planning --- */

/* The index of the file that begins with `seq`; the number of files when there is none. */
static size_t index_of(const struct folder *folder, uint64_t seq)
{
    size_t i = 0;
    while (i < folder->count && folder->seqs[i] != seq) {
        i++;
    }
    return i;
}

/* The last change that files and headers tell of. */
static uint64_t last_known(const struct repair *repair)
{
    uint64_t newest = repair->folder.seqs[repair->folder.count - 1];
    uint64_t last = repair->found.last_seq;
    last = newest > 1 && newest - 1 > last ? newest - 1 : last;
    return repair->found.fault_seq > last ? repair->found.fault_seq : last;
}

static int plan_before(struct repair *repair, struct err *err)
{
    const struct verify_report *found = &repair->found;
    size_t index = index_of(&repair->folder, strtoull(found->file, NULL, 10));
    ASSERT(index < repair->folder.count);
    repair->cut = found->offset > SEGMENT_HEADER_SIZE;
    repair->from = repair->cut ? index + 1 : index;
    repair->to = repair->folder.count;
    repair->report->kept_first = repair->folder.seqs[0];
    repair->report->kept_last = found->fault_base - 1;
    repair->report->lost_first = found->fault_base;
    repair->report->lost_last = last_known(repair);
    if (repair->from == 0) {
        return err_set(err, E_CORRUPT,
                       "no change before the fault in '%s' would be left: restore a backup%s",
                       found->file, found->whole_from != 0 ? ", or keep the files behind it" : "");
    }
    return 0;
}

static int plan_behind(struct repair *repair, struct err *err)
{
    const struct verify_report *found = &repair->found;
    if (found->whole_from == 0) {
        return err_set(err, E_CORRUPT,
                       "no file behind the last fault is whole: keep what is before the first one");
    }
    repair->to = index_of(&repair->folder, found->whole_from);
    ASSERT(repair->to < repair->folder.count);
    repair->report->kept_first = found->whole_from;
    repair->report->kept_last = found->last_seq;
    repair->report->lost_first = repair->folder.seqs[0];
    repair->report->lost_last = found->whole_from - 1;
    return 0;
}

/* DIR/../journal.damaged */
static int damaged_path(const char *dir, char out[PATH_MAX], struct err *err)
{
    char real[PATH_MAX];
    if (realpath(dir, real) == NULL) {
        return err_sys(err, "open", dir);
    }
    char *slash = strrchr(real, '/');
    if (slash == NULL || slash == real) {
        return err_set(err, E_INVALID, "'%s' has no folder above it", dir);
    }
    *slash = '\0';
    int rc = path_join(out, PATH_MAX, real, "journal.damaged");
    return rc == 0 ? 0 : err_set(err, rc, "path too long: '%.40s...'", dir);
}

static int plan(struct repair *repair, const struct err *why, struct err *err)
{
    struct repair_report *report = repair->report;
    report->damaged = true;
    report->offset = repair->found.offset;
    (void)snprintf(report->file, sizeof report->file, "%s", repair->found.file);
    (void)snprintf(report->what, sizeof report->what, "%s", why->text);
    int rc = damaged_path(repair->dir, report->moved_to, err);
    if (rc != 0) {
        return rc;
    }
    return repair->options->keep == REPAIR_KEEP_BEFORE ? plan_before(repair, err)
                                                       : plan_behind(repair, err);
}

/* --- moving away --- */

/* The path of a file that goes, where it is and where it shall be. */
struct way {
    char from[PATH_MAX];
    char to[PATH_MAX];
};

static int find_way(const struct repair *repair, uint64_t seq, struct way *out, struct err *err)
{
    int rc = folder_segment_path(out->from, repair->dir, seq, err);
    return rc == 0 ? folder_segment_path(out->to, repair->report->moved_to, seq, err) : rc;
}

static int must_be_free(const char *path, struct err *err)
{
    if (access(path, F_OK) == 0) {
        return err_set(err, E_EXISTS, "'%s' is there from an earlier repair: move it away first",
                       path);
    }
    return errno == ENOENT ? 0 : err_sys(err, "look for", path);
}

static int move_file(struct repair *repair, uint64_t seq, struct err *err)
{
    struct way way;
    struct stat info;
    int rc = find_way(repair, seq, &way, err);
    if (rc == 0) {
        rc = must_be_free(way.to, err);
    }
    if (rc == 0 && stat(way.from, &info) != 0) {
        rc = err_sys(err, "stat", way.from);
    }
    if (rc != 0) {
        return rc;
    }
    repair->report->moved_files++;
    repair->report->moved_bytes += (uint64_t)info.st_size;
    if (repair->options->dry_run) {
        return 0;
    }
    if (repair->disk->rename(repair->disk->context, way.from, way.to) != 0) {
        return err_sys(err, "move", way.from);
    }
    rc = disk_sync_parent(repair->disk, way.to, err);
    return rc == 0 ? disk_sync_parent(repair->disk, way.from, err) : rc;
}

/* What is kept has no gap at any moment: of the newest the last goes first, of the oldest the
 * first. */
static int move_files(struct repair *repair, struct err *err)
{
    int rc = 0;
    size_t count = repair->to - repair->from;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool newest_first = repair->options->keep == REPAIR_KEEP_BEFORE;
        size_t index = newest_first ? repair->to - 1 - i : repair->from + i;
        rc = move_file(repair, repair->folder.seqs[index], err);
    }
    return rc;
}

/* --- cutting a file --- */

struct copy {
    const struct disk *disk;
    const char *from;
    const char *to;
    off_t good; /* bytes that are taken over; behind them comes the pattern, when `word` is set */
    uint64_t word; /* 0: `good` is the whole file */
    int in;
    int out;
    off_t size;
    uint8_t *chunk;
    uint8_t *there; /* to compare with */
};

static int copy_open(struct copy *copy, int flags, struct err *err)
{
    struct stat info;
    copy->in = open(copy->from, O_RDONLY | O_CLOEXEC);
    if (copy->in < 0 || fstat(copy->in, &info) != 0) {
        return err_sys(err, "open", copy->from);
    }
    copy->size = info.st_size;
    copy->out = open(copy->to, flags | O_CLOEXEC, 0600);
    if (copy->out < 0) {
        return err_sys(err, "open", copy->to);
    }
    copy->chunk = malloc(COPY_CHUNK);
    copy->there = malloc(COPY_CHUNK);
    return copy->chunk != NULL && copy->there != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

static void copy_close(struct copy *copy)
{
    if (copy->in >= 0) {
        (void)close(copy->in); /* only read from */
    }
    if (copy->out >= 0) {
        (void)close(copy->out); /* what counts is synced */
    }
    free(copy->chunk);
    free(copy->there);
}

/* The piece at `at` into the chunk, as it shall be. */
static int copy_piece(struct copy *copy, off_t at, size_t size, struct err *err)
{
    size_t good = copy->word == 0 || copy->good >= at + (off_t)size ? size : 0;
    if (good == 0 && copy->good > at) {
        good = (size_t)(copy->good - at);
    }
    if (copy->word != 0) {
        format_fill(copy->chunk, COPY_CHUNK, copy->word);
    }
    return good > 0 ? file_read_at(copy->in, copy->chunk, good, at, copy->from, err) : 0;
}

static int copy_all(struct copy *copy, struct err *err)
{
    int rc = copy_open(copy, O_RDWR | O_CREAT | O_TRUNC, err);
    for (off_t at = 0; rc == 0 && at < copy->size; at += COPY_CHUNK) {
        size_t size = copy->size - at < COPY_CHUNK ? (size_t)(copy->size - at) : COPY_CHUNK;
        rc = copy_piece(copy, at, size, err);
        if (rc == 0) {
            rc = disk_write(copy->disk, copy->out, copy->chunk, size, at, copy->to, err);
        }
    }
    if (rc == 0 && copy->disk->fsync(copy->disk->context, copy->out) != 0) {
        rc = err_sys(err, "fsync", copy->to);
    }
    copy_close(copy);
    return rc;
}

/* Is what lies at `to` the same already? */
static int copy_compare(struct copy *copy, bool *same, struct err *err)
{
    struct stat info;
    int rc = copy_open(copy, O_RDONLY, err);
    if (rc == 0 && fstat(copy->out, &info) != 0) {
        rc = err_sys(err, "stat", copy->to);
    }
    *same = rc == 0 && info.st_size == copy->size;
    for (off_t at = 0; rc == 0 && *same && at < copy->size; at += COPY_CHUNK) {
        size_t size = copy->size - at < COPY_CHUNK ? (size_t)(copy->size - at) : COPY_CHUNK;
        rc = copy_piece(copy, at, size, err);
        if (rc == 0) {
            rc = file_read_at(copy->out, copy->there, size, at, copy->to, err);
        }
        *same = rc == 0 && memcmp(copy->chunk, copy->there, size) == 0;
    }
    copy_close(copy);
    return rc;
}

/* Write "<to>.partial", then give it the name. */
static int copy_to(const struct repair *repair, const struct copy *what, struct err *err)
{
    struct copy copy = *what;
    char scratch[PATH_MAX];
    int len = snprintf(scratch, sizeof scratch, "%s.partial", what->to);
    if (len < 0 || (size_t)len >= sizeof scratch) {
        return err_set(err, E_INVALID, "path too long: '%.40s...'", what->to);
    }
    copy.to = scratch;
    int rc = copy_all(&copy, err);
    if (rc == 0 && repair->disk->rename(repair->disk->context, scratch, what->to) != 0) {
        rc = err_sys(err, "rename", scratch);
    }
    return rc == 0 ? disk_sync_parent(repair->disk, what->to, err) : rc;
}

/* The whole damaged file goes away as a copy. A repair that a crash stopped may have done that. */
static int keep_copy(const struct repair *repair, const struct way *way, struct err *err)
{
    struct copy copy = {
        .disk = repair->disk, .from = way->from, .to = way->to, .in = -1, .out = -1};
    bool same = false;
    int rc = must_be_free(way->to, err);
    if (rc == E_EXISTS) {
        struct copy there = copy;
        int compared = copy_compare(&there, &same, NULL);
        return compared == 0 && same ? 0 : rc;
    }
    return rc == 0 ? copy_to(repair, &copy, err) : rc;
}

static int read_word(const struct way *way, uint64_t *word, struct err *err)
{
    uint8_t header[SEGMENT_HEADER_SIZE];
    struct format_file file;
    const char *why = NULL;
    int fd = open(way->from, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_sys(err, "open", way->from);
    }
    int rc = file_read_at(fd, header, sizeof header, 0, way->from, err);
    if (rc == 0 && format_get_file(header, &file, &why) != 0) {
        rc = err_set(err, E_CORRUPT, "'%s': the file's header %s", way->from, why);
    }
    if (rc == 0) {
        *word = file.word;
    }
    (void)close(fd); /* only read from */
    return rc;
}

static int cut_file(struct repair *repair, struct err *err)
{
    struct way way;
    struct stat info;
    int rc = find_way(repair, repair->folder.seqs[repair->from - 1], &way, err);
    if (rc == 0 && stat(way.from, &info) != 0) {
        rc = err_sys(err, "stat", way.from);
    }
    if (rc != 0) {
        return rc;
    }
    repair->report->moved_bytes += (uint64_t)info.st_size - repair->found.offset;
    if (repair->options->dry_run) {
        return 0;
    }
    struct copy copy = {.disk = repair->disk,
                        .from = way.from,
                        .to = way.from,
                        .good = (off_t)repair->found.offset,
                        .in = -1,
                        .out = -1};
    rc = keep_copy(repair, &way, err);
    if (rc == 0) {
        rc = read_word(&way, &copy.word, err);
    }
    return rc == 0 ? copy_to(repair, &copy, err) : rc;
}

/* --- doing it --- */

static int carry_out(struct repair *repair, struct err *err)
{
    if (!repair->options->dry_run) {
        int rc = dir_make(repair->report->moved_to, 0700, err);
        if (rc != 0) {
            return rc;
        }
    }
    int rc = move_files(repair, err);
    return rc == 0 && repair->cut ? cut_file(repair, err) : rc;
}

int journal_repair(const char *dir, const struct repair_options *options,
                   struct repair_report *report, struct err *err)
{
    ASSERT(dir != NULL && options != NULL && report != NULL);

    struct err why = {0};
    struct repair repair = {.dir = dir, .options = options, .report = report};
    repair.disk = options->disk != NULL ? options->disk : &disk_system;
    *report = (struct repair_report){0};
    int rc = journal_verify(dir, &repair.found, NULL, NULL, &why);
    if (rc == 0) {
        report->kept_first = repair.found.first_seq;
        report->kept_last = repair.found.last_seq;
        return 0;
    }
    if (rc != E_CORRUPT) { /* a newer version's files are no damage */
        return err_set(err, rc, "%s", why.text);
    }
    rc = folder_list(&repair.folder, dir, err);
    if (rc == 0) {
        rc = plan(&repair, &why, err);
    }
    if (rc == 0) {
        rc = carry_out(&repair, err);
    }
    folder_free(&repair.folder);
    return rc;
}
