/* tests/client/test_agent.c - frames, the socket's path, and where a request is done. */
#include "tests/client/agent_samples.h"

static void frames_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct unpacked scratch = {0};
    struct agent_frame frame;
    assert_int_equal(agent_frame_read(span_of("\x90", 1), &scratch, &frame), E_MALFORMED);
    assert_int_equal(agent_frame_read(span_of("\x91\x02", 2), &scratch, &frame), E_MALFORMED);
    assert_int_equal(agent_frame_read(span_of("\x92\x01\x05", 3), &scratch, &frame), E_MALFORMED);
    assert_int_equal(agent_frame_read(span_of("\x93\x01\x05\x05", 4), &scratch, &frame),
                     E_MALFORMED);
    assert_int_equal(agent_frame_read(span_of("\xdd\xff\xff\xff\xff", 5), &scratch, &frame),
                     E_MALFORMED);
    assert_int_equal(agent_frame_read(span_of("\x93\x01\x05\xa1x", 5), &scratch, &frame), 0);
    assert_true(frame.end);
    assert_int_equal(frame.code, E_NOT_ALLOWED);
    assert_string_equal(frame.text, "x");
    assert_int_equal(agent_frame_read(span_of("\x92\x00\x05", 3), &scratch, &frame), 0);
    assert_false(frame.end);
    assert_int_equal(walk_u64(&frame.fields), 5);
    unpack_close(&scratch);
}

static void the_socket_lies_in_the_folder(void **state)
{
    (void)state;
    char path[AGENT_SOCKET_MAX + 1];
    struct err err = {0};
    struct kb_options options = {.size = sizeof options, .data_dir = "/var/lib/kitbag"};
    assert_int_equal(agent_socket_path(&options, path, sizeof path, &err), 0);
    assert_string_equal(path, "/var/lib/kitbag/agent.sock");
    options.socket = "/run/kitbag.sock";
    assert_int_equal(agent_socket_path(&options, path, sizeof path, &err), 0);
    assert_string_equal(path, "/run/kitbag.sock");
    char dir[AGENT_SOCKET_MAX];
    memset(dir, 'x', sizeof dir);
    dir[AGENT_SOCKET_MAX - 11] = '\0'; /* with "/agent.sock" as long as it may be */
    options = (struct kb_options){.size = sizeof options, .data_dir = dir};
    assert_int_equal(agent_socket_path(&options, path, sizeof path, &err), 0);
    dir[AGENT_SOCKET_MAX - 11] = 'x';
    dir[AGENT_SOCKET_MAX - 10] = '\0';
    assert_int_equal(agent_socket_path(&options, path, sizeof path, &err), E_INVALID);
    assert_non_null(strstr(err.text, "--socket"));
}

static const char *request(const char *dir, struct answer *answer, bool *by_agent, int expected,
                           const char *text)
{
    struct buf bytes;
    struct err err = {0};
    struct kb_options options = {.size = sizeof options, .data_dir = dir};
    *answer = (struct answer){.code = 1};
    request_of(&bytes, text);
    assert_int_equal(agent_request(&options, buf_span(&bytes), by_agent, take_frame, answer, &err),
                     expected);
    buf_free(&bytes);
    return answer->text;
}

static void a_request_is_done_by_the_agent_or_here(void **state)
{
    (void)state;
    struct machine m;
    struct serving serving;
    struct answer answer;
    bool by_agent = true;
    machine_begin(&m);
    assert_string_equal(request(m.dir, &answer, &by_agent, E_BUSY, "users"), ""); /* it is taken */
    assert_false(by_agent);
    kb_close(&m.kb);
    assert_string_equal(request(m.dir, &answer, &by_agent, 0, "login Ann () #0"), "end 0");
    assert_false(by_agent);
    assert_string_equal(request(m.dir, &answer, &by_agent, 0, "users"), "[Ann,0,0,true] end 0");
    machine_open(&m);
    serving_begin(&serving, &m);
    assert_string_equal(request(m.dir, &answer, &by_agent, 0, "users"), "[Ann,0,0,true] end 0");
    assert_true(by_agent);
    serving_end(&serving);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_make_no_sense_are_refused),
        cmocka_unit_test(the_socket_lies_in_the_folder),
        cmocka_unit_test(a_request_is_done_by_the_agent_or_here),
    };
    return cmocka_run_group_tests_name("client/agent", tests, NULL, NULL);
}
