/* Tests of cli/ctl_import.c: which file, which format, and what came of it. */
#include "tests/cli/run_ctl.h"

#define REPORT(registered, items, unchanged, others, failed, count)                                \
    "{\"dry_run\":false,\"registered\":" registered ",\"items\":" items                            \
    ",\"unchanged\":" unchanged ",\"others\":" others ",\"failed\":[" failed                       \
    "],\"failed_count\":" count "}"

static char file[TMP_FOLDER_MAX];

static void make_file(const char *name)
{
    tmp_folder_path(file, ctl.folder, name);
    tmp_folder_write(file, "dn: a\nuid: ann\n");
}

static void people_are_sent_and_counted(void **state)
{
    (void)state;
    make_file("people");
    ctl_answers(REPORT("2", "6", "1", "3", "", "0"), NULL);
    assert_int_equal(run_ctl("import", "people", file, "--format", "ldif", "--colleagues", NULL),
                     0);
    assert_string_equal(ctl.out, "Registered:    2\nAddresses:     6\nUnchanged:     1\n"
                                 "Other entries: 3\nLeft out:      0\n");
    assert_asked("POST /api/v1/owners/import?dry_run=0&colleagues=1&format=ldif HTTP");
    assert_asked("\r\n\r\ndn: a\nuid: ann\n");
}

static void the_format_may_be_in_the_name(void **state)
{
    (void)state;
    make_file("people.ldif");
    ctl_answers(REPORT("1", "0", "0", "0", "", "0"), NULL);
    assert_int_equal(run_ctl("import", "people", file, "--dry-run", "-o", "json", NULL), 0);
    assert_asked("?dry_run=1&format=ldif HTTP");
    json_t *report = json_loads(ctl.out, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(report, "registered")), 1);
    json_decref(report);
    static const char *const known[][2] = {{"people.CSV", "&format=csv HTTP"},
                                           {"people.vcf", "&format=vcard HTTP"},
                                           {"people.vcard", "&format=vcard HTTP"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        make_file(known[i][0]);
        ctl_answers(REPORT("1", "0", "0", "0", "", "0"), NULL);
        assert_int_equal(run_ctl("import", "people", file, NULL), 0);
        assert_asked(known[i][1]);
    }
    make_file("people.xls");
    assert_int_equal(run_ctl("import", "people", file, NULL), 2);
    assert_said("people.xls' is: --format ldif, csv or vcard");
    assert_int_equal(run_ctl("import", "people", file, "--format", "xls", NULL), 2);
    assert_said("--format takes ldif, csv or vcard, not 'xls'");
}

static void a_file_may_come_from_standard_input(void **state)
{
    (void)state;
    make_file("stdin");
    ctl_answers(REPORT("1", "0", "0", "0", "", "0"), NULL);
    assert_int_equal(run_ctl("import", "people", "-", "--format", "ldif", NULL), 0);
    assert_asked("\r\n\r\ndn: a\nuid: ann\n");
}

static void a_file_that_is_not_there_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_ctl("import", "people", "/nowhere.ldif", NULL), 3);
    assert_said("open '/nowhere.ldif': No such file or directory");
}

static void what_is_left_out_is_told_by_line(void **state)
{
    (void)state;
    make_file("people.ldif");
    ctl_answers(REPORT("1", "0", "0", "0", "{\"line\":7,\"reason\":\"no name\"}", "3"),
                REPORT("0", "0", "0", "0", "{\"line\":7,\"reason\":\"no name\"}", "1"),
                REPORT("0", "0", "0", "4", "", "0"), NULL);
    assert_int_equal(run_ctl("import", "people", file, NULL), 7);
    assert_printed("Registered:    1\n");
    assert_said("line 7: no name\nand 2 more\nkitbagctl: 3 entries were left out\n");
    assert_int_equal(run_ctl("import", "people", file, NULL), 1);
    assert_said("holds no person that could be taken over");
    assert_int_equal(run_ctl("import", "people", file, NULL), 3);
    assert_said("people.ldif' holds no person\n");
}

static void addresses_go_into_one_list(void **state)
{
    (void)state;
    make_file("partners.ldif");
    ctl_answers(REPORT("0", "2", "0", "0", "", "0"), REPORT("0", "2", "0", "0", "", "0"), NULL);
    assert_int_equal(
        run_ctl("import", "addresses", file, "--into", "group:A B", "--format", "ldif", NULL), 0);
    assert_asked("POST /api/v1/owners/group/A%20B/address-list?dry_run=0&format=ldif HTTP");
    assert_int_equal(run_ctl("import", "addresses", file, "--into", "user:zoe", NULL), 0);
    assert_asked("POST /api/v1/owners/user/zoe/address-list?dry_run=0&format=ldif HTTP");
    assert_int_equal(run_ctl("import", "addresses", file, NULL), 2);
    assert_said("say whose address list it is: --into user:NAME or group:ID");
    assert_int_equal(run_ctl("import", "addresses", file, "--into", "fleet", NULL), 2);
    assert_said("--into takes user:NAME or group:ID, not 'fleet'");
    assert_int_equal(run_ctl("import", "addresses", file, "--into", "zoe", NULL), 2);
}

static void a_refusal_of_the_server_is_told(void **state)
{
    (void)state;
    make_file("people.ldif");
    ctl_answers("503 {\"code\":\"read_only\",\"detail\":\"after 3 users: it takes no writes\"}",
                NULL);
    assert_int_equal(run_ctl("import", "people", file, NULL), 1);
    assert_said("kitbagctl: after 3 users: it takes no writes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(people_are_sent_and_counted),         CTL_TEST(the_format_may_be_in_the_name),
        CTL_TEST(a_file_may_come_from_standard_input), CTL_TEST(a_file_that_is_not_there_is_told),
        CTL_TEST(what_is_left_out_is_told_by_line),    CTL_TEST(addresses_go_into_one_list),
        CTL_TEST(a_refusal_of_the_server_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
