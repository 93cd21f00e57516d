/* admin/board.c - a thread that finds out, and what it found, under a lock. */
#include "admin/board.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/thread.h"

enum { TEXT_MAX = 256 << 10, RATE_MS = 1000 };

/* How many changes there had been at a moment. */
struct mark {
    uint64_t mono_ms;
    uint64_t writes;
};

struct admin_board {
    struct admin_board_options options;
    struct thread *thread;
    /* The lock guards all that follows: many ask, the thread answers. It is held for the copying of
     * a text, never while something is found out. */
    pthread_mutex_t lock;
    pthread_cond_t wanting;  /* the thread waits for it */
    pthread_cond_t answered; /* who wants to know waits for it */
    bool stopping;
    bool wanted;    /* somebody needs newer facts */
    uint64_t begun; /* questions; begun and not answered: the thread is at it */
    uint64_t done;
    unsigned listeners;
    /* The last answer. */
    struct err failed; /* code 0: it is what follows */
    struct admin_board_facts facts;
    struct buf text;
    struct buf event;      /* the text when it was an event's turn */
    uint64_t event_number; /* 0: there was none yet */
    uint64_t event_ms;
    struct admin_board_sample samples[ADMIN_BOARD_SAMPLES]; /* a ring */
    uint64_t sample_count;                                  /* ever taken */
    uint64_t sample_ms;                                     /* the last one's turn */
    /* The thread's. */
    struct buf draft;
    struct mark rate_from; /* at least RATE_MS before the newest facts, when they go back so far */
    struct mark rate_next;
    struct mark sampled;
};

static uint64_t now_ms(const struct admin_board *board)
{
    return clock_mono_ms(board->options.clock);
}

/* --- finding out, by the thread --- */

static double rate_between(const struct mark *from, uint64_t mono_ms, uint64_t writes)
{
    return mono_ms > from->mono_ms
               ? (double)(writes - from->writes) * 1000 / (double)(mono_ms - from->mono_ms)
               : 0;
}

static void reckon_rate(struct admin_board *board, struct admin_board_facts *facts)
{
    struct mark now = {facts->mono_ms, facts->status.writes};
    if (board->rate_next.mono_ms == 0) {
        board->rate_from = now;
        board->rate_next = now;
        board->sampled = now;
    }
    if (now.mono_ms - board->rate_next.mono_ms >= RATE_MS) {
        board->rate_from = board->rate_next;
        board->rate_next = now;
    }
    facts->writes_per_s = rate_between(&board->rate_from, now.mono_ms, now.writes);
}

static int find_out(struct admin_board *board, struct admin_board_facts *facts, struct err *err)
{
    const struct admin_backend *backend = board->options.backend;
    facts->mono_ms = now_ms(board);
    int rc = backend->status(backend->context, &facts->status, err);
    if (rc == 0) {
        rc = kv_counts(backend->kv, NULL, &facts->counts, err);
    }
    if (rc == 0) {
        rc = journal_stat(backend->journal, &facts->journal, err);
    }
    if (rc == 0) {
        reckon_rate(board, facts);
        buf_reset(&board->draft);
        rc = board->options.render(facts, &board->draft, err);
    }
    return rc;
}

/* --- keeping it, under the lock --- */

static void take_event(struct admin_board *board, uint64_t now)
{
    if (board->listeners == 0 || now - board->event_ms < ADMIN_BOARD_EVENT_MS) {
        return;
    }
    board->event_ms = now;
    buf_reset(&board->event);
    (void)buf_append_span(&board->event, SPAN_LITERAL("event: status\ndata: "));
    (void)buf_append_span(&board->event, buf_span(&board->text));
    (void)buf_append_span(&board->event, SPAN_LITERAL("\n\n"));
    if (buf_error(&board->event) == 0) { /* or the next one tells */
        board->event_number++;
    }
}

static void take_sample(struct admin_board *board, uint64_t now)
{
    const struct admin_board_facts *facts = &board->facts;
    if (board->sample_count > 0 && now - board->sample_ms < ADMIN_BOARD_SAMPLE_MS) {
        return;
    }
    board->sample_ms = now;
    board->samples[board->sample_count++ % ADMIN_BOARD_SAMPLES] = (struct admin_board_sample){
        .time_ms = clock_wall_ms(board->options.clock),
        .writes_per_s = rate_between(&board->sampled, facts->mono_ms, facts->status.writes),
        .connected = facts->status.sessions,
        .lag = facts->status.replicas.lag,
        .journal_bytes = facts->journal.bytes,
    };
    board->sampled = (struct mark){facts->mono_ms, facts->status.writes};
}

