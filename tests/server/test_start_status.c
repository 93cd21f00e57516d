/* tests/server/test_start_status.c - what a server is told to be, of its parts. */
#include "server/start_inside.h"

#include "tests/server/backup_fixture.h"

static struct ground ground;
static struct settings settings;
static struct server server;

static void cut(void *context, const struct peer *peer)
{
    (void)context;
    (void)peer;
}

static int send_nothing(void *context, const struct peer *peer, struct span bytes)
{
    (void)context;
    (void)peer;
    (void)bytes;
    return 0;
}

static const char *nowhere(void *context, const struct peer *peer)
{
    (void)context;
    (void)peer;
    return "nowhere";
}

static void start_keeping(void)
{
    struct err err = {0};
    const struct housekeeping_options options = {
        .journal = ground.fx->journal,
        .kv = ground.fx->kv,
        .seen = server.seen,
        .upkeep = server.upkeep,
        .clock = &clock_system,
        .flush_interval_ms = 60000,
        .dir = ground.fx->dir,
        .reserve_bytes = 1,
        .retention = {.journal_keep_ms = 86400000,
                      .tombstones_keep_ms = 86400000,
                      .undo_keep_ms = 86400000,
                      .devices_active_ms = 86400000},
        .scrub_ms = 86400000,
    };
    assert_int_equal(housekeeping_start(&server.housekeeping, &options, &err), 0);
}

static int setup(void **state)
{
    (void)state;
    struct err err = {0};
    ground_open(&ground);
    settings = (struct settings){.limits = ground.fx->limits};
    settings.limits.users = 123;
    server = (struct server){.options = {.settings = &settings}};
    server.journal = ground.fx->journal;
    server.kv = ground.fx->kv;
    server.registry = ground.fx->registry;
    server.committer = ground.fx->committer;
    assert_int_equal(seen_new(&server.seen), 0);
    assert_int_equal(upkeep_new(&server.upkeep), 0);
    const struct sessions_options sessions = {
        .port = {send_nothing, cut, nowhere, NULL},
        .committer = server.committer,
        .registry = server.registry,
        .journal = server.journal,
        .clock = &clock_system,
        .seen = server.seen,
        .heartbeat_ms = 1000,
        .bags_max = 100,
        .bags_max_kept = 100,
        .sessions_max = 100,
        .budget_bytes = 1 << 20,
    };
    assert_int_equal(sessions_new(&server.sessions, &sessions, &err), 0);
    start_keeping();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    housekeeping_stop(&server.housekeeping);
    sessions_free(&server.sessions);
    upkeep_free(&server.upkeep);
    seen_free(&server.seen);
    ground_close(&ground);
    return 0;
}

static void the_parts_are_put_together(void **state)
{
    (void)state;
    struct server_status status;
    uint8_t history[HISTORY_SIZE];
    ground_put(&ground, "user:ann", "1");
    start_status(&server, &status);
    assert_int_equal(status.state, SERVER_RUNNING);
    assert_true(status.users == 1 && status.users_limit == 123);
    assert_int_equal(status.head.seq, ground_head(&ground));
    journal_history(ground.fx->journal, history);
    assert_memory_equal(status.history, history, HISTORY_SIZE);
    assert_true(status.sessions == 0 && status.devices == 0 && status.writes > 0);
    assert_string_equal(status.state_text, "");
    assert_false(status.held || status.sync_stopped);
}

static void what_an_administrator_stopped_is_told(void **state)
{
    (void)state;
    struct server_status status;
    assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", "@sync",
                               "{\"state\":\"stopped\",\"since_ms\":5,\"by\":\"ann\"}")
                         .code,
                     0);
    start_status(&server, &status);
    assert_int_equal(status.state, SERVER_STOPPED);
    assert_true(status.sync_stopped && status.sync_since_ms == 5);
    assert_string_equal(status.sync_by, "ann");
}

static void a_restore_that_waits_is_told(void **state)
{
    (void)state;
    struct server_status status;
    static const char record[] = "{\"parent\":\"00000000000000000000000000000000\","
                                 "\"removals\":\"unknown\",\"restored_ms\":5}";
    assert_int_equal(fx_submit(ground.fx, SUBMIT_WRITE, "server", "@restored", record).code, 0);
    start_status(&server, &status);
    assert_true(status.held);
}

static void a_machine_that_was_here_before_is_known(void **state)
{
    (void)state;
    struct device_live live;
    const struct seen_device at = {.seq = 7, .last_ms = 8};
    assert_int_equal(start_device(&server, 0x77, &live), E_NOT_FOUND);
    seen_note(server.seen, 0x77, &at);
    assert_int_equal(start_device(&server, 0x77, &live), 0);
    assert_true(live.device == 0x77 && live.current_seq == 7 && live.last_seen_ms == 8);
    assert_false(live.connected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_parts_are_put_together, setup, teardown),
        cmocka_unit_test_setup_teardown(what_an_administrator_stopped_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restore_that_waits_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_machine_that_was_here_before_is_known, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
