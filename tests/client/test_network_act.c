/* tests/client/test_network_act.c - operations on their way: deferred, repeated, renumbered. */
#include "tests/client/kb_samples.h"

#include <errno.h>

#include "client/outbox_inside.h"

struct fixture {
    struct toy *toy;
    struct machine m;
};

static void begin(struct fixture *f)
{
    f->toy = toy_new();
    machine_begin(&f->m);
    machine_join(&f->m, f->toy);
    machine_start(&f->m);
    login(&f->m, "Ann");
}

static void end(struct fixture *f)
{
    machine_end(&f->m);
    toy_free(f->toy);
}

static void set_write_code(struct toy *toy, void *context)
{
    toy->write_code = *(int *)context;
}

static void deferred_writes_wait_in_order(void **state)
{
    (void)state;
    struct fixture f;
    int code = E_STOPPED;
    uint64_t op = 0;
    begin(&f);
    toy_do(f.toy, set_write_code, &code);
    for (int i = 0; i < 5; i++) {
        char value[8];
        (void)snprintf(value, sizeof value, "%d", i);
        op = set(&f.m, "user:Ann", "a", value);
    }
    wait_until(status_of(&f.m).code == KB_E_STOPPED);
    assert_int_equal(kb_wait(f.m.kb, op, 300, NULL), KB_E_TIMEOUT);
    assert_int_equal(status_of(&f.m).pending, 5);
    assert_int_equal(status_of(&f.m).refused, 0);
    assert_string_equal(get(&f.m, "user:Ann", "a"), "4*");
    code = 0;
    toy_do(f.toy, set_write_code, &code);
    assert_int_equal(kb_wait(f.m.kb, op, 15000, NULL), 0);
    wait_until(status_of(&f.m).code == 0);
    wait_until(strcmp(get(&f.m, "user:Ann", "a"), "4") == 0);
    assert_int_equal(f.toy->writes, 5);
    end(&f);
}

static void set_wrong_writer(struct toy *toy, void *context)
{
    (void)context;
    toy->wrong_writer = true;
}

static void a_writer_that_does_not_fit_is_replaced(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    uint64_t writer = outbox_writer(f.m.kb->outbox);
    toy_do(f.toy, set_wrong_writer, NULL);
    uint64_t one = set(&f.m, "user:Ann", "a", "1");
    uint64_t two = set(&f.m, "user:Ann", "b", "2");
    assert_int_equal(kb_wait(f.m.kb, one, 15000, NULL), 0);
    assert_int_equal(kb_wait(f.m.kb, two, 15000, NULL), 0);
    assert_true(outbox_writer(f.m.kb->outbox) != writer);
    wait_until(status_of(&f.m).phase == KB_PHASE_CURRENT);
    assert_non_null(strstr(status_of(&f.m).text, "put back or copied"));
    assert_non_null(strstr(status_of(&f.m).text, "that waited were sent again"));
    assert_null(strstr(status_of(&f.m).text, "the 0 that"));
    wait_until(strcmp(get(&f.m, "user:Ann", "b"), "2") == 0);
    end(&f);
}

static void many_operations_go_through_the_window(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t op = 0;
    begin(&f);
    struct kb_error error = {0};
    ok(kb_stop(f.m.kb, &error), &error);
    for (int i = 0; i < 1500; i++) { /* more than may be unanswered */
        char path[16];
        (void)snprintf(path, sizeof path, "p%d", i % 50);
        op = set(&f.m, "user:Ann", path, path);
    }
    machine_start(&f.m);
    assert_int_equal(kb_wait(f.m.kb, op, 30000, NULL), 0);
    assert_int_equal(status_of(&f.m).pending, 0);
    wait_until(outbox_confirmed(f.m.kb->outbox) == outbox_last(f.m.kb->outbox));
    end(&f);
}

static void a_dropped_one_is_sent_empty(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    ok(kb_stop(f.m.kb, &error), &error);
    (void)set(&f.m, "user:Ann", "a", "1");
    uint64_t dropped = set(&f.m, "user:Ann", "b", "2");
    uint64_t last = set(&f.m, "user:Ann", "c", "3");
    ok(kb_outbox_drop(f.m.kb, dropped, &error), &error);
    machine_start(&f.m);
    assert_int_equal(kb_wait(f.m.kb, last, 15000, NULL), 0);
    wait_until(strcmp(get(&f.m, "user:Ann", "c"), "3") == 0);
    assert_null(get(&f.m, "user:Ann", "b"));
    assert_int_equal(status_of(&f.m).pending + status_of(&f.m).refused, 0);
    end(&f);
}

static ssize_t no_room(void *context, int fd, const void *data, size_t size, off_t offset)
{
    (void)context;
    (void)fd;
    (void)data;
    (void)size;
    (void)offset;
    errno = ENOSPC;
    return -1;
}

static void set_disk(struct outbox *outbox, const struct disk *disk)
{
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->disk = disk;
    outbox->rewrite = true; /* else nothing needs room */
    (void)pthread_mutex_unlock(&outbox->lock);
}

/* Nobody writes any more, and yet the outcome is kept when there is room again. */
static void an_outcome_that_found_no_room_is_kept_later(void **state)
{
    (void)state;
    struct fixture f;
    int code = E_STOPPED;
    struct disk full = disk_system;
    full.pwrite = no_room;
    begin(&f);
    struct outbox *outbox = f.m.kb->outbox;
    toy_do(f.toy, set_write_code, &code);
    uint64_t op = set(&f.m, "user:Ann", "a", "1");
    wait_until(status_of(&f.m).code == KB_E_STOPPED);
    set_disk(outbox, &full);
    code = 0;
    toy_do(f.toy, set_write_code, &code);
    assert_int_equal(kb_wait(f.m.kb, op, 15000, NULL), 0);
    wait_until(status_of(&f.m).code == KB_E_NOSPACE);
    set_disk(outbox, &disk_system);
    wait_until(outbox_confirmed(outbox) == outbox_last(outbox));
    wait_until(strcmp(get(&f.m, "user:Ann", "a"), "1") == 0);
    wait_until(status_of(&f.m).code == 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferred_writes_wait_in_order),
        cmocka_unit_test(a_writer_that_does_not_fit_is_replaced),
        cmocka_unit_test(many_operations_go_through_the_window),
        cmocka_unit_test(a_dropped_one_is_sent_empty),
        cmocka_unit_test(an_outcome_that_found_no_room_is_kept_later),
    };
    return cmocka_run_group_tests_name("client/network_act", tests, NULL, NULL);
}
