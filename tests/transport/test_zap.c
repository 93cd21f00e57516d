/* tests/transport/test_zap.c - who may finish the handshake, asked as libzmq asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

#include "transport/zap.h"

enum { FRAMES = 7, REPLY_FRAMES = 6 };

static void *zmq;
static void *asker;
static struct zap zap;
static uint8_t known[KEY_SIZE];

static bool admit(void *context, const uint8_t key[KEY_SIZE])
{
    *(int *)context += 1;
    return memcmp(key, known, KEY_SIZE) == 0;
}

static int asked;

static int setup(void **state)
{
    (void)state;
    asked = 0;
    memset(known, 'K', sizeof known);
    zmq = zmq_ctx_new();
    assert_int_equal(zap_open(&zap, zmq, admit, &asked, NULL), 0);
    asker = zmq_socket(zmq, ZMQ_DEALER);
    int linger = 0;
    assert_int_equal(zmq_setsockopt(asker, ZMQ_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)zmq_close(asker);
    zap_close(&zap);
    (void)zmq_ctx_term(zmq);
    return 0;
}

static struct span sample[FRAMES];

static void make_sample(void)
{
    const struct span frames[FRAMES] = {
        SPAN_LITERAL("1.0"),
        SPAN_LITERAL("\x01"),
        SPAN_LITERAL("kitbag"),
        SPAN_LITERAL("127.0.0.1"),
        {NULL, 0},
        SPAN_LITERAL("CURVE"),
        {known, KEY_SIZE},
    };
    memcpy(sample, frames, sizeof sample);
}

static void ask(const struct span *frames, size_t count)
{
    assert_int_equal(zmq_send(asker, NULL, 0, ZMQ_SNDMORE), 0); /* as REQ does */
    for (size_t i = 0; i < count; i++) {
        int more = i + 1 < count ? ZMQ_SNDMORE : 0;
        assert_int_equal(zmq_send(asker, frames[i].data, frames[i].size, more), frames[i].size);
    }
}

/* Reads one answer; all its frames but those two are what they always are. */
static void expect_answer(const char *status, const char *user)
{
    char frames[REPLY_FRAMES + 1][300];
    int sizes[REPLY_FRAMES + 1];
    for (int i = 0; i <= REPLY_FRAMES; i++) {
        memset(frames[i], 0, sizeof frames[i]);
        sizes[i] = zmq_recv(asker, frames[i], sizeof frames[i] - 1, ZMQ_DONTWAIT);
        assert_true(sizes[i] >= 0);
    }
    int more = 1;
    size_t size = sizeof more;
    assert_int_equal(zmq_getsockopt(asker, ZMQ_RCVMORE, &more, &size), 0);
    assert_int_equal(more, 0);
    assert_int_equal(sizes[0], 0);
    assert_string_equal(frames[1], "1.0");
    assert_string_equal(frames[3], status);
    assert_string_equal(frames[5], user);
    assert_int_equal(sizes[6], 0);
}

static void ask_and_expect(const char *status, const char *user)
{
    ask(sample, FRAMES);
    zap_answer(&zap);
    expect_answer(status, user);
}

static void test_known_key(void **state)
{
    (void)state;
    char user[KEY_Z85_MAX];
    key_z85(known, user);
    make_sample();
    ask_and_expect("200", user);
    assert_int_equal(asked, 1);
}

static void test_unknown_key(void **state)
{
    (void)state;
    uint8_t other[KEY_SIZE] = {1};
    make_sample();
    sample[6].data = other;
    ask_and_expect("400", "");
    assert_int_equal(asked, 1);
}

static void test_many_at_once(void **state)
{
    (void)state;
    char user[KEY_Z85_MAX];
    key_z85(known, user);
    make_sample();
    for (int i = 0; i < 10; i++) {
        ask(sample, FRAMES);
    }
    zap_answer(&zap);
    for (int i = 0; i < 10; i++) {
        expect_answer("200", user);
    }
    zap_answer(&zap); /* nothing waits: nothing happens */
    assert_int_equal(asked, 10);
}

/* What is not a question of CURVE's for our domain is refused unasked. */
static void test_wrong_frames(void **state)
{
    (void)state;
    static const uint8_t large[4096];
    static const struct {
        size_t frame;
        struct span bytes;
        const char *status;
    } cases[] = {
        {0, {(const uint8_t *)"1.1", 3}, "500"},   {0, {NULL, 0}, "500"},
        {0, {large, sizeof large}, "500"},         {1, {large, sizeof large}, "500"},
        {2, {(const uint8_t *)"other", 5}, "400"}, {2, {NULL, 0}, "400"},
        {2, {large, sizeof large}, "400"},         {5, {(const uint8_t *)"NULL", 4}, "400"},
        {5, {(const uint8_t *)"PLAIN", 5}, "400"}, {6, {NULL, 0}, "400"},
        {6, {large, KEY_SIZE - 1}, "400"},         {6, {large, KEY_SIZE + 1}, "400"},
        {6, {large, sizeof large}, "400"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_sample();
        sample[cases[i].frame] = cases[i].bytes;
        ask_and_expect(cases[i].status, "");
    }
    make_sample();
    sample[3] = (struct span){large, sizeof large}; /* an address may be what it likes */
    ask(sample, FRAMES);
    zap_answer(&zap);
    char user[KEY_Z85_MAX];
    key_z85(known, user);
    expect_answer("200", user);
    assert_int_equal(asked, 1);
}

static void test_wrong_number_of_frames(void **state)
{
    (void)state;
    struct span frames[FRAMES + 2];
    make_sample();
    memcpy(frames, sample, sizeof sample);
    frames[FRAMES] = SPAN_LITERAL("more");
    frames[FRAMES + 1] = SPAN_LITERAL("and more");
    for (size_t count = 1; count <= FRAMES + 2; count++) {
        if (count == FRAMES) {
            continue;
        }
        ask(frames, count);
        zap_answer(&zap);
        expect_answer(count < FRAMES - 1 ? "500" : "400", "");
    }
    assert_int_equal(asked, 0);
}

static void test_two_handlers(void **state)
{
    (void)state;
    struct zap second;
    struct err err = {0};
    assert_int_equal(zap_open(&second, zmq, admit, &asked, &err), E_SYSTEM);
    assert_non_null(strstr(err.text, "who may connect"));
    zap_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_number_of_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_handlers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
