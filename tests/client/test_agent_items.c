/* tests/client/test_agent_items.c - the verbs that read, write and watch items. */
#include "tests/client/agent_samples.h"

#include <sys/socket.h>

static void items_are_written_and_read(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    assert_string_equal(ask(&m, &answer, "set user:Ann a !1 ~ #0"), "end -35");
    login(&m, "Ann");
    assert_string_equal(ask(&m, &answer, "set user:Ann a !one ~ #0"), "end 0 [2]");
    assert_string_equal(ask(&m, &answer, "set user:Ann a !two #0 #0"), "end -4");
    assert_string_equal(ask(&m, &answer, "set user:Ann b !two #0 #0"), "end 0 [3]");
    const char *text = ask(&m, &answer, "get user:Ann a");
    assert_int_equal(strncmp(text, "[one,0,", 7), 0);
    assert_string_equal(strrchr(text, ','), ",true] end 0");
    assert_string_equal(ask(&m, &answer, "rm user:Ann a ~ #0"), "end 0 [4]");
    assert_string_equal(ask(&m, &answer, "get user:Ann a"), "end -2");
    text = ask(&m, &answer, "ls user:Ann b");
    assert_int_equal(strncmp(text, "[b,two,0,", 9), 0);
    assert_int_equal(answer.rows, 1);
    assert_string_equal(ask(&m, &answer, "ls user:Ann zz"), "end 0");
    machine_end(&m);
}

static void an_item_is_explained(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    machine_begin(&m);
    login(&m, "Ann");
    assert_string_equal(ask(&m, &answer, "set user:Ann a !one ~ #0"), "end 0 [2]");
    const char *text = ask(&m, &answer, "explain user:Ann a");
    assert_int_equal(strncmp(text, "[1,true,,0,false,0,0,", 21), 0);
    assert_non_null(strstr(text, ",one,nil,nil,nil]"));
    assert_int_equal(answer.rows, 1);
    text = ask(&m, &answer, "explain user:Ann b");
    assert_int_equal(strncmp(text, "[0,false,,0,false,0,0,0,,,", 26), 0);
    assert_string_equal(ask(&m, &answer, "explain user:Bob b"), "end -35");
    assert_string_equal(ask(&m, &answer, "explain user:Ann"), "end -15");
    machine_end(&m);
}

static void a_change_set_is_applied(void **state)
{
    (void)state;
    struct machine m;
    struct buf request;
    struct answer answer = {.code = 1};
    machine_begin(&m);
    login(&m, "Ann");
    (void)set(&m, "user:Ann", "b", "old");
    buf_init(&request, 1000);
    agent_begin(&request, "apply", 4);
    pack_cstr(&request, "user:Ann");
    pack_array(&request, 2);
    pack_array(&request, 2);
    pack_cstr(&request, "a");
    pack_bin(&request, span_str("1"));
    pack_array(&request, 2);
    pack_cstr(&request, "b");
    pack_nil(&request);
    pack_nil(&request);
    pack_u64(&request, 0);
    assert_int_equal(agent_handle(m.kb, buf_span(&request), -1, take_frame, &answer), 0);
    assert_string_equal(answer.text, "end 0 [3]");
    assert_string_equal(get(&m, "user:Ann", "a"), "1*");
    assert_null(get(&m, "user:Ann", "b"));
    buf_free(&request);
    machine_end(&m);
}

static void waiting_tells_the_number_whatever_comes(void **state)
{
    (void)state;
    struct machine m;
    struct answer answer;
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    machine_start(&m);
    login(&m, "Ann");
    assert_string_equal(ask(&m, &answer, "set user:Ann a !1 ~ #8000"), "end 0 [1]");
    assert_string_equal(ask(&m, &answer, "wait #1 #0"), "end 0");
    assert_string_equal(ask(&m, &answer, "wait #99 #0"), "end -2");
    toy_stop(toy);
    assert_string_equal(ask(&m, &answer, "set user:Ann a !2 ~ #50"), "end -7 [2]");
    assert_string_equal(ask(&m, &answer, "wait #2 #300"), "end -7");
    toy_start(toy);
    assert_string_equal(ask(&m, &answer, "wait #2 #9000"), "end 0");
    machine_end(&m);
    toy_free(toy);
}

