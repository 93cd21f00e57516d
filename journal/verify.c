/* journal/verify.c - is the journal in this folder whole?
 *
 * The server may be appending meanwhile: a batch that is being written at the moment looks damaged
 * or cut short, so what is found at the end is looked at again a moment later.
 */
#include "journal/verify.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "journal/folder.h"

enum {
    LOOKS = 4,                /* at a tail that is not quiet */
    LOOK_AGAIN_NS = 25000000, /* a write of 4 MiB takes a tenth of it */
    PROGRESS_BYTES = 1 << 20, /* told after so many */
};

struct verify {
    const char *dir;
    struct folder folder;
    struct verify_report *report;
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
    uint64_t total; /* bytes of all files */
    uint64_t done;  /* of files that are finished */
    uint64_t told;
    uint8_t history[HISTORY_SIZE];
    struct segment *segment; /* the file that is read */
    struct segment_position at;
    uint64_t good_seq; /* every change below it decodes */
    struct buf scratch;
    struct unpacked unpacked;
};

static void tell(struct verify *verify, uint64_t done, bool always)
{
    if (verify->progress != NULL && (always || done - verify->told >= PROGRESS_BYTES)) {
        verify->told = done;
        verify->progress(verify->context, done, verify->total);
    }
}

static int on_change(void *context, const struct change *change, struct err *err)
{
    (void)err;
    struct verify *verify = context;
    verify->good_seq = change->seq + 1;
    verify->report->changes++;
    return 0;
}

static int verify_batch(struct verify *verify, const struct batch *batch, struct err *err)
{
    struct err why = {0};
    int rc = batch_changes(batch, &verify->unpacked, on_change, verify, &why);
    if (rc != 0) {
        verify->at.offset = batch->offset;
        rc = rc == E_NOMEM ? rc : E_CORRUPT;
        return err_set(err, rc, "'%s' is damaged at offset %lld: %s", segment_path(verify->segment),
                       (long long)batch->offset, why.text);
    }
    verify->report->batches++;
    verify->report->bytes += (uint64_t)(batch->next - batch->offset);
    verify->report->last_seq = batch->base_seq + batch->count - 1;
    tell(verify, verify->done + (uint64_t)batch->next, false);
    return 0;
}

/* The whole batches from here on. `end` is 0, E_NOT_FOUND or E_CORRUPT: what stands behind. */
static int verify_batches(struct verify *verify, int *end, struct err *err)
{
    for (;;) {
        struct batch batch;
        struct err why = {0};
        int rc = segment_step(verify->segment, &verify->at, &verify->scratch, &batch, &why);
        if (rc == E_NOT_FOUND || rc == E_CORRUPT || (rc == 0 && batch.clean_stop)) {
            *end = rc;
            return rc == E_CORRUPT ? err_set(err, rc, "%s", why.text) : 0;
        }
        if (rc != 0) {
            return err_set(err, rc, "%s", why.text);
        }
        rc = verify_batch(verify, &batch, err);
        if (rc != 0) {
            return rc;
        }
    }
}

static void look_again_later(void)
{
    struct timespec wait = {.tv_nsec = LOOK_AGAIN_NS};
    (void)nanosleep(&wait, NULL); /* woken early it looks early, which does no harm */
}

/* Batches to the end, and the verdict about the tail. Of the newest file more may come, and what
 * is wrong may become right. */
static int verify_newest(struct verify *verify, struct err *err)
{
    for (int look = 1;; look++) {
        off_t before = verify->at.offset;
        int end = 0;
        struct err why = {0};
        int rc = verify_batches(verify, &end, &why);
        bool judge = rc == 0 || (rc == E_CORRUPT && end == E_CORRUPT);
        if (judge) {
            struct err verdict = {0};
            rc = segment_judge(verify->segment, &verify->at, &verify->report->tail, &verdict);
            why = rc == E_CORRUPT && end == E_CORRUPT ? why : verdict;
        }
        if (rc == 0 && verify->report->tail != SEGMENT_TAIL_TORN) {
            return 0;
        }
        look = verify->at.offset != before ? 1 : look;
        if (!judge || (look >= LOOKS)) {
            return rc == 0 ? 0 : err_set(err, rc, "%s", why.text);
        }
        look_again_later();
    }
}

/* Of a file that another one follows: no mark, nothing torn. */
static int verify_full(struct verify *verify, struct err *err)
{
    int end = 0;
    int rc = verify_batches(verify, &end, err);
    if (rc != 0) {
        return rc;
    }
    enum segment_tail tail;
    rc = segment_judge(verify->segment, &verify->at, &tail, err);
    if (rc == 0 && tail != SEGMENT_TAIL_OPEN) {
        return err_set(err, E_CORRUPT,
                       "'%s' is damaged at offset %lld, where change %llu begins: it does not end "
                       "as a full file does",
                       segment_path(verify->segment), (long long)verify->at.offset,
                       (unsigned long long)verify->at.seq);
    }
    return rc;
}

