/* Tests of cli/kitbag_doctor.c on machines that are not well. */
#include "tests/cli/joined.h"

#include <sys/stat.h>

/* The doctor prints its findings although it fails: run_kitbag would call that a mistake. */
static int doctor(void)
{
    char *argv[] = {(char *)"kitbag", (char *)"--data", ran.data, (char *)"doctor"};
    (void)fflush(NULL);
    int saved_out = ran_redirect(STDOUT_FILENO, "stdout");
    int saved_err = ran_redirect(STDERR_FILENO, "stderr");
    int code = command_main(&kitbag_program, 4, argv);
    (void)fflush(NULL);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0 && dup2(saved_err, STDERR_FILENO) >= 0);
    (void)close(saved_out);
    (void)close(saved_err);
    (void)ran_read("stdout", ran.out);
    (void)ran_read("stderr", ran.err);
    return code;
}

static void a_folder_that_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(doctor(), 1);
    assert_non_null(strstr(ran.out, "NOT SO the data folder"));
    assert_non_null(strstr(ran.out, "kitbag join TOKEN"));
    assert_int_equal(access(ran.data, F_OK), -1); /* looking made nothing */
}

static void a_machine_that_never_joined(void **state)
{
    (void)state;
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(chmod(ran.data, 0755), 0);
    assert_int_equal(doctor(), 1);
    assert_non_null(strstr(ran.out, "NOT SO the data folder"));
    assert_non_null(strstr(ran.out, "chmod 700"));
    assert_non_null(strstr(ran.out, "NOT SO an agent runs here"));
    assert_non_null(strstr(ran.out, "NOT SO this machine has joined"));
    assert_non_null(strstr(ran.out, "ok     every record kept here is whole"));
}

static void what_was_healed_is_told_and_is_no_fault(void **state)
{
    (void)state;
    make_joined();
    assert_int_equal(doctor(), 1); /* no agent, no server */
    assert_non_null(strstr(ran.out, "ok     this machine has joined"));
    assert_non_null(strstr(ran.out, "ok     2 times a bag differed and was fetched anew"));
    assert_null(strstr(ran.out, "copy of the server's journal"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(a_folder_that_is_not_there),
        KITBAG_TEST(a_machine_that_never_joined),
        KITBAG_TEST(what_was_healed_is_told_and_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
