/* tests/server/backups_fixture.h - the backups of a server whose main thread is played by the test.
 */
#ifndef KITBAG_TESTS_SERVER_BACKUPS_FIXTURE_H
#define KITBAG_TESTS_SERVER_BACKUPS_FIXTURE_H

#include <pthread.h>
#include <time.h>

#include "server/backups.h"
#include "tests/server/backup_fixture.h"

enum { PAUSES_MAX = 15000 };

static struct ground ground;
static struct backups *backups;
static struct admin_backups admin;
static struct admin_backend backend;
/* The committer is the main thread's: here it is whoever has the lock. */
static pthread_mutex_t main_thread = PTHREAD_MUTEX_INITIALIZER;
static bool closed;

UNUSED static void on_changes(void *context, const struct change *changes, size_t count,
                              const struct journal_position *head)
{
    fx_on_changes(context, changes, count, head);
    if (backups != NULL) {
        backups_note(backups, changes, count);
    }
}

UNUSED static int submit(void *context, struct submit *submits, size_t count, struct err *err)
{
    (void)context;
    if (closed) {
        return err_set(err, E_CLOSED, "the server is shutting down");
    }
    (void)pthread_mutex_lock(&main_thread);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(committer_submit(ground.fx->committer, &submits[i], ground.fx, i), 0);
        fx_run(ground.fx);
        committer_settle(ground.fx->committer);
        submit_finish(&submits[i], &fx_last(ground.fx)->reply);
        ground.fx->reply_count = 0;
        ground.fx->change_count = 0;
        ground.fx->order_count = 0;
    }
    (void)pthread_mutex_unlock(&main_thread);
    return 0;
}

UNUSED static void start(void)
{
    struct err err = {0};
    backend = (struct admin_backend){.submit = submit};
    const struct backups_options options = {.source = ground.source,
                                            .server_bag =
                                                committer_server_bag(ground.fx->committer),
                                            .clock = &clock_system,
                                            .backend = &backend};
    closed = false;
    int rc = backups_start(&backups, &options, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    backups_admin(backups, &admin);
}

UNUSED static void stop(void)
{
    closed = true;
    backups_stop(&backups);
}

UNUSED static int setup(void **state)
{
    (void)state;
    ground_open(&ground);
    fx_close(ground.fx, true);
    ground.fx->sink = (struct committer_sink){fx_on_device, fx_on_replies, on_changes, ground.fx};
    fx_open(ground.fx);
    ground.source.journal = ground.fx->journal;
    ground.source.kv = ground.fx->kv;
    start();
    return 0;
}

UNUSED static int teardown(void **state)
{
    (void)state;
    stop();
    ground_close(&ground);
    return 0;
}

/* Half a minute of these, and the test has failed. */
UNUSED static void pause_a_little(void)
{
    static unsigned pauses;
    const struct timespec pause = {.tv_nsec = 2000000};
    if (++pauses > PAUSES_MAX) {
        fail_msg("what is waited for does not come");
    }
    (void)nanosleep(&pause, NULL);
}

UNUSED static int order(const char *folder, bool dry_run, struct err *err)
{
    struct admin_backup_report report;
    uint64_t number = 0;
    const struct admin_backup_order wanted = {
        .folder = folder, .actor = "ann", .verify = true, .dry_run = dry_run};
    return admin.start(admin.context, &wanted, &number, &report, err);
}

UNUSED static struct admin_backup_view wait_for_it(void)
{
    struct admin_backup_view view;
    do {
        pause_a_little();
        admin.view(admin.context, &view);
    } while (view.state == ADMIN_BACKUP_RUNNING);
    return view;
}

UNUSED static struct admin_backup_view make(const char *folder)
{
    struct err err = {0};
    int rc = order(folder, false, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    return wait_for_it();
}

UNUSED static struct submit change(enum submit_kind kind, const char *owner, const char *path,
                                   const char *value)
{
    struct submit wanted = {.kind = kind, .create = true, .actor = "test"};
    struct operation_write write = {.path = span_str(path != NULL ? path : ""),
                                    .remove = value == NULL,
                                    .value = span_str(value != NULL ? value : "")};
    assert_int_equal(owner_parse(&wanted.owner, owner, NULL), 0);
    wanted.writes = &write;
    wanted.write_count = path != NULL ? 1 : 0;
    assert_int_equal(submit(NULL, &wanted, 1, NULL), 0);
    assert_int_equal(wanted.code, 0);
    wanted.writes = NULL;
    return wanted;
}

struct folder_row {
    struct admin_backup_folder row;
    size_t count;
};

UNUSED static int take_row(void *context, const struct admin_backup_folder *folder, struct err *err)
{
    (void)err;
    struct folder_row *rows = context;
    rows->row = *folder;
    rows->count++;
    return 0;
}

UNUSED static struct folder_row folders(void)
{
    struct folder_row rows = {0};
    assert_int_equal(admin.folders(admin.context, take_row, &rows, NULL), 0);
    return rows;
}

#endif
