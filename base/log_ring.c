/* base/log_ring.c - a table of lines and a circle of bytes, under one lock.
 *
 * A line's words and text lie in one piece: when they do not fit before the end of the circle, they
 * begin anew at its start. Places count on for ever; a place's byte is its remainder.
 */
#include "base/log_ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_PER_MS = 1000 };

struct slot {
    uint64_t time_ms;
    uint64_t place;
    uint8_t level;
    uint8_t module_size;
    uint8_t event_size;
    uint16_t text_size;
};

struct ring {
    uint64_t first_id; /* of the first line ever */
    uint64_t oldest;
    uint64_t next; /* the id of the next line */
    uint64_t end;  /* the place behind the newest line */
    uint64_t counts[LOG_ERROR + 1];
    struct slot slots[LOG_RING_LINES];
    char bytes[LOG_RING_BYTES];
};

/* The lock guards what `ring` points to: every thread logs, and lines are read meanwhile. It is
 * held for the copying of one line. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring *_Atomic opened;

int log_ring_open(uint64_t time_ms, struct err *err)
{
    if (atomic_load(&opened) != NULL) {
        return err_set(err, E_EXISTS, "the log's lines are kept already");
    }
    struct ring *ring = calloc(1, sizeof *ring); /* pages are taken when they are written to */
    if (ring == NULL) {
        return err_set(err, E_NOMEM, "the log's lines: out of memory");
    }
    ring->first_id = time_ms * IDS_PER_MS + 1;
    ring->oldest = ring->first_id;
    ring->next = ring->first_id;
    atomic_store(&opened, ring);
    return 0;
}

void log_ring_close(void)
{
    free(atomic_exchange(&opened, NULL));
}

static struct slot *slot_of(struct ring *ring, uint64_t id)
{
    return &ring->slots[id % LOG_RING_LINES];
}

static size_t size_of(const struct slot *slot)
{
    return (size_t)slot->module_size + slot->event_size + slot->text_size;
}

/* Room for a line behind the newest one: where it may begin. The oldest ones go. */
static uint64_t make_room(struct ring *ring, size_t size)
{
    uint64_t place = ring->end;
    if (place % LOG_RING_BYTES + size > LOG_RING_BYTES) {
        place += LOG_RING_BYTES - place % LOG_RING_BYTES;
    }
    while (ring->oldest < ring->next &&
           (ring->next - ring->oldest == LOG_RING_LINES ||
            place + size - slot_of(ring, ring->oldest)->place > LOG_RING_BYTES)) {
        ring->oldest++;
    }
    return place;
}

static void append(struct ring *ring, uint64_t *place, const char *data, size_t size)
{
    memcpy(ring->bytes + *place % LOG_RING_BYTES, data, size);
    *place += size;
}

static void add(struct ring *ring, const struct slot *line, const char *const words[2],
                struct span text)
{
    static const char more[] = "...";
    uint64_t at = make_room(ring, size_of(line));
    struct slot *slot = slot_of(ring, ring->next);
    *slot = *line;
    slot->place = at;
    append(ring, &at, words[0], line->module_size);
    append(ring, &at, words[1], line->event_size);
    append(ring, &at, text.size > 0 ? (const char *)text.data : "", line->text_size);
    if (line->text_size < text.size) {
        memcpy(ring->bytes + (at - 3) % LOG_RING_BYTES, more, 3);
    }
    ring->end = at;
    ring->next++;
    ring->counts[line->level]++;
}

void log_ring_add(uint64_t time_ms, enum log_level level, const char *module, const char *event,
                  struct span text)
{
    ASSERT(level <= LOG_ERROR && module != NULL && event != NULL);
    struct ring *ring = atomic_load(&opened);
    if (ring == NULL) {
        return;
    }
    const char *const words[2] = {module, event};
    struct slot line = {
        .time_ms = time_ms,
        .level = (uint8_t)level,
        .module_size = (uint8_t)strnlen(module, LOG_RING_WORD_MAX),
        .event_size = (uint8_t)strnlen(event, LOG_RING_WORD_MAX),
        .text_size = (uint16_t)(text.size < LOG_RING_TEXT_MAX ? text.size : LOG_RING_TEXT_MAX),
    };
    (void)pthread_mutex_lock(&lock);
    add(ring, &line, words, text);
    (void)pthread_mutex_unlock(&lock);
}

/* --- reading --- */

static void take(const char **from, char *to, size_t size)
{
    memcpy(to, *from, size);
    to[size] = '\0';
    *from += size;
}

static void copy_line(struct ring *ring, uint64_t id, struct log_ring_line *out)
{
    const struct slot *slot = slot_of(ring, id);
    const char *from = ring->bytes + slot->place % LOG_RING_BYTES;
    out->id = id;
    out->time_ms = slot->time_ms;
    out->level = (enum log_level)slot->level;
    take(&from, out->module, slot->module_size);
    take(&from, out->event, slot->event_size);
    take(&from, out->text, slot->text_size);
}

bool log_ring_next(uint64_t after, struct log_ring_line *out)
{
    ASSERT(out != NULL);
    struct ring *ring = atomic_load(&opened);
    if (ring == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&lock);
    uint64_t id = after < ring->oldest ? ring->oldest : after + 1;
    bool found = after != UINT64_MAX && id < ring->next;
    if (found) {
        copy_line(ring, id, out);
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

bool log_ring_previous(uint64_t before, struct log_ring_line *out)
{
    ASSERT(out != NULL);
    struct ring *ring = atomic_load(&opened);
    if (ring == NULL) {
        return false;
    }
    (void)pthread_mutex_lock(&lock);
    uint64_t end = before < ring->next ? before : ring->next;
    bool found = end > ring->oldest;
    if (found) {
        copy_line(ring, end - 1, out);
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

void log_ring_range(struct log_ring_range *out)
{
    ASSERT(out != NULL);
    struct ring *ring = atomic_load(&opened);
    *out = (struct log_ring_range){0};
    if (ring == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&lock);
    out->oldest = ring->oldest;
    out->newest = ring->next - 1;
    memcpy(out->counts, ring->counts, sizeof out->counts);
    (void)pthread_mutex_unlock(&lock);
}
