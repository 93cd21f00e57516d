/* client/outbox.c - opening, adding, dropping, sending. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "client/outbox_inside.h"

/* --- opening --- */

static char *path_of(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s/%s", dir, name);
    }
    return path;
}

static int outbox_new(struct outbox **out, const char *dir, uint64_t max_bytes,
                      const struct outbox_world *world, struct err *err)
{
    struct outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL) {
        return err_set(err, E_NOMEM, "open '%s': out of memory", dir);
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&outbox->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&outbox->lock, NULL);
    outbox->world = *world;
    outbox->disk = world->disk != NULL ? world->disk : &disk_system;
    outbox->max_bytes = max_bytes;
    buf_init(&outbox->waiting, OUTBOX_BATCH_MAX);
    buf_init(&outbox->writing, OUTBOX_BATCH_MAX);
    outbox->path = path_of(dir, "outbox.seg");
    outbox->next_path = path_of(dir, "outbox.next");
    *out = outbox;
    if (outbox->path == NULL || outbox->next_path == NULL ||
        client_overlay_new(&outbox->overlay) != 0) {
        return err_set(err, E_NOMEM, "open '%s': out of memory", dir);
    }
    return 0;
}

uint64_t outbox_wall_ms(const struct outbox *outbox)
{
    const struct clock *clock = outbox->world.clock;
    return clock_wall_ms(clock != NULL ? clock : &clock_system);
}

uint64_t outbox_random(const struct outbox *outbox)
{
    const struct outbox_world *world = &outbox->world;
    return world->random != NULL ? world->random(world->random_context) : random_u64();
}

/* The first file: its state is written like any other rewriting. */
static int make_first(struct outbox *outbox, struct err *err)
{
    outbox->writer = outbox_random(outbox);
    outbox->next_id = 1;
    outbox->window_first = 1;
    return outbox_rewrite(outbox, &outbox->durable, err);
}