/* Does the file continue what came before it? The first one only has to be what its name says. */
static int verify_joint(struct verify *verify, uint64_t seq, bool first, struct err *err)
{
    const struct segment_id *id = segment_id(verify->segment);
    if (first) {
        memcpy(verify->history, id->history, HISTORY_SIZE);
        verify->report->first_seq = seq;
        segment_start(verify->segment, &verify->at);
    }
    const char *why = NULL;
    if (id->purpose != SEGMENT_JOURNAL) {
        why = "it is no file of a server's journal";
    } else if (id->base_seq != seq) {
        why = "it does not begin with the change that its name tells";
    } else if (memcmp(id->history, verify->history, HISTORY_SIZE) != 0) {
        why = "it belongs to another history";
    } else if (seq != verify->at.seq) {
        why = "changes before it are missing";
    } else if (memcmp(id->prev_hash, verify->at.hash, SHA256_SIZE) != 0) {
        why = "its hash is not that of the changes before it";
    }
    verify->at.offset = why == NULL ? SEGMENT_HEADER_SIZE : 0;
    if (why == NULL) {
        return 0;
    }
    return err_set(err, E_CORRUPT, "'%s' is damaged at offset 0, where change %llu begins: %s",
                   segment_path(verify->segment), (unsigned long long)seq, why);
}

static int verify_file(struct verify *verify, size_t index, struct err *err)
{
    uint64_t seq = verify->folder.seqs[index];
    bool newest = index + 1 == verify->folder.count;
    char path[PATH_MAX];
    int rc = folder_segment_path(path, verify->dir, seq, err);
    if (rc != 0) {
        return rc;
    }
    verify->at.offset = 0;
    rc = segment_open_read(&verify->segment, path, err);
    if (rc != 0) {
        return rc;
    }
    rc = verify_joint(verify, seq, index == 0, err);
    if (rc == 0) {
        verify->good_seq = seq;
        rc = newest ? verify_newest(verify, err) : verify_full(verify, err);
    }
    if (rc == 0) {
        verify->report->segments++;
        verify->done += segment_file_size(verify->segment);
        tell(verify, verify->done, true);
        segment_close(&verify->segment);
    }
    return rc;
}

static void add_up(struct verify *verify)
{
    for (size_t i = 0; i < verify->folder.count; i++) {
        char path[PATH_MAX];
        struct stat info;
        if (folder_segment_path(path, verify->dir, verify->folder.seqs[i], NULL) == 0 &&
            stat(path, &info) == 0) { /* else opening it tells why not */
            verify->total += (uint64_t)info.st_size;
        }
    }
}

/* Note the place, and say what is left. */
static int describe_fault(struct verify *verify, size_t index, const struct err *why,
                          struct err *err)
{
    struct verify_report *report = verify->report;
    uint64_t seq = verify->folder.seqs[index];
    (void)snprintf(report->file, sizeof report->file, "%020llu.kbj", (unsigned long long)seq);
    report->offset = (uint64_t)verify->at.offset;
    report->fault_seq = index == 0 && verify->good_seq == 0 ? seq : verify->good_seq;
    if (report->fault_seq == verify->folder.seqs[0]) {
        return err_set(err, why->code, "%s. No change before it is whole: restore a backup",
                       why->text);
    }
    return err_set(err, why->code,
                   "%s. Changes %llu to %llu are whole; later ones have to come from a backup, a "
                   "mirror or the machines' replicas",
                   why->text, (unsigned long long)verify->folder.seqs[0],
                   (unsigned long long)(report->fault_seq - 1));
}

static int verify_all(struct verify *verify, struct err *err)
{
    add_up(verify);
    for (size_t i = 0; i < verify->folder.count; i++) {
        struct err why = {0};
        int rc = verify_file(verify, i, &why);
        if (rc == E_CORRUPT || rc == E_FORMAT) {
            return describe_fault(verify, i, &why, err);
        }
        if (rc != 0) {
            return err_set(err, rc, "%s", why.text);
        }
    }
    return 0;
}

int journal_verify(const char *dir, struct verify_report *report,
                   void (*progress)(void *context, uint64_t done, uint64_t total), void *context,
                   struct err *err)
{
    ASSERT(dir != NULL && report != NULL);

    *report = (struct verify_report){.tail = SEGMENT_TAIL_OPEN};
    struct verify verify = {.dir = dir, .report = report, .progress = progress, .context = context};
    buf_init(&verify.scratch, BATCH_SIZE_MAX);
    int rc = folder_list(&verify.folder, dir, err);
    if (rc != 0) {
        goto out;
    }
    if (verify.folder.count == 0) {
        rc = err_set(err, E_NOT_FOUND, "'%s' holds no journal", dir);
        goto out;
    }
    rc = verify_all(&verify, err);

out:
    segment_close(&verify.segment);
    unpack_close(&verify.unpacked);
    buf_free(&verify.scratch);
    folder_free(&verify.folder);
    return rc;
}
