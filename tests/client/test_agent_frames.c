/* tests/client/test_agent_frames.c - frames on a stream: whole, in pieces, too large, cut short. */
#include "client/agent_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread.h"

static void make_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void frames_follow_each_other(void **state)
{
    (void)state;
    int fds[2];
    struct buf in;
    make_pair(fds);
    buf_init(&in, AGENT_FRAME_MAX);
    assert_int_equal(agent_frame_send(fds[0], span_str("one")), 0);
    assert_int_equal(agent_frame_send(fds[0], (struct span){NULL, 0}), 0);
    assert_int_equal(agent_frame_send(fds[0], span_str("three")), 0);
    assert_int_equal(agent_frame_receive(fds[1], &in), 0);
    assert_true(span_equal(buf_span(&in), span_str("one")));
    assert_int_equal(agent_frame_receive(fds[1], &in), 0);
    assert_int_equal(in.size, 0);
    assert_int_equal(agent_frame_receive(fds[1], &in), 0);
    assert_true(span_equal(buf_span(&in), span_str("three")));
    (void)close(fds[0]);
    assert_int_equal(agent_frame_receive(fds[1], &in), E_CLOSED);
    assert_int_equal(agent_frame_send(fds[1], span_str("late")), E_IO);
    (void)close(fds[1]);
    buf_free(&in);
}

static void what_is_cut_short_is_told_apart(void **state)
{
    (void)state;
    struct buf in;
    buf_init(&in, AGENT_FRAME_MAX);
    for (size_t size = 1; size < 9; size++) {
        int fds[2];
        make_pair(fds);
        assert_int_equal(write(fds[0],
                               "\0\0\0\x05"
                               "12345",
                               size),
                         (ssize_t)size);
        (void)close(fds[0]);
        assert_int_equal(agent_frame_receive(fds[1], &in), E_IO);
        (void)close(fds[1]);
    }
    buf_free(&in);
}

static void too_large_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    int fds[2];
    struct buf in;
    make_pair(fds);
    buf_init(&in, AGENT_FRAME_MAX);
    assert_int_equal(write(fds[0], "\xff\xff\xff\xff", 4), 4);
    assert_int_equal(agent_frame_receive(fds[1], &in), E_TOO_LARGE);
    assert_int_equal(in.capacity, 0);
    assert_int_equal(agent_frame_send(fds[0], span_of("", (size_t)AGENT_FRAME_MAX + 1)),
                     E_TOO_LARGE);
    (void)close(fds[0]);
    (void)close(fds[1]);
    buf_free(&in);
}

static void receive_large(struct thread *self, void *context)
{
    const int *fd = context;
    struct buf in;
    thread_ready(self, 0, NULL);
    buf_init(&in, AGENT_FRAME_MAX);
    assert_int_equal(agent_frame_receive(*fd, &in), 0);
    assert_int_equal(in.size, AGENT_FRAME_MAX);
    assert_int_equal(in.data[AGENT_FRAME_MAX - 1], 'x');
    buf_free(&in);
}

static void the_largest_goes_through_in_pieces(void **state)
{
    (void)state;
    int fds[2];
    struct thread *thread = NULL;
    make_pair(fds);
    char *large = malloc(AGENT_FRAME_MAX);
    assert_non_null(large);
    memset(large, 'x', AGENT_FRAME_MAX);
    assert_int_equal(thread_start(&thread, "receive", receive_large, &fds[1], NULL), 0);
    assert_int_equal(agent_frame_send(fds[0], span_of(large, AGENT_FRAME_MAX)), 0);
    thread_join(&thread);
    free(large);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void the_sockets_time_ends_a_frame_that_does_not_come(void **state)
{
    (void)state;
    int fds[2];
    struct buf in;
    const struct timeval time = {.tv_usec = 20000};
    make_pair(fds);
    buf_init(&in, AGENT_FRAME_MAX);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), 0);
    assert_int_equal(write(fds[0], "\0\0", 2), 2);
    assert_int_equal(agent_frame_receive(fds[1], &in), E_IO);
    (void)close(fds[0]);
    (void)close(fds[1]);
    buf_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_follow_each_other),
        cmocka_unit_test(what_is_cut_short_is_told_apart),
        cmocka_unit_test(too_large_is_refused_before_memory_is_taken),
        cmocka_unit_test(the_largest_goes_through_in_pieces),
        cmocka_unit_test(the_sockets_time_ends_a_frame_that_does_not_come),
    };
    return cmocka_run_group_tests_name("client/agent_frames", tests, NULL, NULL);
}