/* It ended without saying what was sent: no more than a session may have unanswered. */
static void note_what_may_be_sent(struct outbox *outbox)
{
    uint64_t first = outbox->window_first;
    uint64_t last = outbox_window_end(outbox) - 1;
    while (first < last && outbox_window_at(outbox, first)->state != OUTBOX_PENDING) {
        first++;
    }
    uint64_t most = first + OUTBOX_UNANSWERED_MAX - 1;
    most = most < last ? most : last;
    outbox->sent_max = most > outbox->sent_max ? most : outbox->sent_max; /* or went with a file */
    outbox->sending = false;
    outbox_record_sending(false, outbox->sent_max, outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
    (void)outbox_queue_end(outbox);
}

static const char REMEDY[] = "Move the file away to go on without the writes in it, and keep it: "
                             "they may be recovered";

static int not_read(int rc, const struct err *why, struct err *err)
{
    bool told = rc != E_CORRUPT || strstr(why->text, REMEDY) != NULL;
    return err_set(err, rc, "%.250s%s%s", why->text, told ? "" : ". ", told ? "" : REMEDY);
}

static int read_file(struct outbox *outbox, struct err *err)
{
    enum segment_tail tail;
    struct err why = {0};
    int rc = segment_open(&outbox->segment, outbox->path, outbox->disk, outbox_replay, outbox,
                          &tail, &why);
    if (rc != 0) {
        return not_read(rc, &why, err);
    }
    if (segment_id(outbox->segment)->purpose != SEGMENT_OUTBOX || outbox->writer == 0) {
        return err_set(err, E_CORRUPT, "'%s' is no outbox", outbox->path);
    }
    if (outbox->sending) {
        note_what_may_be_sent(outbox);
    }
    outbox_advance(outbox);
    return 0;
}

int outbox_open(struct outbox **out, const char *dir, uint64_t max_bytes, const struct disk *disk,
                struct err *err)
{
    struct outbox_world world = {.disk = disk};
    return outbox_open_in(out, dir, max_bytes, &world, err);
}

int outbox_open_in(struct outbox **out, const char *dir, uint64_t max_bytes,
                   const struct outbox_world *world, struct err *err)
{
    ASSERT(out != NULL);
    ASSERT(dir != NULL && world != NULL);
    struct outbox *outbox = NULL;
    int rc = dir_make(dir, 0700, err);
    rc = rc != 0 ? rc : outbox_new(&outbox, dir, max_bytes, world, err);
    if (rc == 0) {
        struct stat file;
        bool there = stat(outbox->path, &file) == 0;
        if (!there && errno != ENOENT) {
            rc = err_sys(err, "look at", outbox->path);
        } else {
            rc = there ? read_file(outbox, err) : make_first(outbox, err);
        }
    }
    if (rc != 0) {
        outbox_close(&outbox);
        return rc;
    }
    *out = outbox;
    return 0;
}

static void free_entries(struct outbox *outbox)
{
    while (outbox->window_count > 0) {
        struct entry *entry = outbox_window_at(outbox, outbox->window_first);
        outbox_window_pop(outbox);
        if (!entry->listed) {
            outbox_entry_free(&entry);
        }
    }
    struct entry *next = NULL;
    for (struct entry *entry = outbox->first; entry != NULL; entry = next) {
        next = entry->next;
        outbox_entry_free(&entry);
    }
}

void outbox_close(struct outbox **outbox)
{
    if (outbox == NULL || *outbox == NULL) {
        return;
    }
    struct outbox *old = *outbox;
    ASSERT(old->waiters == NULL);
    if (old->segment != NULL && old->dead == 0 && !old->numbers_lost) {
        outbox_stop_sending(old);
        if (outbox_flush(old, NULL) == 0) { /* else the next opening finds a torn end */
            int rc = segment_mark_clean(old->segment, outbox_wall_ms(old), NULL);
            (void)rc; /* as above */
        }
    }
    segment_close(&old->segment);
    free_entries(old);
    for (size_t i = 0; i < old->made_count; i++) {
        free(old->made[i].text);
    }
    free(old->made);
    free(old->window);
    client_overlay_free(&old->overlay);
    buf_free(&old->waiting);
    buf_free(&old->writing);
    free(old->path);
    free(old->next_path);
    (void)pthread_cond_destroy(&old->changed);
    (void)pthread_mutex_destroy(&old->lock);
    free(old);
    *outbox = NULL;
}

void outbox_set_barrier(struct outbox *outbox, outbox_barrier_fn *barrier, void *context)
{
    ASSERT(outbox != NULL);
    outbox->barrier = barrier;
    outbox->barrier_context = context;
}

void outbox_set_alone(struct outbox *outbox, bool alone)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->alone = alone;
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* --- adding --- */

int outbox_too_large(struct err *err)
{
    return err_set(err, E_TOO_LARGE,
                   "the change set is larger than the limit of %d bytes: split it",
                   OPERATION_BYTES_MAX);
}

int outbox_full(const struct outbox *outbox, struct err *err)
{
    return err_set(err, E_QUOTA,
                   "the outbox is full: %llu bytes wait for the server or were refused by it",
                   (unsigned long long)outbox->used_bytes);
}

int outbox_encode_write(struct buf *out, uint64_t number, const struct outbox_target *target,
                        uint64_t maker, const struct operation_write *writes, size_t count,
                        struct err *err)
{
    operation_begin_write(out, number, maker != 0 ? 0 : target->bag_id, maker, target->seen,
                          (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        operation_put_write(out, &writes[i]);
    }
    if (buf_error(out) == E_TOO_LARGE) {
        return outbox_too_large(err);
    }
    return buf_error(out) != 0 ? err_set(err, buf_error(out), "out of memory") : 0;
}

/* With the lock: the operation gets its place, and its record its ticket. */
static int enqueue(struct outbox *outbox, struct entry *entry, struct err *err)
{
    if (outbox->used_bytes + outbox_entry_cost(entry) > outbox->max_bytes) {
        return outbox_full(outbox, err);
    }
    if (outbox_window_reserve(outbox) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    entry->id = outbox->next_id++;
    outbox_window_push(outbox, entry);
    outbox_list_add(outbox, entry);
    outbox->pending++;
    struct buf *record = outbox_queue_begin(outbox, entry->size + OUTBOX_RECORD_EXTRA);
    outbox_record_add(entry, record);
    entry->ticket = outbox_queue_end(outbox);
    return 0;
}

/* What a machine that never joined keeps is bounded by its live items, not by how often they were
 * written: before it is full, what was replaced goes. Not again before there is something to gain.
 */
static int let_go_of_replaced(struct outbox *outbox, size_t size, struct err *err)
{
    enum { COST_OF_SIZE = 4, WORTH_IT = 64 };
    uint64_t most = outbox->used_bytes + COST_OF_SIZE * size + OUTBOX_RECORD_EXTRA;
    if (!outbox->alone || most <= outbox->max_bytes ||
        outbox->used_bytes < outbox->small_bytes + outbox->max_bytes / WORTH_IT) {
        return 0;
    }
    outbox->rewrite = true;
    outbox_record_sending(outbox->sending, outbox->sent_max,
                          outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
    int rc = outbox_commit(outbox, outbox_queue_end(outbox), err);
    outbox->small_bytes = outbox->used_bytes;
    return rc;
}

/* Room in the batch that waits; adders that come now go with the next one. */
int outbox_make_room(struct outbox *outbox, size_t size, struct err *err)
{
    int rc = let_go_of_replaced(outbox, size, err);
    while (rc == 0 && outbox->waiting.size + size + OUTBOX_RECORD_EXTRA > OUTBOX_BATCH_MAX) {
        rc = outbox_commit(outbox, outbox->tickets, err);
    }
    return rc;
}

/* The number of the CREATE that makes the target's bag, 0 when it names the bag itself. */
static int find_maker(struct outbox *outbox, struct outbox_target *target, struct entry **maker,
                      struct err *err)
{
    *maker = NULL;
    if (target->bag_id != 0) {
        return 0;
    }
    const struct made *made = outbox_made_find(outbox, target->made_by);
    if (made != NULL && (made->code == 0 || made->code == E_BAG_EXISTS)) {
        target->bag_id = made->bag_id;
        return 0;
    }
    if (made != NULL) {
        return err_set(err, made->code, "the server refused to make '%s'", made->text);
    }
    *maker = outbox_by_id(outbox, target->made_by);
    if (*maker == NULL || (*maker)->kind != OPERATION_CREATE) {
        return err_set(err, E_BAG_GONE, "the bag is gone");
    }
    return 0;
}

int outbox_commit_new(struct outbox *outbox, const struct entry *entry, uint64_t *id,
                      struct err *err)
{
    uint64_t given = entry->id;
    int rc = outbox_commit(outbox, entry->ticket, err); /* may take the entry back */
    if (rc == 0 && id != NULL) {
        *id = given;
    }
    return rc;
}

static int add_write(struct outbox *outbox, struct outbox_target target,
                     const struct operation_write *writes, size_t count, uint64_t time_ms,
                     struct entry **out, struct err *err)
{
    struct buf bytes;
    struct entry *entry = NULL;
    struct entry *maker = NULL;
    buf_init(&bytes, OPERATION_BYTES_MAX);
    int rc = find_maker(outbox, &target, &maker, err);
    rc = rc != 0 ? rc
                 : outbox_encode_write(&bytes, outbox_window_end(outbox), &target,
                                       maker != NULL ? maker->number : 0, writes, count, err);
    rc = rc != 0 ? rc : outbox_entry_new(&entry, target.owner, buf_span(&bytes), err);
    if (rc == 0) {
        entry->time_ms = time_ms;
        entry->made_id = maker != NULL ? maker->id : 0;
        rc = enqueue(outbox, entry, err);
    }
    buf_free(&bytes);
    if (rc != 0) {
        outbox_entry_free(&entry);
        return rc;
    }
    if (maker != NULL) {
        maker->refs++;
    }
    *out = entry;
    return 0;
}

size_t outbox_size_of(const struct operation_write *writes, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count && size <= OPERATION_BYTES_MAX; i++) {
        size += writes[i].path.size + writes[i].value.size + 32;
    }
    return size;
}

int outbox_write(struct outbox *outbox, const struct outbox_target *target,
                 const struct operation_write *writes, size_t count, uint64_t time_ms, uint64_t *id,
                 struct err *err)
{
    ASSERT(outbox != NULL && target != NULL && target->owner != NULL);
    ASSERT(writes != NULL && count > 0 && count <= OPERATION_WRITES_MAX);
    size_t size = outbox_size_of(writes, count);
    if (size > OPERATION_BYTES_MAX + 32 * count) {
        return outbox_too_large(err);
    }
    struct entry *entry = NULL;
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_make_room(outbox, size, err);
    rc = rc != 0 ? rc : add_write(outbox, *target, writes, count, time_ms, &entry, err);
    rc = rc != 0 ? rc : outbox_commit_new(outbox, entry, id, err);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

int outbox_create(struct outbox *outbox, const struct owner *owner, uint64_t time_ms, uint64_t *id,
                  struct err *err)
{
    ASSERT(outbox != NULL && owner != NULL);
    struct buf bytes;
    struct entry *entry = NULL;
    buf_init(&bytes, OUTBOX_RECORD_EXTRA);
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_make_room(outbox, OUTBOX_RECORD_EXTRA, err);
    if (rc == 0) {
        operation_put_create(&bytes, outbox_window_end(outbox), owner);
        rc = buf_error(&bytes);
        rc = rc != 0 ? err_set(err, rc, "out of memory")
                     : outbox_entry_new(&entry, owner, buf_span(&bytes), err);
    }
    if (rc == 0) {
        entry->time_ms = time_ms;
        rc = enqueue(outbox, entry, err);
    }
    if (rc == 0) {
        rc = outbox_commit_new(outbox, entry, id, err);
    } else {
        outbox_entry_free(&entry);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    buf_free(&bytes);
    return rc;
}

/* --- sending --- */

/* Noted before the first operation goes out, so that after a crash it is known what may be on its
 * way. */
static int note_sending(struct outbox *outbox, struct err *err)
{
    if (outbox->sending) {
        return 0;
    }
    outbox->sending = true;
    outbox_record_sending(true, outbox->sent_max, outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
    int rc = outbox_commit(outbox, outbox_queue_end(outbox), err);
    if (rc != 0) {
        outbox->sending = false;
    }
    return rc;
}

/* After a crash, so many numbers from the first without a durable outcome on count as perhaps sent
 * (note_what_may_be_sent). Before one behind them is sent, the outcomes that came are made durable.
 */
static int keep_to_what_is_known(struct outbox *outbox, uint64_t upto, struct err *err)
{
    uint64_t first = outbox->window_first;
    const struct entry *entry = NULL;
    while ((entry = outbox_window_at(outbox, first)) != NULL && entry->state != OUTBOX_PENDING &&
           entry->answer_ticket <= outbox->durable) {
        first++;
    }
    return upto < first + OUTBOX_UNANSWERED_MAX ? 0 : outbox_commit(outbox, outbox->tickets, err);
}

static uint32_t gather(struct outbox *outbox, uint64_t from, uint32_t max_count, size_t max_bytes,
                       struct buf *out)
{
    uint32_t count = 0;
    size_t start = out->size;
    for (uint64_t number = from; count < max_count; number++, count++) {
        const struct entry *entry = outbox_window_at(outbox, number);
        if (entry == NULL || !outbox_is_durable(outbox, entry) ||
            (count > 0 && out->size - start + entry->size > max_bytes) ||
            buf_append(out, entry->bytes, entry->size) != 0) {
            break;
        }
    }
    return count;
}

int outbox_read(struct outbox *outbox, uint64_t from, uint32_t max_count, size_t max_bytes,
                struct buf *out, uint32_t *count, struct err *err)
{
    ASSERT(outbox != NULL);
    ASSERT(out != NULL && count != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    *count = 0;
    int rc = outbox->numbers_lost
                 ? err_set(err, E_IO, "the outbox '%s' could not be written under its new numbers",
                           outbox->path)
                 : 0;
    if (rc == 0 && outbox_window_at(outbox, from) != NULL) {
        rc = note_sending(outbox, err);
        rc = rc != 0 ? rc : keep_to_what_is_known(outbox, from + max_count - 1, err);
        *count = rc == 0 ? gather(outbox, from, max_count, max_bytes, out) : 0;
        if (rc == 0 && *count == 0 && buf_error(out) != 0) { /* else nobody would ask again */
            rc = err_set(err, buf_error(out), "out of memory");
        }
    }
    if (*count > 0 && from + *count - 1 > outbox->sent_max) {
        outbox->sent_max = from + *count - 1;
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}

void outbox_stop_sending(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    if (outbox->sending) {
        outbox->sending = false;
        outbox_record_sending(false, outbox->sent_max,
                              outbox_queue_begin(outbox, OUTBOX_RECORD_EXTRA));
        (void)outbox_queue_end(outbox);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
}

int outbox_flush(struct outbox *outbox, struct err *err)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = outbox_commit(outbox, outbox->tickets, err);
    (void)pthread_mutex_unlock(&outbox->lock);
    return rc;
}
