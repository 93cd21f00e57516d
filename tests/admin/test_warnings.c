/* Tests of admin/warnings.c: each warning, where it begins, and its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "admin/warnings.h"

enum { MIB = 1 << 20 };

static struct admin_warning found[ADMIN_WARNING_KINDS];

static struct admin_board_facts healthy(void)
{
    struct admin_board_facts facts = {0};
    facts.status.state = SERVER_RUNNING;
    facts.status.reserve_bytes = 100 * MIB;
    facts.status.room_bytes = 200 * MIB;
    facts.status.users = 79;
    facts.status.users_limit = 100;
    facts.status.journal_max_bytes = 64 * MIB;
    facts.journal.file_bytes = 64 * MIB;
    return facts;
}

/* One warning holds, and it is this one. */
static void expect(const struct admin_board_facts *facts, const char *code, bool severe,
                   uint64_t count, const char *text)
{
    assert_int_equal(admin_warnings(facts, found), 1);
    assert_string_equal(admin_warning_code(found[0].kind), code);
    assert_int_equal(found[0].severe, severe);
    assert_int_equal(found[0].count, count);
    assert_string_equal(found[0].text, text);
}

static void a_healthy_server_warns_of_nothing(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    assert_int_equal(admin_warnings(&facts, found), 0);
    facts.status.state = SERVER_STOPPED; /* somebody wanted it so */
    facts.status.users_limit = 0;
    facts.status.journal_max_bytes = 0;
    assert_int_equal(admin_warnings(&facts, found), 0);
    facts.status.reserve_bytes = 0; /* nobody has looked at the disk yet */
    facts.status.room_bytes = 0;
    assert_int_equal(admin_warnings(&facts, found), 0);
}

static void who_is_to_be_confirmed_is_severe(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.held = true;
    expect(&facts, "restore.held", true, 0,
           "The data was restored from a backup, and it is not known which machines and people "
           "were removed since: nobody is served until somebody has looked through them and "
           "confirmed it ('kitbagctl restore confirm').");
}

static void little_room_is_warned_of_twice(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.room_bytes = 200 * MIB - 1;
    expect(&facts, "disk.low", false, 200 * MIB - 1,
           "The disk has 199 MiB left, and the journal keeps only what is needed. With less than "
           "100 MiB writes will wait. Make room.");
    facts.status.room_bytes = 100 * MIB;
    assert_int_equal(admin_warnings(&facts, found), 1);
    assert_false(found[0].severe);
    facts.status.room_bytes = 100 * MIB - 1;
    expect(&facts, "disk.low", true, 100 * MIB - 1,
           "The disk has 99 MiB left: writes wait until there are 100 MiB. Make room.");
}

static void users_are_warned_of_from_four_fifths_on(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.users = 80;
    expect(&facts, "limit.users", false, 80,
           "80 of at most 100 users are registered (80 %); at the limit, new ones are refused.");
    facts.status.users = 100;
    expect(&facts, "limit.users", true, 100,
           "100 of at most 100 users are registered (100 %): new ones are refused.");
    facts.status.users_evict = true;
    expect(&facts, "limit.users", false, 100,
           "100 of at most 100 users are registered (100 %): who signed in longest ago makes room "
           "for new ones.");
    facts.status.users_limit = 1000000;
    facts.status.users = 499999;
    assert_int_equal(admin_users_percent(&facts.status), 49);
}

static void machines_are_counted(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.replicas.diverged = 1;
    expect(&facts, "replica.diverged", true, 1,
           "1 machine is not served, because it holds changes that the server does not have. See "
           "the list of machines.");
    facts.status.replicas.diverged = 0;
    facts.status.replicas.unverified = 2;
    expect(&facts, "replica.unverified", false, 2,
           "2 connected machines have not been compared with the server for a day.");
    facts.status.replicas.unverified = 1;
    expect(&facts, "replica.unverified", false, 1,
           "1 connected machine has not been compared with the server for a day.");
}

static void the_rest_has_its_sentences(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.state = SERVER_READ_ONLY;
    expect(&facts, "state.read_only", true, 0, "The server takes no writes.");
    (void)snprintf(facts.status.state_text, sizeof facts.status.state_text, "the disk is full");
    expect(&facts, "state.read_only", true, 0, "The server takes no writes: the disk is full");
    facts = healthy();
    facts.status.digests.wrong = 3;
    expect(&facts, "state.damaged", true, 3,
           "3 bags are stored otherwise than they were written. Look after the disk, and at the "
           "log.");
    facts = healthy();
    facts.status.clock_stepped = true;
    expect(&facts, "clock.stepped", false, 0,
           "The server's clock was moved: nothing is dropped for its age until a day has passed or "
           "the clock is confirmed.");
    facts = healthy();
    facts.journal.file_bytes++;
    expect(&facts, "journal.large", false, 64 * MIB + 1,
           "The journal has 64 MiB on disk, more than its limit of 64 MiB.");
    facts.status.retention[1] = (struct retention_line){.what = "journal", .text = "undo needs it"};
    expect(&facts, "journal.large", false, 64 * MIB + 1,
           "The journal has 64 MiB on disk, more than its limit of 64 MiB: undo needs it");
}

static void several_come_in_the_order_of_the_list(void **state)
{
    (void)state;
    struct admin_board_facts facts = healthy();
    facts.status.clock_stepped = true;
    facts.status.state = SERVER_READ_ONLY;
    facts.status.room_bytes = 0;
    assert_int_equal(admin_warnings(&facts, found), 3);
    assert_int_equal(found[0].kind, ADMIN_WARNING_READ_ONLY);
    assert_int_equal(found[1].kind, ADMIN_WARNING_DISK);
    assert_int_equal(found[2].kind, ADMIN_WARNING_CLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_server_warns_of_nothing),
        cmocka_unit_test(who_is_to_be_confirmed_is_severe),
        cmocka_unit_test(little_room_is_warned_of_twice),
        cmocka_unit_test(users_are_warned_of_from_four_fifths_on),
        cmocka_unit_test(machines_are_counted),
        cmocka_unit_test(the_rest_has_its_sentences),
        cmocka_unit_test(several_come_in_the_order_of_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
