/* Tests of cli/kitbag_agent.c: a second process meets it, and it stops when it is told. */
#include "tests/cli/run_kitbag.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { WAIT_TRIES = 500, WAIT_MS = 20 };

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    (void)nanosleep(&time, NULL);
}

static pid_t agent_start(const char *level)
{
    pid_t pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)"kitbag", (char *)"--data", ran.data, (char *)"agent"};
        (void)setenv("KITBAG_CLIENT_LOG_LEVEL", level, 1);
        (void)ran_redirect(STDERR_FILENO, "agent.log");
        _exit(command_main(&kitbag_program, 4, argv));
    }
    assert_true(pid > 0);
    return pid;
}

/* Its exit code, or -1 when it was killed because it did not end in time. */
static int agent_end(pid_t pid)
{
    int status = 0;
    for (int i = 0; i < WAIT_TRIES; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        pause_ms(WAIT_MS);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return -1;
}

static void it_serves_and_stops(void **state)
{
    (void)state;
    char socket[TMP_FOLDER_MAX];
    tmp_folder_path(socket, ran.data, "agent.sock");
    pid_t pid = agent_start("info");
    for (int i = 0; i < WAIT_TRIES && access(socket, F_OK) != 0; i++) {
        pause_ms(WAIT_MS);
    }
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    assert_int_equal(run_kitbag("set", "zoe", "a", "1", NULL), 0);
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 0);
    assert_string_equal(ran.out, "1");
    assert_int_equal(run_kitbag("status", "-o", "json", NULL), 0);
    json_t *status = ran_json();
    assert_true(json_is_true(json_object_get(status, "agent")));
    json_decref(status);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(agent_end(pid), 0);
    assert_int_equal(access(socket, F_OK), -1);
    static char log[RUN_TEXT_MAX];
    (void)ran_read("agent.log", log);
    assert_non_null(strstr(log, "agent.ready"));
    assert_non_null(strstr(log, "phase=alone"));
    /* without it the folder is free again, and what it kept is there */
    assert_int_equal(run_kitbag("get", "zoe", "a", NULL), 0);
}

static void a_wrong_log_level_is_told(void **state)
{
    (void)state;
    assert_int_equal(agent_end(agent_start("loud")), 2);
    static char log[RUN_TEXT_MAX];
    (void)ran_read("agent.log", log);
    assert_non_null(strstr(log, "'loud' (KITBAG_CLIENT_LOG_LEVEL)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(it_serves_and_stops),
        KITBAG_TEST(a_wrong_log_level_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