/* --- watching --- */

struct watching {
    struct machine *m;
    int fds[2];
    struct answer answer;
    atomic_uint frames;
    struct thread *thread;
    const char *text;
};

static int take_watched(void *context, struct span frame)
{
    struct watching *watching = context;
    int rc = take_frame(&watching->answer, frame);
    atomic_fetch_add(&watching->frames, 1);
    return rc;
}

static void watch(struct thread *self, void *context)
{
    struct watching *watching = context;
    struct buf request;
    thread_ready(self, 0, NULL);
    request_of(&request, watching->text);
    assert_int_equal(
        agent_handle(watching->m->kb, buf_span(&request), watching->fds[0], take_watched, watching),
        0);
    buf_free(&request);
}

static void begin_watch(struct watching *watching, struct machine *m, const char *text)
{
    *watching = (struct watching){.m = m, .text = text};
    watching->answer.code = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, watching->fds), 0);
    assert_int_equal(thread_start(&watching->thread, "watch", watch, watching, NULL), 0);
    wait_until(atomic_load(&watching->frames) == 1);
}

static void end_watch(struct watching *watching)
{
    (void)close(watching->fds[1]);
    thread_join(&watching->thread);
    (void)close(watching->fds[0]);
}

static void a_watch_goes_on_until_nobody_listens(void **state)
{
    (void)state;
    struct machine m;
    static struct watching all;
    static struct watching one;
    machine_begin(&m);
    login(&m, "Ann");
    login(&m, "Bob");
    begin_watch(&all, &m, "watch ~");
    begin_watch(&one, &m, "watch user:Bob");
    (void)set(&m, "user:Ann", "a", "1");
    (void)set(&m, "user:Bob", "b", "2");
    wait_until(atomic_load(&all.frames) == 3 && atomic_load(&one.frames) == 2);
    assert_string_equal(all.answer.text,
                        "[,nil,false,nil,0] [user:Ann,a,false,1,0] [user:Bob,b,false,2,0]");
    end_watch(&all);
    end_watch(&one);
    assert_string_equal(one.answer.text, "[,nil,false,nil,0] [user:Bob,b,false,2,0] end 0");
    machine_end(&m);
}

static void a_wait_ends_when_nobody_listens(void **state)
{
    (void)state;
    struct machine m;
    static struct watching waiting;
    struct toy *toy = toy_new();
    machine_begin(&m);
    machine_join(&m, toy);
    toy_stop(toy);
    struct replica_bag bag = {.bag_id = 40, .cursor = 40, .complete = true, .keep = true};
    assert_int_equal(owner_make(&bag.owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_add(m.kb->replica, &bag, NULL), 0);
    (void)set(&m, "user:Ann", "a", "1");
    waiting = (struct watching){.m = &m, .text = "wait #1 #60000"};
    waiting.answer.code = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, waiting.fds), 0);
    assert_int_equal(thread_start(&waiting.thread, "wait", watch, &waiting, NULL), 0);
    end_watch(&waiting); /* within a moment, not a minute */
    assert_int_equal(waiting.answer.code, E_TIMEOUT);
    machine_end(&m);
    toy_start(toy);
    toy_free(toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_written_and_read),
        cmocka_unit_test(an_item_is_explained),
        cmocka_unit_test(a_change_set_is_applied),
        cmocka_unit_test(waiting_tells_the_number_whatever_comes),
        cmocka_unit_test(a_watch_goes_on_until_nobody_listens),
        cmocka_unit_test(a_wait_ends_when_nobody_listens),
    };
    return cmocka_run_group_tests_name("client/agent_items", tests, NULL, NULL);
}
