/* journal/verify.c - is the journal in this folder whole?
 *
 * The server may be appending meanwhile: a batch that is being written at the moment looks damaged
 * or cut short, so what is found at the end is looked at again a moment later.
 */
#include "journal/verify.h"

#include <errno.h>
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
    struct segment *segment;  /* the file that is read */
    struct segment_id before; /* of the one before it */
    bool has_before;          /* its header could be read */
    bool joined;              /* `at` is its end; else a file was left out */
    struct segment_position at;
    uint64_t good_seq; /* every change below it decodes */
    struct segment_position fault_at;
    struct err fault; /* the first one */
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
        verify->at.offset = batch->offset; /* the step has gone on behind it */
        verify->at.seq = batch->base_seq;
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
        bool may_change = judge && (rc == 0 || rc == E_CORRUPT || rc == E_FORMAT);
        if (!may_change || look >= LOOKS) {
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

static int joint_fault(const struct verify *verify, uint64_t seq, const char *why, struct err *err)
{
    return err_set(err, E_CORRUPT, "'%s' is damaged at offset 0, where change %llu begins: %s",
                   segment_path(verify->segment), (unsigned long long)seq, why);
}

/* Do its changes go on where the file before it ends? */
static const char *check_joint(const struct verify *verify, const struct segment_id *id)
{
    if (!verify->joined) {
        return NULL;
    }
    if (id->base_seq != verify->at.seq) {
        return "changes before it are missing";
    }
    return memcmp(id->prev_hash, verify->at.hash, SHA256_SIZE) == 0
               ? NULL
               : "its hash is not that of the changes before it";
}

static void note_fault(struct verify *verify, size_t index, const struct err *why);

/* A file whose place in the row is wrong may be whole in itself: the fault is noted, and it is
 * read all the same. */
static int verify_joint(struct verify *verify, size_t index, struct err *err)
{
    const struct segment_id *id = segment_id(verify->segment);
    uint64_t seq = verify->folder.seqs[index];
    const char *why = folder_check_id(id, seq, NULL);
    if (why != NULL) {
        return joint_fault(verify, seq, why, err);
    }
    why = folder_check_id(id, seq, verify->has_before ? &verify->before : NULL);
    why = why == NULL ? check_joint(verify, id) : why;
    if (why != NULL) {
        struct err fault = {0};
        (void)joint_fault(verify, seq, why, &fault);
        note_fault(verify, index, &fault);
    }
    verify->before = *id;
    verify->has_before = true;
    verify->joined = true;
    segment_start(verify->segment, &verify->at);
    return 0;
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
    verify->good_seq = index == 0 ? seq : verify->good_seq;
    verify->fault_at = (struct segment_position){.seq = verify->good_seq};
    rc = segment_open_read(&verify->segment, path, err);
    if (rc == 0) {
        rc = verify_joint(verify, index, err);
    }
    if (rc == 0) {
        verify->good_seq = seq;
        rc = newest ? verify_newest(verify, err) : verify_full(verify, err);
        verify->fault_at = verify->at;
    }
    if (verify->segment != NULL) {
        verify->done += segment_file_size(verify->segment);
        tell(verify, verify->done, true);
    }
    verify->report->segments += rc == 0 ? 1 : 0;
    segment_close(&verify->segment);
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

/* Of the first one the place is told; of all that a later part is whole only behind them. */
static void note_fault(struct verify *verify, size_t index, const struct err *why)
{
    struct verify_report *report = verify->report;
    report->whole_from = 0;
    if (report->faults++ > 0) {
        return;
    }
    verify->fault = *why;
    (void)snprintf(report->file, sizeof report->file, "%020llu.kbj",
                   (unsigned long long)verify->folder.seqs[index]);
    report->offset = (uint64_t)verify->fault_at.offset;
    report->fault_base = verify->fault_at.seq;
    report->fault_seq =
        verify->good_seq > report->fault_base ? verify->good_seq : report->fault_base;
}

/* Changes that are gone between two files are missed where the first of them should be. */
static int say_fault(const struct verify *verify, struct err *err)
{
    const struct verify_report *report = verify->report;
    const struct err *why = &verify->fault;
    char behind[96] = "";
    if (report->whole_from != 0) {
        (void)snprintf(behind, sizeof behind, "; those from %llu on are whole again",
                       (unsigned long long)report->whole_from);
    }
    if (report->fault_seq <= report->first_seq) {
        return err_set(err, why->code, "%s. No change before it is whole: restore a backup%s",
                       why->text, behind);
    }
    return err_set(err, why->code,
                   "%s. Changes %llu to %llu are whole; later ones have to come from a backup, a "
                   "mirror or the machines' replicas%s",
                   why->text, (unsigned long long)report->first_seq,
                   (unsigned long long)(report->fault_seq - 1), behind);
}

static bool is_gone(const struct verify *verify, size_t index)
{
    char path[PATH_MAX];
    struct stat info;
    return folder_segment_path(path, verify->dir, verify->folder.seqs[index], NULL) == 0 &&
           stat(path, &info) != 0 && errno == ENOENT;
}

/* The server lets go of the oldest files first. Then what was found in this one means nothing, and
 * the journal begins later. */
static bool was_let_go(struct verify *verify, size_t index)
{
    if (index + 1 == verify->folder.count || verify->report->faults > 0 ||
        !is_gone(verify, index) || (index > 0 && !is_gone(verify, index - 1)) ||
        is_gone(verify, verify->folder.count - 1)) {
        return false;
    }
    verify->report->first_seq = verify->folder.seqs[index + 1];
    return true;
}

static int verify_all(struct verify *verify, struct err *err)
{
    add_up(verify);
    verify->report->first_seq = verify->folder.seqs[0];
    for (size_t i = 0; i < verify->folder.count; i++) {
        struct err why = {0};
        uint64_t faults = verify->report->faults;
        int rc = verify_file(verify, i, &why);
        if (rc != 0) {
            verify->has_before = false;
            verify->joined = false;
        }
        if (rc != 0 && was_let_go(verify, i)) {
            continue;
        }
        if (rc != 0 && rc != E_CORRUPT && rc != E_FORMAT) {
            return err_set(err, rc, "%s", why.text);
        }
        if (rc != 0) {
            note_fault(verify, i, &why);
        } else if (verify->report->faults > 0 &&
                   (verify->report->whole_from == 0 || verify->report->faults > faults)) {
            verify->report->whole_from = verify->folder.seqs[i];
        }
    }
    return verify->report->faults > 0 ? say_fault(verify, err) : 0;
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
