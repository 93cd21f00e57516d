/* tests/client/test_agent_call.c - asking by a socket, and agents that do not behave. */
#include "tests/client/agent_samples.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int ask_at(const char *socket, struct err *err)
{
    struct buf request;
    struct answer answer = {.code = 1};
    request_of(&request, "users");
    int rc = agent_call(socket, buf_span(&request), take_frame, &answer, err);
    buf_free(&request);
    return rc;
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    char long_path[300];
    struct err err = {0};
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "agent.sock");
    assert_int_equal(ask_at(path, &err), E_UNREACHABLE);
    assert_non_null(strstr(err.text, path));
    tmp_folder_write(path, "no socket");
    assert_int_equal(ask_at(path, &err), E_UNREACHABLE);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(ask_at(long_path, &err), E_INVALID);
    tmp_folder_remove(folder);
}

/* --- one that answers as it is told --- */

struct odd {
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    int fd;
    const char *bytes;
    size_t size;
    struct thread *thread;
};

static void answer_oddly(struct thread *self, void *context)
{
    struct odd *odd = context;
    char request[1000];
    thread_ready(self, 0, NULL);
    int fd = accept(odd->fd, NULL, NULL);
    assert_true(fd >= 0);
    assert_true(read(fd, request, sizeof request) > 0);
    if (odd->size > 0) {
        assert_int_equal(write(fd, odd->bytes, odd->size), (ssize_t)odd->size);
    }
    (void)close(fd);
}

static int ask_odd(const char *bytes, size_t size, struct err *err)
{
    static struct odd odd;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    odd = (struct odd){.bytes = bytes, .size = size};
    tmp_folder_make(odd.folder);
    tmp_folder_path(odd.path, odd.folder, "s");
    assert_true(strlen(odd.path) < sizeof address.sun_path);
    memcpy(address.sun_path, odd.path, strlen(odd.path));
    odd.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(odd.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(odd.fd, 1), 0);
    assert_int_equal(thread_start(&odd.thread, "odd", answer_oddly, &odd, NULL), 0);
    int rc = ask_at(odd.path, err);
    thread_join(&odd.thread);
    (void)close(odd.fd);
    tmp_folder_remove(odd.folder);
    return rc;
}

static void an_agent_that_goes_away_or_talks_nonsense(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(ask_odd("", 0, &err), E_IO);
    assert_non_null(strstr(err.text, "went away"));
    assert_int_equal(ask_odd("\0\0\0\x09", 4, &err), E_IO);
    assert_int_equal(ask_odd("\0\0\0\x02\x91\x00", 6, &err), E_IO); /* a row, and no end */
    assert_int_equal(ask_odd("\xff\0\0\0", 4, &err), E_TOO_LARGE);
    assert_int_equal(ask_odd("\0\0\0\x01\x05", 5, &err), E_MALFORMED);
    assert_int_equal(ask_odd("\0\0\0\x04\x93\x01\x00\xa0", 8, &err), 0);
}

static void what_the_caller_says_ends_it(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct buf request;
    struct answer answer = {.code = 1, .stop_after = 1};
    struct err err = {0};
    machine_begin(&m);
    login(&m, "Ann");
    login(&m, "Bob");
    serving_begin(&serving, &m);
    request_of(&request, "users");
    assert_int_equal(agent_call(serving.socket, buf_span(&request), take_frame, &answer, &err), 77);
    assert_int_equal(answer.rows, 1);
    buf_free(&request);
    serving_end(&serving);
    machine_end(&m);
}

static void a_request_that_is_too_large_is_not_sent(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct answer answer = {.code = 1};
    struct err err = {0};
    machine_begin(&m);
    serving_begin(&serving, &m);
    char *large = calloc(1, AGENT_FRAME_MAX + 1);
    assert_non_null(large);
    assert_int_equal(
        agent_call(serving.socket, span_of(large, AGENT_FRAME_MAX + 1), take_frame, &answer, &err),
        E_TOO_LARGE);
    free(large);
    serving_end(&serving);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(an_agent_that_goes_away_or_talks_nonsense),
        cmocka_unit_test(what_the_caller_says_ends_it),
        cmocka_unit_test(a_request_that_is_too_large_is_not_sent),
    };
    return cmocka_run_group_tests_name("client/agent_call", tests, NULL, NULL);
}
