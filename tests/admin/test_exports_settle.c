/* Tests of admin/exports_settle.c: who is waited for, and who is named. */
#include "tests/admin/exports_samples.h"

#include "admin/exports_inside.h"

enum { LONG_MS = 60000, SHORT_MS = 60 };

#define FAR_MS UINT64_C(4000000000000) /* a day in 2096 */

/* What is told of the machine, look by look; the last one goes on. */
static struct {
    struct device_live looks[4];
    size_t count;
    size_t asked;
} script;

static int scripted(void *context, const uint64_t *ids, size_t count, struct device_live *out,
                    struct err *err)
{
    (void)context;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        size_t at = script.asked < script.count ? script.asked : script.count - 1;
        out[i] = ids[i] == FAKE_DEVICE ? script.looks[at] : (struct device_live){0};
    }
    script.asked++;
    return 0;
}

static void scripts(size_t count, const struct device_live *looks)
{
    memcpy(script.looks, looks, count * sizeof *looks);
    script.count = count;
    script.asked = 0;
    sample.fake.backend.devices = scripted;
}

static uint64_t settled(unsigned wait_ms, struct admin_export *out)
{
    memset(out, 0, sizeof *out);
    assert_int_equal(exports_settle(&sample.fake.backend, wait_ms, NULL, out, NULL), 0);
    return out->late_count;
}

static int open_machines(void **state)
{
    (void)sample_open(state);
    fake_machine(&sample.fake, FAKE_DEVICE, "lobby", "active");
    fake_machine(&sample.fake, 0x77, "attic", "active");
    fake_machine(&sample.fake, 0x78, "cellar", "removed");
    return 0;
}

#define SETTLE_TEST(test) cmocka_unit_test_setup_teardown(test, open_machines, sample_close)

static void who_is_not_connected_is_not_waited_for(void **state)
{
    (void)state;
    struct admin_export out;
    scripts(1, &(struct device_live){.connected = false, .waiting = 7});
    assert_int_equal(settled(LONG_MS, &out), 0);
    assert_int_equal(script.asked, 1);
}

/* A word from before says nothing of what was written since. */
static void a_word_from_before_does_not_count(void **state)
{
    (void)state;
    struct admin_export out;
    const struct device_live looks[] = {{.connected = true, .last_seen_ms = 1},
                                        {.connected = true, .last_seen_ms = 1},
                                        {.connected = true, .last_seen_ms = FAR_MS}};
    scripts(3, looks);
    assert_int_equal(settled(LONG_MS, &out), 0);
    assert_int_equal(script.asked, 3);
}

static void until_it_holds_nothing(void **state)
{
    (void)state;
    struct admin_export out;
    const struct device_live looks[] = {{.connected = true, .last_seen_ms = FAR_MS, .waiting = 5},
                                        {.connected = true, .last_seen_ms = FAR_MS, .waiting = 2},
                                        {.connected = true, .last_seen_ms = FAR_MS}};
    scripts(3, looks);
    assert_int_equal(settled(LONG_MS, &out), 0);
    assert_int_equal(script.asked, 3);
}

static void who_does_not_tell_in_time_is_named(void **state)
{
    (void)state;
    struct admin_export out;
    scripts(1, &(struct device_live){.connected = true, .last_seen_ms = FAR_MS, .waiting = 5});
    assert_int_equal(settled(SHORT_MS, &out), 1);
    assert_int_equal(out.late[0], FAKE_DEVICE);
    assert_true(script.asked > 1);
    const struct device_live looks[] = {{.connected = true, .last_seen_ms = 1}, {0}};
    scripts(2, looks); /* it went away with what it held */
    assert_int_equal(settled(SHORT_MS, &out), 1);
}

static void it_is_told_of_an_export(void **state)
{
    (void)state;
    scripts(1, &(struct device_live){.connected = true, .last_seen_ms = FAR_MS, .waiting = 5});
    struct admin_export made = sample_prepared("user:ann");
    assert_int_equal(made.late_count, 1);
    assert_int_equal(made.late[0], FAKE_DEVICE);
}

static void many_machines(void **state)
{
    (void)state;
    struct admin_export out;
    for (uint64_t id = 1; id < 200; id++) {
        fake_machine(&sample.fake, 0x10000 + id, "m", "active");
    }
    scripts(1, &(struct device_live){.connected = true, .last_seen_ms = FAR_MS});
    assert_int_equal(settled(LONG_MS, &out), 0);
}

static void a_server_that_goes_down(void **state)
{
    (void)state;
    struct admin_export out = {0};
    sample.fake.closed = true;
    assert_int_equal(exports_settle(&sample.fake.backend, LONG_MS, NULL, &out, NULL), E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SETTLE_TEST(who_is_not_connected_is_not_waited_for),
        SETTLE_TEST(a_word_from_before_does_not_count),
        SETTLE_TEST(until_it_holds_nothing),
        SETTLE_TEST(who_does_not_tell_in_time_is_named),
        SETTLE_TEST(it_is_told_of_an_export),
        SETTLE_TEST(many_machines),
        SETTLE_TEST(a_server_that_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
