/* Tests of admin/moment.c: what a person may call a moment. */
#include "tests/admin/fake_fixture.h"

#include "admin/moment.h"

enum { NOW = 1700000000 };
static const uint64_t now_ms = (uint64_t)NOW * 1000;

static void a_number_is_a_seq(void **state)
{
    (void)state;
    uint64_t seq = 0;
    uint64_t time_ms = 7;
    assert_int_equal(admin_moment_parse("4711", now_ms, &seq, &time_ms, NULL), 0);
    assert_int_equal(seq, 4711);
    assert_int_equal(time_ms, 0);
    assert_int_equal(admin_moment_parse("2026", now_ms, &seq, &time_ms, NULL), 0);
    assert_int_equal(seq, 2026);
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t time_ms;
    } rows[] = {
        {"2023-11-14T22:13:20.123Z", 1700000000123},
        {"2023-11-14T22:13:20Z", 1700000000000},
        {"2023-11-14 22:13:20", 1700000000000},
        {"2023-11-14t22:13z", 1699999980000},
        {"2023-11-14T22", 1699999200000},
        {"2023-11-14", 1699920000000},
        {"2024-02-29", 1709164800000},
        {"2023-11-14T22:13:20.5", 1700000000500},
        {"2023-11-14T22:13:20.1239", 1700000000123},
        {"now", 1700000000000},
        {"-2h", 1699992800000},
        {"-1d", 1699913600000},
        {"1970-01-01", 1},
        {"-100000000h", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t seq = 7;
        uint64_t time_ms = 0;
        struct err err = {0};
        if (admin_moment_parse(rows[i].text, now_ms, &seq, &time_ms, &err) != 0) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
        assert_int_equal(seq, 0);
        if (time_ms != rows[i].time_ms) {
            fail_msg("%s is %llu", rows[i].text, (unsigned long long)time_ms);
        }
    }
}

static void nonsense_is_told_what_there_is(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "yesterday",
        "2023-13-01",
        "2023-00-10",
        "2023-02-30",
        "2023-11-14T24:00",
        "2023-11-14T22:60",
        "2023-11-14T22:13:99",
        "2023-11",
        "2023-11-14x",
        "2023-11-14T22:13:20.",
        "2023-11-14T22:13:20+01:00",
        "1969-12-31",
        "-2",
        "--2h",
        "12345678901234567890",
        "12a",
        "-",
        "2023-11-14T",
        "2023-1-14",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t seq = 7;
        uint64_t time_ms = 7;
        struct err err = {0};
        if (strcmp(rows[i], "-2") == 0) { /* seconds, as everywhere */
            assert_int_equal(admin_moment_parse(rows[i], now_ms, &seq, &time_ms, &err), 0);
            continue;
        }
        if (admin_moment_parse(rows[i], now_ms, &seq, &time_ms, &err) != E_INVALID) {
            fail_msg("'%s' was taken", rows[i]);
        }
        assert_non_null(strstr(err.text, "is no moment: give a change's number, a time of UTC"));
        assert_int_equal(seq, 7);
    }
}

/* Each of the fake's change sets is a second after the one before. */
static void a_time_is_the_last_change_up_to_it(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2 and 3, at :21 */
    (void)fake_put(&fake, "user:ann", "a", "2"); /* 4, at :22 */
    struct journal *journal = fake.backend.journal;
    uint64_t seq = 0;
    assert_int_equal(admin_moment_seq(journal, "2023-11-14T22:13:21", &seq, NULL), 0);
    assert_int_equal(seq, 3);
    assert_int_equal(admin_moment_seq(journal, "2023-11-14T22:13:21.999", &seq, NULL), 0);
    assert_int_equal(seq, 3);
    assert_int_equal(admin_moment_seq(journal, "2023-11-14T22:13:22", &seq, NULL), 0);
    assert_int_equal(seq, 4);
    assert_int_equal(admin_moment_seq(journal, "now", &seq, NULL), 0);
    assert_int_equal(seq, 4);
    assert_int_equal(admin_moment_seq(journal, "2023-11-14T22:13:19", &seq, NULL), 0);
    assert_int_equal(seq, 0); /* everything is newer */
    assert_int_equal(admin_moment_seq(journal, "4", &seq, NULL), 0);
    assert_int_equal(seq, 4);
    struct err err = {0};
    assert_int_equal(admin_moment_seq(journal, "5", &seq, &err), E_INVALID);
    assert_string_equal(err.text, "there is no change 5 yet: the newest one is 4");
    assert_int_equal(admin_moment_seq(journal, "0", &seq, &err), E_INVALID);
}

static void no_moment_lies_within_a_change_set(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2 makes the bag, 3 sets: one set */
    uint64_t seq = 2;
    assert_int_equal(admin_moment_whole(fake.backend.journal, &seq, NULL), 0);
    assert_int_equal(seq, 3);
    assert_int_equal(admin_moment_whole(fake.backend.journal, &seq, NULL), 0);
    assert_int_equal(seq, 3);
    seq = 0;
    assert_int_equal(admin_moment_whole(fake.backend.journal, &seq, NULL), 0);
    assert_int_equal(seq, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_a_seq),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(nonsense_is_told_what_there_is),
        FAKE_TEST(a_time_is_the_last_change_up_to_it),
        FAKE_TEST(no_moment_lies_within_a_change_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
