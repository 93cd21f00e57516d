/* tests/client/test_watch.c - queues of places, and callbacks. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "client/watch.h"
#include "tests/support/fail_alloc.h"

/* What a read gives: the value "v" of any path but "gone". */
static int read_fake(void *context, const struct owner *owner, struct span path, struct buf *value,
                     uint64_t *seq)
{
    (void)owner;
    unsigned *reads = context;
    ++*reads;
    *seq = 7;
    if (span_equal(path, span_str("broken"))) {
        return E_IO;
    }
    return span_equal(path, span_str("gone")) ? E_NOT_FOUND : buf_append(value, "v", 1);
}

struct fixture {
    struct hub *hub;
    unsigned reads;
    struct owner ann, bob;
    struct kb_watch *watch;
    char text[4096];
    size_t calls;
    bool end_it;
    const char *set_again;
};

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    assert_int_equal(owner_make(&f->ann, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(owner_make(&f->bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(hub_new(&f->hub, read_fake, &f->reads, NULL), 0);
}

static void note(void *context, const struct kb_change *change)
{
    struct fixture *f = context;
    f->calls++;
    size_t used = strlen(f->text);
    (void)snprintf(f->text + used, sizeof f->text - used, "%s%s:%s%s%.*s@%d", used > 0 ? " " : "",
                   change->bag, change->item != NULL ? change->item : "?",
                   change->removed ? "!" : "=", (int)change->size,
                   change->bytes != NULL ? (const char *)change->bytes : "", (int)change->seq);
    if (f->end_it) {
        watch_free(f->hub, &f->watch);
    }
    if (f->set_again != NULL) {
        hub_tell(f->hub, &f->ann, span_str(f->set_again), 0);
    }
}

static void watch_ann(struct fixture *f, bool own_fd)
{
    assert_int_equal(watch_new(f->hub, &f->ann, own_fd, note, f, &f->watch, NULL), 0);
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static void tells_places_once_with_the_value_of_now(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, false);
    assert_false(is_readable(hub_fd(f.hub)));
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    hub_tell(f.hub, &f.bob, span_str("a"), 1);
    hub_tell(f.hub, &f.ann, span_str("gone"), 5);
    hub_tell(f.hub, &f.ann, span_str("a"), 2);
    hub_tell(f.hub, &f.ann, span_str("broken"), 3);
    hub_tell(f.hub, &f.ann, (struct span){NULL, 0}, 0);
    assert_true(is_readable(hub_fd(f.hub)));
    assert_int_equal(hub_dispatch(f.hub), 4);
    assert_string_equal(f.text, "user:Ann:a=v@7 user:Ann:gone!@5 user:Ann:?=@3 user:Ann:?=@0");
    assert_false(is_readable(hub_fd(f.hub)));
    assert_int_equal(hub_dispatch(f.hub), 0);
    hub_tell(f.hub, &f.ann, span_str("a"), 3); /* it can wait again */
    assert_int_equal(hub_dispatch(f.hub), 1);
    hub_free(&f.hub);
    assert_null(f.hub);
}

static void all_bags_or_one(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(watch_new(f.hub, NULL, false, note, &f, &f.watch, NULL), 0);
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    hub_tell(f.hub, &f.bob, span_str("a"), 1);
    assert_int_equal(hub_dispatch(f.hub), 2);
    assert_string_equal(f.text, "user:Ann:a=v@7 user:Bob:a=v@7");
    watch_free(f.hub, &f.watch);
    assert_null(f.watch);
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    assert_int_equal(hub_dispatch(f.hub), 0);
    hub_free(&f.hub);
}

static void more_than_fits_is_told_as_read_again(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, false);
    char path[16];
    for (int i = 0; i < WATCH_MAX; i++) {
        (void)snprintf(path, sizeof path, "p%d", i);
        hub_tell(f.hub, &f.ann, span_str(path), 1);
    }
    assert_int_equal(hub_dispatch(f.hub), WATCH_MAX); /* exactly so many fit */
    for (int i = 0; i < WATCH_MAX + 1; i++) {
        (void)snprintf(path, sizeof path, "p%d", i);
        hub_tell(f.hub, &f.ann, span_str(path), 1);
    }
    f.text[0] = '\0';
    f.reads = 0;
    assert_int_equal(hub_dispatch(f.hub), 1);
    assert_string_equal(f.text, "user:Ann:?=@0");
    assert_int_equal(f.reads, 0);
    hub_tell(f.hub, &f.ann, span_str("a"), 1); /* and it goes on */
    assert_int_equal(hub_dispatch(f.hub), 1);
    hub_free(&f.hub);
}

static void all_are_told_to_read_again(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_watch *all = NULL;
    begin(&f);
    assert_int_equal(watch_new(f.hub, NULL, false, note, &f, &all, NULL), 0);
    watch_ann(&f, false);
    hub_tell(f.hub, &f.bob, span_str("a"), 3);
    hub_tell_users(f.hub);
    hub_tell_users(f.hub);
    hub_tell(f.hub, &f.ann, span_str("b"), 4); /* read again anyway */
    assert_int_equal(hub_dispatch(f.hub), 2);
    assert_true(strcmp(f.text, "user:Ann:?=@0 :?=@0") == 0 ||
                strcmp(f.text, ":?=@0 user:Ann:?=@0") == 0);
    assert_int_equal(f.reads, 0);
    hub_tell(f.hub, &f.ann, span_str("b"), 4);
    assert_int_equal(hub_dispatch(f.hub), 2);
    watch_free(f.hub, &all);
    hub_free(&f.hub);
}

/* What is no user's is seen as before, whatever the fleet says of users' items. */
static void groups_are_not_told_to_read_again(void **state)
{
    (void)state;
    struct fixture f;
    struct owner group;
    struct kb_watch *watch = NULL;
    begin(&f);
    assert_int_equal(owner_make(&group, OWNER_GROUP, span_str("staff"), 0, NULL), 0);
    assert_int_equal(watch_new(f.hub, &group, false, note, &f, &watch, NULL), 0);
    hub_tell_users(f.hub);
    assert_int_equal(hub_dispatch(f.hub), 0);
    watch_free(f.hub, &watch);
    hub_free(&f.hub);
}

/* The user's bag is told of what it shows of it. */
static void a_bag_on_a_device_is_told_to_who_names_it(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_watch *all = NULL;
    struct kb_watch *named = NULL;
    struct owner device;
    begin(&f);
    assert_int_equal(owner_make(&device, OWNER_USER_DEVICE, span_str("Ann"), 7, NULL), 0);
    assert_int_equal(watch_new(f.hub, NULL, false, note, &f, &all, NULL), 0);
    assert_int_equal(watch_new(f.hub, &device, false, note, &f, &named, NULL), 0);
    hub_tell(f.hub, &device, span_str("a"), 3);
    assert_int_equal(hub_dispatch(f.hub), 1);
    assert_non_null(strstr(f.text, "user:Ann/device:0000000000000007:a"));
    watch_free(f.hub, &all);
    watch_free(f.hub, &named);
    hub_free(&f.hub);
}

static void without_memory_it_is_read_again_too(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, false);
    fail_alloc_at(1);
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    assert_true(fail_alloc_stop());
    assert_int_equal(hub_dispatch(f.hub), 1);
    assert_string_equal(f.text, "user:Ann:?=@0");
    struct kb_watch *none = NULL;
    for (unsigned nth = 1; nth <= 2; nth++) {
        fail_alloc_at(nth);
        assert_int_equal(watch_new(f.hub, NULL, false, note, &f, &none, NULL), E_NOMEM);
        assert_true(fail_alloc_stop());
        assert_null(none);
    }
    hub_free(&f.hub);
}

static void a_callback_may_end_its_watch(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, false);
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    hub_tell(f.hub, &f.ann, span_str("b"), 1);
    f.end_it = true;
    assert_int_equal(hub_dispatch(f.hub), 1);
    assert_null(f.watch);
    assert_int_equal(hub_dispatch(f.hub), 0);
    hub_free(&f.hub);
}

