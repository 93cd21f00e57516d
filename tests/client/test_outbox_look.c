/* tests/client/test_outbox_look.c - reading the outbox. */
#include "tests/client/outbox_samples.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

static int list_item(void *context, struct span path, const struct span *value, uint64_t time_ms,
                     struct err *err)
{
    (void)err;
    struct buf *out = context;
    assert_int_equal(time_ms, 1234);
    (void)buf_printf(out, "%s%.*s=%.*s", out->size > 0 ? " " : "", (int)path.size,
                     (const char *)path.data, value != NULL ? (int)value->size : 1,
                     value != NULL ? (const char *)value->data : "!");
    return 0;
}

static void lists_the_newest_of_each_item(void **state)
{
    (void)state;
    struct box box;
    struct buf out;
    box_begin(&box);
    struct owner bob;
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    (void)add(&box, "copy/b", "1");
    (void)add(&box, "copy/a", "1");
    (void)add(&box, "copy/b", "2");
    (void)add(&box, "z", NULL);
    (void)add_to(&box, (struct outbox_target){.owner = &bob, .bag_id = 50}, "copy/c", "x");
    buf_init(&out, 1000);
    assert_int_equal(outbox_items(box.outbox, &box.ann, span_str("copy/"), list_item, &out, NULL),
                     0);
    assert_true(span_equal(buf_span(&out), span_str("copy/a=1 copy/b=2")));
    buf_reset(&out);
    assert_int_equal(outbox_items(box.outbox, &box.ann, span_str(""), list_item, &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), span_str("copy/a=1 copy/b=2 z=!")));
    buf_free(&out);
    box_end(&box);
}

static int list_entry(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    struct buf *out = context;
    (void)buf_printf(out, "%llu:%s:%.*s:%zu:%d:%s ", (unsigned long long)entry->id,
                     entry->owner->shown, (int)entry->first_path.size,
                     (const char *)entry->first_path.data, entry->items, entry->code, entry->text);
    return entry->id == 4 ? 17 : 0;
}

static void lists_operations_by_state(void **state)
{
    (void)state;
    struct box box;
    struct buf out;
    box_begin(&box);
    for (int i = 0; i < 5; i++) {
        (void)add(&box, "a", "1");
    }
    uint32_t count = 0;
    buf_init(&out, 1000);
    assert_int_equal(outbox_read(box.outbox, 1, 2, 1000, &out, &count, NULL), 0);
    buf_free(&out);
    answer(&box, 1, E_QUOTA, 0);
    answer(&box, 2, 0, 102);
    buf_init(&out, 1000);
    assert_int_equal(outbox_each(box.outbox, OUTBOX_REFUSED, list_entry, &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), span_str("1:Ann:a:1:-38:because ")));
    buf_reset(&out);
    assert_int_equal(outbox_each(box.outbox, OUTBOX_ACKED, list_entry, &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), span_str("2:Ann:a:1:0: ")));
    buf_reset(&out);
    assert_int_equal(outbox_each(box.outbox, OUTBOX_PENDING, list_entry, &out, NULL), 17);
    assert_true(span_equal(buf_span(&out), span_str("3:Ann:a:1:0: 4:Ann:a:1:0: ")));
    buf_free(&out);
    box_end(&box);
}

struct waiting {
    struct outbox *outbox;
    int rc;
};

static void wait_long(struct thread *self, void *context)
{
    struct waiting *waiting = context;
    thread_ready(self, 0, NULL);
    waiting->rc = outbox_wait(waiting->outbox, 1, 20000, NULL);
}

static void waiting_ends_with_the_answer(void **state)
{
    (void)state;
    struct box box;
    struct thread *thread = NULL;
    struct err err = {0};
    box_begin(&box);
    (void)add(&box, "a", "1");
    assert_int_equal(outbox_wait(box.outbox, 2, 0, NULL), E_NOT_FOUND);
    assert_int_equal(outbox_wait(box.outbox, 0, 0, NULL), E_NOT_FOUND);
    uint64_t begin = clock_mono_ns();
    assert_int_equal(outbox_wait(box.outbox, 1, 30, &err), E_TIMEOUT);
    assert_true(clock_mono_ns() - begin >= 29000000);
    struct waiting waiting = {.outbox = box.outbox, .rc = 99};
    assert_int_equal(thread_start(&thread, "waits", wait_long, &waiting, NULL), 0);
    answer(&box, 1, E_CONDITION, 0);
    thread_join(&thread);
    assert_int_equal(waiting.rc, E_CONDITION);
    assert_int_equal(outbox_wait(box.outbox, 1, 0, &err), E_CONDITION);
    assert_string_equal(err.text, "because");
    box_end(&box);
}

static void waiting_ends_when_it_is_closed(void **state)
{
    (void)state;
    struct box box;
    struct thread *thread = NULL;
    box_begin(&box);
    (void)add(&box, "a", "1");
    struct waiting waiting = {.outbox = box.outbox, .rc = 99};
    assert_int_equal(thread_start(&thread, "waits", wait_long, &waiting, NULL), 0);
    outbox_wake_all(box.outbox);
    thread_join(&thread);
    assert_int_equal(waiting.rc, E_CLOSED);
    box_end(&box);
}

static void verifying_finds_what_opening_would(void **state)
{
    (void)state;
    struct box box;
    uint64_t batches = 0;
    struct err err = {0};
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    assert_int_equal(outbox_verify(box.outbox, &batches, &err), 0);
    assert_int_equal(batches, 3); /* the state, and two writes */
    off_t at = segment_end(box.outbox->segment) - SEGMENT_SECTOR + 100;
    int fd = open(box.outbox->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    uint8_t byte = 0;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 8;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
    assert_int_equal(outbox_verify(box.outbox, &batches, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "outbox.seg"));
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_the_newest_of_each_item),
        cmocka_unit_test(lists_operations_by_state),
        cmocka_unit_test(waiting_ends_with_the_answer),
        cmocka_unit_test(waiting_ends_when_it_is_closed),
        cmocka_unit_test(verifying_finds_what_opening_would),
    };
    return cmocka_run_group_tests_name("client/outbox_look", tests, NULL, NULL);
}