static void keep(struct admin_board *board, const struct admin_board_facts *facts,
                 const struct err *err)
{
    board->failed = *err;
    if (err->code == 0) {
        struct buf text = board->text;
        board->facts = *facts;
        board->text = board->draft;
        board->draft = text;
        take_event(board, facts->mono_ms);
        take_sample(board, facts->mono_ms);
    } else { /* its turn is over, or the thread would ask again without end */
        board->facts.mono_ms = facts->mono_ms;
        board->event_ms = facts->mono_ms;
        board->sample_ms = facts->mono_ms;
    }
}

/* In how many ms something is due by itself. */
static uint64_t wait_ms(const struct admin_board *board)
{
    uint64_t now = now_ms(board);
    uint64_t sample = board->sample_ms + ADMIN_BOARD_SAMPLE_MS;
    uint64_t event = board->event_ms + ADMIN_BOARD_EVENT_MS;
    uint64_t due = board->listeners > 0 && event < sample ? event : sample;
    return due > now ? due - now : 0;
}

static void sleep_up_to(struct admin_board *board, uint64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    uint64_t ns = (uint64_t)at.tv_nsec + ms % 1000 * 1000000;
    at.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&board->wanting, &board->lock,
                                 &at); /* why it ended is looked at */
}

static void run(struct thread *self, void *context)
{
    struct admin_board *board = context;
    thread_ready(self, 0, NULL);
    (void)pthread_mutex_lock(&board->lock);
    while (!board->stopping) {
        uint64_t ms = wait_ms(board);
        if (!board->wanted && ms > 0) {
            sleep_up_to(board, ms);
            continue;
        }
        board->wanted = false;
        board->begun++;
        (void)pthread_mutex_unlock(&board->lock);
        struct admin_board_facts facts = {0};
        struct err err = {0};
        err.code = find_out(board, &facts, &err);
        (void)pthread_mutex_lock(&board->lock);
        keep(board, &facts, &err);
        board->done = board->begun;
        (void)pthread_cond_broadcast(&board->answered);
    }
    (void)pthread_mutex_unlock(&board->lock);
}

/* --- asking --- */

static uint64_t age_of(const struct admin_board *board)
{
    uint64_t now = now_ms(board);
    return now > board->facts.mono_ms ? now - board->facts.mono_ms : 0;
}

/* Was something committed since the question was asked? */
static bool is_behind(const struct admin_board *board)
{
    struct journal_position head;
    journal_head(board->options.backend->journal, &head);
    return head.seq != board->facts.status.head.seq;
}

static bool is_known(const struct admin_board *board)
{
    return board->done > 0 && board->failed.code == 0;
}

static bool is_fresh(const struct admin_board *board)
{
    uint64_t age = age_of(board);
    return is_known(board) && age <= ADMIN_BOARD_FRESH_MS &&
           (age < ADMIN_BOARD_BEHIND_MS || !is_behind(board));
}

/* Newer facts are on their way: these may do for who can't wait for them. */
static bool may_do(const struct admin_board *board)
{
    bool under_way = board->wanted || board->begun > board->done;
    uint64_t most = is_behind(board) ? ADMIN_BOARD_STALE_BEHIND_MS : ADMIN_BOARD_STALE_MS;
    return is_known(board) && under_way && age_of(board) <= most;
}

static void want(struct admin_board *board)
{
    board->wanted = true;
    (void)pthread_cond_signal(&board->wanting);
}

/* Under the lock: 0 when there are facts to be told. */
static int be_fresh(struct admin_board *board, bool wait, struct err *err)
{
    uint64_t wanted = board->begun + 1;
    if (!wait && !is_fresh(board) && !may_do(board)) {
        want(board);
        return err_set(err, E_DEFERRED, "the server's status is not known at once");
    }
    while (wait && board->done < wanted && !is_fresh(board)) {
        if (board->begun == board->done && !board->wanted) {
            want(board); /* else what is being found out may do */
        }
        (void)pthread_cond_wait(&board->answered, &board->lock);
    }
    return board->failed.code == 0 ? 0 : err_set(err, board->failed.code, "%s", board->failed.text);
}

int admin_board_text(struct admin_board *board, bool wait, struct buf *out, struct err *err)
{
    ASSERT(board != NULL && out != NULL);
    (void)pthread_mutex_lock(&board->lock);
    int rc = be_fresh(board, wait, err);
    if (rc == 0 && buf_append_span(out, buf_span(&board->text)) != 0) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    (void)pthread_mutex_unlock(&board->lock);
    return rc;
}

