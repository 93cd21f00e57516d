/* tests/client/test_kb_people.c - signing in and out on a machine that stands alone, and when the
 * server can't be reached. What needs a server's answer is test_network_people.c's. */
#include "tests/client/kb_samples.h"

static int note_user(void *context, const struct kb_user *user)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 256 - used, "%s%s:%d%s", used > 0 ? " " : "", user->name,
                   (int)user->items, user->complete ? "" : "?");
    return strcmp(user->name, "Stop") == 0 ? 9 : 0;
}

static void assert_users(struct machine *m, const char *expected)
{
    char text[256] = "";
    struct kb_error error = {0};
    ok(kb_users(m->kb, note_user, text, &error), &error);
    assert_string_equal(text, expected);
}

static void a_lone_machine_registers_users_itself(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    const char *groups[] = {"Sales", "Labs", NULL};
    machine_begin(&m);
    assert_users(&m, "");
    ok(kb_login(m.kb, "Ann", groups, 0, &error), &error);
    login(&m, "ANN"); /* the same one */
    login(&m, "Bob");
    (void)set(&m, "user:Ann", "a", "1");
    (void)set(&m, "group:sales", "g", "1");
    assert_users(&m, "Ann:1 Bob:0");
    machine_again(&m);
    assert_users(&m, "Ann:1 Bob:0");
    assert_string_equal(get(&m, "group:Sales", "g"), "1*");
    assert_int_equal(status_of(&m).bags, 4);
    assert_int_equal(kb_login(m.kb, "a/b", NULL, 0, &error), KB_E_NAME);
    const char *bad[] = {"x:y", NULL};
    assert_int_equal(kb_login(m.kb, "Cy", bad, 0, &error), KB_E_NAME);
    assert_users(&m, "Ann:1 Bob:0");
    machine_end(&m);
}

/* The CREATE is in the outbox, and the disk had no room for the bag. A second CREATE would be
 * refused by a server, and with it what the user wrote. */
static void a_sign_in_that_stopped_half_way_is_finished_by_the_next(void **state)
{
    (void)state;
    struct machine m;
    struct owner bob;
    machine_begin(&m);
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(outbox_create(m.kb->outbox, &bob, 1, NULL, NULL), 0);
    login(&m, "Bob");
    (void)set(&m, "user:Bob", "a", "1");
    assert_int_equal(status_of(&m).pending, 2);
    machine_end(&m);
}

static void a_list_of_users_can_be_stopped(void **state)
{
    (void)state;
    struct machine m;
    char text[256] = "";
    machine_begin(&m);
    login(&m, "Stop");
    login(&m, "Zed");
    assert_int_equal(kb_users(m.kb, note_user, text, NULL), 9);
    assert_string_equal(text, "Stop:0");
    machine_end(&m);
}

static void signing_out_hides_and_signing_in_finds_again(void **state)
{
    (void)state;
    struct machine m;
    struct kb_value value;
    struct kb_error error = {0};
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "a", "1");
    assert_int_equal(kb_logout(m.kb, "Bob", &error), KB_E_NOT_SIGNED_IN);
    ok(kb_logout(m.kb, "ann", &error), &error);
    assert_int_equal(kb_logout(m.kb, "Ann", &error), KB_E_NOT_SIGNED_IN);
    assert_users(&m, "");
    assert_int_equal(kb_get(m.kb, "user:Ann", "a", &value, &error), KB_E_NOT_SIGNED_IN);
    assert_int_equal(status_of(&m).pending, 2); /* what was written still goes out */
    login(&m, "Ann");
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    machine_end(&m);
}

static void groups_are_remembered_with_the_user(void **state)
{
    (void)state;
    struct machine m;
    struct kb_groups *groups = calloc(1, sizeof *groups);
    assert_non_null(groups);
    machine_begin(&m);
    assert_int_equal(client_groups_get(m.kb, 1, groups, NULL), 0);
    assert_int_equal(groups->count, 0);
    groups->count = 2;
    assert_int_equal(owner_make(&groups->list[0], OWNER_GROUP, span_str("Eins"), 0, NULL), 0);
    assert_int_equal(owner_make(&groups->list[1], OWNER_GROUP, span_str("ZWEI"), 0, NULL), 0);
    assert_int_equal(client_groups_set(m.kb, 1, groups, NULL), 0);
    memset(groups, 0, sizeof *groups);
    assert_int_equal(client_groups_get(m.kb, 1, groups, NULL), 0);
    assert_int_equal(groups->count, 2);
    assert_string_equal(groups->list[1].shown, "ZWEI");
    assert_string_equal(groups->list[1].folded, "zwei");
    groups->count = 0;
    assert_int_equal(client_groups_set(m.kb, 1, groups, NULL), 0);
    assert_int_equal(client_groups_get(m.kb, 1, groups, NULL), 0);
    assert_int_equal(groups->count, 0);
    free(groups);
    machine_end(&m);
}

static void too_many_groups_are_refused(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    const char *groups[KB_GROUPS_MAX + 2];
    for (size_t i = 0; i < KB_GROUPS_MAX + 1; i++) {
        groups[i] = "same";
    }
    groups[KB_GROUPS_MAX + 1] = NULL;
    machine_begin(&m);
    assert_int_equal(kb_login(m.kb, "Ann", groups, 0, &error), KB_E_QUOTA);
    groups[KB_GROUPS_MAX] = NULL;
    ok(kb_login(m.kb, "Ann", groups, 0, &error), &error);
    machine_end(&m);
}

/* --- joined, and the server away --- */

static void only_who_is_kept_signs_in_without_the_server(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    machine_start(&m);
    login(&m, "Ann");
    ok(kb_stop(m.kb, &error), &error);
    login(&m, "Ann");
    assert_int_equal(kb_login(m.kb, "Bob", NULL, 0, &error), KB_E_STOPPED);
    assert_non_null(strstr(error.text, "Bob"));
    toy_stop(toy);
    machine_start(&m);
    login(&m, "Ann");
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    assert_int_equal(kb_login(m.kb, "Bob", NULL, 200, &error), KB_E_UNREACHABLE);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 2000);
    machine_again(&m);
    login(&m, "Ann");
    machine_end(&m);
    toy_start(toy);
    toy_free(toy);
}

static void a_sign_in_waits_for_the_server_to_come(void **state)
{
    (void)state;
    struct machine m;
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    toy_stop(toy);
    machine_start(&m);
    wait_until(status_of(&m).code == KB_E_UNREACHABLE);
    toy_start(toy);
    login(&m, "Ann");
    assert_string_equal(status_of(&m).server[0] != '\0' ? "named" : "", "named");
    machine_end(&m);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_machine_registers_users_itself),
        cmocka_unit_test(a_sign_in_that_stopped_half_way_is_finished_by_the_next),
        cmocka_unit_test(a_list_of_users_can_be_stopped),
        cmocka_unit_test(signing_out_hides_and_signing_in_finds_again),
        cmocka_unit_test(groups_are_remembered_with_the_user),
        cmocka_unit_test(too_many_groups_are_refused),
        cmocka_unit_test(only_who_is_kept_signs_in_without_the_server),
        cmocka_unit_test(a_sign_in_waits_for_the_server_to_come),
    };
    return cmocka_run_group_tests_name("client/kb_people", tests, NULL, NULL);
}
