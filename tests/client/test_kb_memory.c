/* Every allocation of a machine's calls fails once: opening, signing in, writing, reading,
 * watching, closing. What fails says so and changed nothing; what was answered is there when it is
 * opened again; and the next call works. */
#include "client/kb_inside.h"
#include "tests/client/agent_samples.h"
#include "tests/support/fail_alloc.h"

enum { TRIES_MAX = 5000 };

/* One life of a machine in the same folder, during which one allocation fails. */
struct life {
    struct machine m;
    int nobody_waits_fd; /* always readable: a watch ends at once */
    unsigned refused;    /* calls that said E_NOMEM */
};

/* Instead of the C library's, for LMDB too: nothing here cuts the power, and a thousand syncs take
 * minutes on a machine whose disk is busy. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

static void life_begin(struct life *life)
{
    memset(life, 0, sizeof *life);
    tmp_folder_make(life->m.folder);
    tmp_folder_path(life->m.dir, life->m.folder, "data");
    life->nobody_waits_fd = eventfd(1, EFD_CLOEXEC);
    assert_true(life->nobody_waits_fd >= 0);
}

static void life_end(struct life *life)
{
    (void)close(life->nobody_waits_fd);
    tmp_folder_remove(life->m.folder);
}

static bool open_machine(struct life *life)
{
    struct kb_options options = {
        .size = sizeof options, .data_dir = life->m.dir, .map_bytes = 16 << 20};
    struct kb_error error = {0};
    int rc = kb_open(&life->m.kb, &options, &error);
    assert_true(rc == 0 || rc == E_NOMEM);
    life->refused += rc != 0;
    return rc == 0;
}

static int take_quietly(void *context, struct span frame)
{
    unsigned paused = fail_alloc_pause();
    int rc = take_frame(context, frame);
    fail_alloc_resume(paused);
    return rc;
}

/* What a call came to. UNKNOWN: there was no memory to say so; whoever asked is hung up on. */
enum came_to { DONE, REFUSED, UNKNOWN };

/* Does it, in the short notation. */
static enum came_to does(struct life *life, const char *text)
{
    struct answer answer = {.code = 1};
    struct buf request;
    unsigned paused = fail_alloc_pause();
    request_of(&request, text);
    fail_alloc_resume(paused);
    int rc =
        agent_handle(life->m.kb, buf_span(&request), life->nobody_waits_fd, take_quietly, &answer);
    buf_free(&request);
    if (rc != 0) {
        assert_int_equal(rc, E_NOMEM);
        life->refused++;
        return UNKNOWN;
    }
    if (answer.code != 0 && answer.code != E_NOMEM) {
        fail_msg("%s: %s", text, answer.why);
    }
    life->refused += answer.code != 0;
    return answer.code == 0 ? DONE : REFUSED;
}

/* The same when nothing is short. */
static void must(struct life *life, const char *text)
{
    assert_int_equal(does(life, text), DONE);
}

static void reading_may_fail(void **state)
{
    (void)state;
    static const char *const reads[] = {
        "get user:Ann a", "ls user:Ann a", "watch ~", "watch user:Ann", "outbox -",
        "outbox +",       "users",         "status",  "verify",         "explain user:Ann a",
    };
    struct life life;
    life_begin(&life);
    assert_true(open_machine(&life));
    must(&life, "login Ann (staff,night) #0");
    must(&life, "set user:Ann a !1 ~ #0");
    must(&life, "set group:staff b !2 ~ #0");
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        unsigned nth = 1;
        for (bool failed = true; failed; nth++) {
            assert_true(nth < TRIES_MAX);
            fail_alloc_at(nth);
            (void)does(&life, reads[i]);
            failed = fail_alloc_stop();
            must(&life, reads[i]);
        }
        assert_true(nth > 2);
    }
    kb_close(&life.m.kb);
    life_end(&life);
}

/* What a life was told of its writes. */
struct told {
    enum came_to set, removed, grouped;
};

static void live(struct life *life, struct told *told)
{
    *told = (struct told){REFUSED, REFUSED, REFUSED};
    if (!open_machine(life)) {
        return;
    }
    if (does(life, "login Ann (staff) #0") == DONE) {
        told->set = does(life, "set user:Ann a !v ~ #0");
        told->removed = does(life, "rm user:Ann gone ~ #0");
        told->grouped = does(life, "set group:staff g !v ~ #0");
    }
    kb_close(&life->m.kb);
}

/* Done is there, refused is not. */
static void check_one(struct life *life, const char *bag, const char *path, enum came_to came_to,
                      bool there_when_done)
{
    bool there = get(&life->m, bag, path) != NULL;
    assert_true(came_to == UNKNOWN || (there == there_when_done) == (came_to == DONE));
}

static void check_told(struct life *life, const struct told *told)
{
    assert_true(open_machine(life));
    must(life, "login Ann (staff) #0");
    check_one(life, "user:Ann", "a", told->set, true);
    check_one(life, "user:Ann", "gone", told->removed, false);
    check_one(life, "group:staff", "g", told->grouped, true);
    must(life, "set user:Ann a !w ~ #0");
    kb_close(&life->m.kb);
}

static void a_life_of_writing_may_fail_anywhere(void **state)
{
    (void)state;
    unsigned nth = 1;
    unsigned refused = 0;
    for (bool failed = true; failed; nth++) {
        struct life life;
        struct told told;
        assert_true(nth < TRIES_MAX);
        life_begin(&life);
        assert_true(open_machine(&life));
        must(&life, "login Ann () #0");
        must(&life, "set user:Ann gone !v ~ #0");
        kb_close(&life.m.kb);
        fail_alloc_at(nth);
        live(&life, &told);
        failed = fail_alloc_stop();
        check_told(&life, &told);
        refused += life.refused;
        life_end(&life);
    }
    assert_true(nth > 20 && refused > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_may_fail),
        cmocka_unit_test(a_life_of_writing_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