int admin_board_facts(struct admin_board *board, bool wait, struct admin_board_facts *out,
                      struct err *err)
{
    ASSERT(board != NULL && out != NULL);
    (void)pthread_mutex_lock(&board->lock);
    int rc = be_fresh(board, wait, err);
    if (rc == 0) {
        *out = board->facts;
    }
    (void)pthread_mutex_unlock(&board->lock);
    return rc;
}

int admin_board_last(struct admin_board *board, struct admin_board_facts *out, uint64_t *age_ms,
                     struct err *err)
{
    ASSERT(board != NULL && out != NULL && age_ms != NULL);
    (void)pthread_mutex_lock(&board->lock);
    if (!is_fresh(board)) {
        want(board);
    }
    *out = board->facts;
    *age_ms = age_of(board);
    struct err failed = board->failed;
    bool known = board->done > 0;
    (void)pthread_mutex_unlock(&board->lock);
    if (!known) {
        return err_set(err, E_DEFERRED, "the server's status is not known yet");
    }
    return failed.code == 0 ? 0 : err_set(err, failed.code, "%s", failed.text);
}

void admin_board_listen(struct admin_board *board)
{
    ASSERT(board != NULL);
    (void)pthread_mutex_lock(&board->lock);
    board->listeners++;
    if (board->listeners == 1) {
        want(board); /* it may have slept for long */
    }
    (void)pthread_mutex_unlock(&board->lock);
}

void admin_board_leave(struct admin_board *board)
{
    ASSERT(board != NULL);
    (void)pthread_mutex_lock(&board->lock);
    ASSERT(board->listeners > 0);
    board->listeners--;
    (void)pthread_mutex_unlock(&board->lock);
}

int admin_board_event(struct admin_board *board, uint64_t *number, struct buf *out)
{
    ASSERT(board != NULL && number != NULL && out != NULL);
    (void)pthread_mutex_lock(&board->lock);
    int rc = board->event_number != *number && buf_error(&board->event) == 0;
    if (rc == 1) {
        *number = board->event_number;
        rc = buf_append_span(out, buf_span(&board->event)) == 0 ? 1 : E_NOMEM;
    }
    (void)pthread_mutex_unlock(&board->lock);
    return rc;
}

size_t admin_board_samples(struct admin_board *board, uint64_t since_ms,
                           struct admin_board_sample *out)
{
    ASSERT(board != NULL && out != NULL);
    size_t count = 0;
    (void)pthread_mutex_lock(&board->lock);
    uint64_t kept =
        board->sample_count < ADMIN_BOARD_SAMPLES ? board->sample_count : ADMIN_BOARD_SAMPLES;
    for (uint64_t i = board->sample_count - kept; i < board->sample_count; i++) {
        const struct admin_board_sample *sample = &board->samples[i % ADMIN_BOARD_SAMPLES];
        if (sample->time_ms >= since_ms) {
            out[count++] = *sample;
        }
    }
    (void)pthread_mutex_unlock(&board->lock);
    return count;
}

/* --- birth and death --- */

static void free_board(struct admin_board *board)
{
    buf_free(&board->text);
    buf_free(&board->event);
    buf_free(&board->draft);
    (void)pthread_cond_destroy(&board->wanting);
    (void)pthread_cond_destroy(&board->answered);
    (void)pthread_mutex_destroy(&board->lock);
    free(board);
}

int admin_board_start(struct admin_board **out, const struct admin_board_options *options,
                      struct err *err)
{
    ASSERT(out != NULL && options != NULL && options->backend != NULL && options->render != NULL);
    struct admin_board *board = calloc(1, sizeof *board);
    if (board == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&board->wanting, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_cond_init(&board->answered, NULL);
    (void)pthread_mutex_init(&board->lock, NULL);
    board->options = *options;
    buf_init(&board->text, TEXT_MAX);
    buf_init(&board->draft, TEXT_MAX);
    buf_init(&board->event, TEXT_MAX + 64);
    int rc = thread_start(&board->thread, "admin-board", run, board, err);
    if (rc != 0) {
        free_board(board);
        return rc;
    }
    *out = board;
    return 0;
}

void admin_board_stop(struct admin_board **board)
{
    if (board == NULL || *board == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&(*board)->lock);
    (*board)->stopping = true;
    (void)pthread_cond_signal(&(*board)->wanting);
    (void)pthread_mutex_unlock(&(*board)->lock);
    thread_join(&(*board)->thread);
    free_board(*board);
    *board = NULL;
}
