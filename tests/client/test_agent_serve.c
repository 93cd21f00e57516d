/* tests/client/test_agent_serve.c - the agent's socket: many clients, bad ones, stopping. */
#include "tests/client/agent_samples.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/agent_frames.h"

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* On a connection of the test's own; its end's code. */
static int ask_on(int fd, const char *text)
{
    struct buf bytes;
    struct answer answer = {.code = 1};
    request_of(&bytes, text);
    assert_int_equal(agent_frame_send(fd, buf_span(&bytes)), 0);
    buf_free(&bytes);
    buf_init(&bytes, AGENT_FRAME_MAX);
    while (answer.code == 1) {
        assert_int_equal(agent_frame_receive(fd, &bytes), 0);
        assert_int_equal(take_frame(&answer, buf_span(&bytes)), 0);
    }
    buf_free(&bytes);
    return answer.code;
}

static void a_connection_asks_again_and_again(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct stat file;
    machine_begin(&m);
    login(&m, "Ann");
    serving_begin(&serving, &m);
    assert_int_equal(stat(serving.socket, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    int fd = connect_to(serving.socket);
    assert_int_equal(ask_on(fd, "users"), 0);
    assert_int_equal(ask_on(fd, "dance"), E_INVALID);
    assert_int_equal(ask_on(fd, "set user:Ann a !1 ~ #0"), 0);
    assert_int_equal(ask_on(fd, "get user:Ann a"), 0);
    (void)close(fd);
    serving_end(&serving);
    assert_int_not_equal(stat(serving.socket, &file), 0);
    machine_end(&m);
}

static void a_stale_socket_is_replaced(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct answer answer;
    char path[TMP_FOLDER_MAX];
    machine_begin(&m);
    tmp_folder_path(path, m.dir, "agent.sock");
    tmp_folder_write(path, "left by one that was killed");
    serving_begin(&serving, &m);
    assert_string_equal(call(&serving, &answer, "users"), "end 0");
    serving_end(&serving);
    machine_end(&m);
}

static void one_too_many_is_told_busy(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    int fds[AGENT_CLIENTS_MAX];
    struct buf bytes;
    struct answer answer = {.code = 1};
    machine_begin(&m);
    serving_begin(&serving, &m);
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        fds[i] = connect_to(serving.socket);
        assert_int_equal(ask_on(fds[i], "users"), 0); /* then it is silent, and stays */
    }
    int extra = connect_to(serving.socket);
    buf_init(&bytes, AGENT_FRAME_MAX);
    assert_int_equal(agent_frame_receive(extra, &bytes), 0);
    assert_int_equal(take_frame(&answer, buf_span(&bytes)), 0);
    assert_int_equal(answer.code, E_BUSY);
    buf_free(&bytes);
    (void)close(extra);
    (void)close(fds[5]);
    bool served = false;
    while (!served) { /* the place is free when the agent has seen that it was left */
        extra = connect_to(serving.socket);
        request_of(&bytes, "users");
        (void)!agent_frame_send(extra, buf_span(&bytes));
        buf_free(&bytes);
        buf_init(&bytes, AGENT_FRAME_MAX);
        answer = (struct answer){.code = 1};
        assert_int_equal(agent_frame_receive(extra, &bytes), 0);
        assert_int_equal(take_frame(&answer, buf_span(&bytes)), 0);
        served = answer.code == 0;
        buf_free(&bytes);
        (void)close(extra);
    }
    assert_int_equal(ask_on(fds[6], "users"), 0);
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        if (i != 5) {
            (void)close(fds[i]);
        }
    }
    serving_end(&serving);
    machine_end(&m);
}

static void garbage_ends_its_own_connection_only(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct answer answer;
    char byte;
    machine_begin(&m);
    serving_begin(&serving, &m);
    int bad = connect_to(serving.socket);
    assert_int_equal(send(bad, "\xff\xff\xff\xffgarbage", 11, MSG_NOSIGNAL), 11);
    assert_true(recv(bad, &byte, 1, 0) <= 0);
    (void)close(bad);
    int half = connect_to(serving.socket);
    assert_int_equal(send(half, "\0\0\0\x20half", 8, MSG_NOSIGNAL), 8);
    assert_string_equal(call(&serving, &answer, "users"), "end 0"); /* meanwhile */
    int odd = connect_to(serving.socket);
    assert_int_equal(agent_frame_send(odd, span_of("\xdd\xff\xff\xff\xff", 5)), 0);
    assert_int_equal(ask_on(odd, "users"), E_MALFORMED); /* that is the answer to the one before */
    (void)close(odd);
    (void)close(half);
    serving_end(&serving);
    machine_end(&m);
}

static void stopping_ends_those_who_wait_and_watch(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct buf bytes;
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    toy_stop(toy);
    serving_begin(&serving, &m);
    int watching = connect_to(serving.socket);
    int login = connect_to(serving.socket);
    request_of(&bytes, "watch ~");
    assert_int_equal(agent_frame_send(watching, buf_span(&bytes)), 0);
    buf_free(&bytes);
    buf_init(&bytes, AGENT_FRAME_MAX);
    assert_int_equal(agent_frame_receive(watching, &bytes), 0);
    buf_free(&bytes);
    request_of(&bytes, "login Nobody () #60000");
    assert_int_equal(agent_frame_send(login, buf_span(&bytes)), 0);
    buf_free(&bytes);
    struct answer answer;
    (void)call(&serving, &answer, "status"); /* nobody waits for them */
    uint64_t begin_ms = clock_mono_ms(&clock_system);
    serving_end(&serving);
    assert_true(clock_mono_ms(&clock_system) - begin_ms < 3000);
    (void)close(watching);
    (void)close(login);
    machine_end(&m);
    toy_start(toy);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_asks_again_and_again),
        cmocka_unit_test(a_stale_socket_is_replaced),
        cmocka_unit_test(one_too_many_is_told_busy),
        cmocka_unit_test(garbage_ends_its_own_connection_only),
        cmocka_unit_test(stopping_ends_those_who_wait_and_watch),
    };
    return cmocka_run_group_tests_name("client/agent_serve", tests, NULL, NULL);
}