static void a_callback_that_changes_things_does_not_run_for_ever(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, false);
    f.set_again = "a";
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    int ran = hub_dispatch(f.hub);
    assert_true(ran >= 1 && ran <= 3);
    assert_true(is_readable(hub_fd(f.hub))); /* the rest is for the next time */
    hub_free(&f.hub);
}

static void one_with_its_own_descriptor_runs_apart(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    watch_ann(&f, true);
    hub_tell(f.hub, &f.ann, span_str("a"), 1);
    assert_int_equal(hub_dispatch(f.hub), 0);
    assert_true(is_readable(watch_fd(f.watch)));
    assert_int_equal(watch_dispatch(f.hub, f.watch), 1);
    assert_false(is_readable(watch_fd(f.watch)));
    hub_free(&f.hub);
}

/* --- threads --- */

enum { TELLS = 20000 };

static void tell_all(struct thread *self, void *context)
{
    struct fixture *f = context;
    thread_ready(self, 0, NULL);
    for (int i = 0; i < TELLS; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "p%d", i % 100);
        hub_tell(f->hub, &f->ann, span_str(path), (uint64_t)i);
    }
}

static void count(void *context, const struct kb_change *change)
{
    _Atomic(unsigned) *counted = context;
    assert_non_null(change->bag);
    ++*counted;
}

static void watches_come_and_go_while_others_tell(void **state)
{
    (void)state;
    struct fixture f;
    struct thread *thread = NULL;
    static _Atomic(unsigned) counted;
    begin(&f);
    watch_ann(&f, false);
    assert_int_equal(thread_start(&thread, "teller", tell_all, &f, NULL), 0);
    for (int i = 0; i < 300; i++) {
        struct kb_watch *brief = NULL;
        assert_int_equal(watch_new(f.hub, NULL, i % 2 == 0, count, &counted, &brief, NULL), 0);
        f.text[0] = '\0';
        (void)hub_dispatch(f.hub);
        if (i % 2 == 0) {
            (void)watch_dispatch(f.hub, brief);
        }
        watch_free(f.hub, &brief);
    }
    thread_join(&thread);
    f.text[0] = '\0';
    (void)hub_dispatch(f.hub);
    hub_free(&f.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_places_once_with_the_value_of_now),
        cmocka_unit_test(all_bags_or_one),
        cmocka_unit_test(more_than_fits_is_told_as_read_again),
        cmocka_unit_test(all_are_told_to_read_again),
        cmocka_unit_test(groups_are_not_told_to_read_again),
        cmocka_unit_test(a_bag_on_a_device_is_told_to_who_names_it),
        cmocka_unit_test(without_memory_it_is_read_again_too),
        cmocka_unit_test(a_callback_may_end_its_watch),
        cmocka_unit_test(a_callback_that_changes_things_does_not_run_for_ever),
        cmocka_unit_test(one_with_its_own_descriptor_runs_apart),
        cmocka_unit_test(watches_come_and_go_while_others_tell),
    };
    return cmocka_run_group_tests_name("client/watch", tests, NULL, NULL);
}
