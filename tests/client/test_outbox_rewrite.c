/* tests/client/test_outbox_rewrite.c - the file made small, and new writers. */
#include "tests/client/outbox_samples.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void rewrite(struct box *box)
{
    (void)pthread_mutex_lock(&box->outbox->lock);
    box->outbox->rewrite = true;
    outbox_record_sending(false, box->outbox->sent_max,
                          outbox_queue_begin(box->outbox, OUTBOX_RECORD_EXTRA));
    int rc = outbox_commit(box->outbox, outbox_queue_end(box->outbox), NULL);
    (void)pthread_mutex_unlock(&box->outbox->lock);
    assert_int_equal(rc, 0);
}

static off_t file_size(struct box *box)
{
    struct stat file;
    assert_int_equal(stat(box->outbox->path, &file), 0);
    return file.st_size;
}

/* One of each: acked and visible, refused, pending, dropped, answered but not confirmed. */
static void all_states_survive(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    (void)add(&box, "a", "1");
    (void)add(&box, "b", "2");
    (void)add(&box, "c", "3");
    (void)add(&box, "d", "4");
    (void)add(&box, "e", "5");
    assert_int_equal(outbox_drop(box.outbox, 4, NULL), 0);
    struct buf out;
    uint32_t count = 0;
    buf_init(&out, 1000);
    assert_int_equal(outbox_read(box.outbox, 1, 3, 1000, &out, &count, NULL), 0);
    buf_free(&out);
    answer(&box, 1, 0, 101);
    answer(&box, 2, E_QUOTA, 0);
    assert_int_equal(outbox_flush(box.outbox, NULL), 0);
    answer(&box, 3, 0, 103);
    uint64_t writer = outbox_writer(box.outbox);
    for (int round = 0; round < 4; round++) {
        assert_string_equal(look(&box, "a"), "1");
        assert_null(look(&box, "b"));
        assert_string_equal(look(&box, "c"), "3");
        assert_null(look(&box, "d"));
        assert_string_equal(look(&box, "e"), "5");
        assert_counts(&box, 2, 1);
        assert_int_equal(outbox_writer(box.outbox), writer);
        assert_int_equal(outbox_wait(box.outbox, 2, 0, NULL), E_QUOTA);
        assert_sends(&box, 4, "4:empty 5:bag40 e=5");
        assert_int_equal(outbox_confirmed(box.outbox), round == 0 ? 2 : 3);
        if (round % 2 == 0) {
            rewrite(&box);
        }
        box_crash(&box);
    }
    assert_int_equal(add(&box, "f", "6"), 6);
    assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 103, NULL, NULL), 0);
    assert_null(look(&box, "a"));
    box_end(&box);
}

static void a_full_file_is_made_anew_and_stays_small(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    static char big[100000];
    memset(big, 'x', sizeof big - 1);
    off_t size = file_size(&box);
    for (uint64_t i = 1; i <= 200; i++) { /* 20 MB through a file of 4 */
        (void)add(&box, "big", big);
        struct buf out;
        uint32_t count = 0;
        buf_init(&out, 1 << 20);
        assert_int_equal(outbox_read(box.outbox, i, 1, 1, &out, &count, NULL), 0);
        buf_free(&out);
        answer(&box, i, 0, 100 + i);
        assert_int_equal(outbox_passed(box.outbox, ANN_BAG, 99 + i, NULL, NULL), 0);
    }
    assert_true(file_size(&box) <= size + 1000000);
    box_crash(&box);
    assert_int_equal(outbox_last(box.outbox), 200);
    assert_true(outbox_confirmed(box.outbox) >= 199);
    bool removed = true;
    uint64_t time_ms = 0;
    assert_int_equal(outbox_lookup(box.outbox, &box.ann, span_str("big"), NULL, &removed, &time_ms),
                     0);
    assert_false(removed);
    box_end(&box);
}

static void it_grows_with_what_waits(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 30; i++) {
        char path[16];
        (void)snprintf(path, sizeof path, "big/%d", i);
        (void)add(&box, path, big);
    }
    assert_true(file_size(&box) > 6000000);
    box_crash(&box);
    assert_counts(&box, 30, 0);
    box_end(&box);
}

static void a_machine_that_never_joined_keeps_live_items_only(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    outbox_set_alone(box.outbox, true);
    uint64_t create = 0;
    assert_int_equal(outbox_create(box.outbox, &box.ann, 1234, &create, NULL), 0);
    struct outbox_target target = {.owner = &box.ann, .made_by = create};
    struct operation_write set[] = {write_of("a", "1"), write_of("b", "1"), write_of("c", "1")};
    assert_int_equal(outbox_write(box.outbox, &target, set, 3, 1234, NULL, NULL), 0);
    (void)add_to(&box, target, "d", "1");
    (void)add_to(&box, target, "a", "2");
    (void)add_to(&box, target, "d", NULL);
    (void)add_to(&box, target, "a", "3");
    (void)add_to(&box, target, "e", "1");
    rewrite(&box);
    for (int round = 0; round < 2; round++) {
        assert_string_equal(look(&box, "a"), "3");
        assert_string_equal(look(&box, "b"), "1");
        assert_null(look(&box, "d")); /* removed: no server has it */
        assert_counts(&box, 4, 0);
        box_crash(&box);
        outbox_set_alone(box.outbox, true);
    }
    uint64_t next = add_to(&box, target, "f", "1");
    assert_int_equal(next, 8); /* ids are for good */
    outbox_set_alone(box.outbox, false);
    assert_sends(&box, 1, "1:create Ann 2:by1 b=1,c=1 3:by1 a=3 4:by1 e=1 5:by1 f=1");
    box_end(&box);
}

static void years_of_writes_alone_stay_bounded(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    outbox_set_alone(box.outbox, true);
    uint64_t create = 0;
    assert_int_equal(outbox_create(box.outbox, &box.ann, 1234, &create, NULL), 0);
    struct outbox_target target = {.owner = &box.ann, .made_by = create};
    static char big[20000];
    memset(big, 'x', sizeof big - 1);
    off_t size = file_size(&box);
    for (int i = 0; i < 1500; i++) { /* 30 MB, and the outbox may hold 8 */
        char path[16];
        (void)snprintf(path, sizeof path, "item/%d", i % 20);
        (void)add_to(&box, target, path, big);
    }
    assert_true(file_size(&box) <= 2 * size);
    box_crash(&box);
    uint64_t pending = 0;
    uint64_t refused = 0;
    outbox_counts(box.outbox, &pending, &refused);
    assert_true(pending < 400);
    box_end(&box);
}

/* Half of what the outbox may hold is live, so that it is full before its file is. */
static void what_was_replaced_alone_is_not_in_the_way(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    outbox_set_alone(box.outbox, true);
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    char path[16];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(path, sizeof path, "item/%d", i % 20);
        (void)add(&box, path, big);
    }
    struct operation_write write = write_of(path, big);
    struct outbox_target target = to_ann(&box);
    int rc = 0;
    for (int i = 0; i < 30 && rc == 0; i++) { /* and all of it can't be live */
        (void)snprintf(path, sizeof path, "more/%d", i);
        write.path = span_str(path);
        rc = outbox_write(box.outbox, &target, &write, 1, 1234, NULL, NULL);
    }
    assert_int_equal(rc, E_QUOTA);
    box_end(&box);
}

static void a_new_writer_numbers_what_waits_from_one(void **state)
{
    (void)state;
    struct box box;
    box_begin(&box);
    uint64_t made = 0;
    uint64_t met = 0;
    struct owner bob;
    struct owner cy;
    uint64_t open = 0;
    assert_int_equal(owner_make(&bob, OWNER_USER, span_str("Bob"), 0, NULL), 0);
    assert_int_equal(owner_make(&cy, OWNER_GROUP, span_str("Cy"), 0, NULL), 0);
    assert_int_equal(outbox_create(box.outbox, &box.ann, 1234, &made, NULL), 0);
    assert_int_equal(outbox_create(box.outbox, &bob, 1234, &met, NULL), 0);
    assert_int_equal(outbox_create(box.outbox, &cy, 1234, &open, NULL), 0);
    struct outbox_target to_bob = {.owner = &bob, .made_by = met};
    struct outbox_target to_cy = {.owner = &cy, .made_by = open};
    (void)add_to(&box, (struct outbox_target){.owner = &box.ann, .made_by = made}, "a", "1");
    (void)add_to(&box, to_bob, "b", "1");
    (void)add_to(&box, to_cy, "c", "1");
    (void)add(&box, "d", "1");
    assert_sends(&box, 1,
                 "1:create Ann 2:create Bob 3:create Cy 4:by1 a=1 5:by2 b=1 6:by3 c=1 7:bag40 d=1");
    answer(&box, 1, 0, 77);
    answer(&box, 2, E_BAG_EXISTS, 78);
    uint64_t writer = outbox_writer(box.outbox);
    assert_int_equal(outbox_renumber(box.outbox, NULL), 0);
    assert_true(outbox_writer(box.outbox) != writer);
    writer = outbox_writer(box.outbox);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(outbox_writer(box.outbox), writer);
        assert_int_equal(outbox_confirmed(box.outbox), 0);
        assert_sends(&box, 1, "1:create Cy 2:bag77 a=1 3:by1 c=1 4:bag40 d=1");
        assert_counts(&box, 4, 1);
        assert_int_equal(outbox_wait(box.outbox, 5, 0, NULL), E_BAG_EXISTS);
        assert_string_equal(look(&box, "a"), "1");
        box_crash(&box);
    }
    answer(&box, 1, 0, 79);
    answer(&box, 2, 0, 80);
    assert_int_equal(outbox_wait(box.outbox, 4, 0, NULL), 0);
    assert_int_equal(outbox_wait(box.outbox, 7, 0, NULL), E_TIMEOUT);
    box_end(&box);
}

/* --- a disk that has no room, or fails --- */

struct faulty {
    struct disk disk;
    int error;      /* of pwrite, 0: none */
    int sync_error; /* of fdatasync */
};

static ssize_t faulty_pwrite(void *context, int fd, const void *data, size_t size, off_t offset)
{
    struct faulty *faulty = context;
    errno = faulty->error;
    return faulty->error != 0 ? -1 : pwrite(fd, data, size, offset);
}

static int faulty_fdatasync(void *context, int fd)
{
    struct faulty *faulty = context;
    errno = faulty->sync_error;
    return faulty->sync_error != 0 ? -1 : fdatasync(fd);
}

static void open_faulty(struct box *box, struct faulty *faulty)
{
    *faulty = (struct faulty){.disk = disk_system};
    faulty->disk.pwrite = faulty_pwrite;
    faulty->disk.fdatasync = faulty_fdatasync;
    faulty->disk.context = faulty;
    outbox_close(&box->outbox);
    assert_int_equal(outbox_open(&box->outbox, box->dir, BOX_BYTES, &faulty->disk, NULL), 0);
}

static void without_room_for_a_new_file_it_says_so_and_goes_on_later(void **state)
{
    (void)state;
    struct box box;
    struct faulty faulty;
    struct err err = {0};
    box_begin(&box);
    open_faulty(&box, &faulty);
    (void)add(&box, "a", "1");
    box.outbox->rewrite = true;
    faulty.error = ENOSPC;
    struct outbox_target target = to_ann(&box);
    struct operation_write write = write_of("b", "2");
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, &err), E_NOSPACE);
    assert_null(look(&box, "b"));
    assert_counts(&box, 1, 0);
    faulty.error = 0;
    (void)add(&box, "c", "3");
    box_crash(&box);
    assert_string_equal(look(&box, "a"), "1");
    assert_null(look(&box, "b"));
    assert_sends(&box, 1, "1:bag40 a=1 2:bag40 c=3");
    box_end(&box);
}

static void after_a_failed_sync_nothing_more_is_taken(void **state)
{
    (void)state;
    struct box box;
    struct faulty faulty;
    struct err err = {0};
    box_begin(&box);
    open_faulty(&box, &faulty);
    (void)add(&box, "a", "1");
    faulty.sync_error = EIO;
    struct outbox_target target = to_ann(&box);
    struct operation_write write = write_of("b", "2");
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, &err), E_IO);
    faulty.sync_error = 0;
    assert_int_equal(outbox_write(box.outbox, &target, &write, 1, 1234, NULL, &err), E_IO);
    assert_non_null(strstr(err.text, "outbox.seg"));
    assert_string_equal(look(&box, "a"), "1");
    assert_null(look(&box, "b"));
    box_end(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_states_survive),
        cmocka_unit_test(a_full_file_is_made_anew_and_stays_small),
        cmocka_unit_test(it_grows_with_what_waits),
        cmocka_unit_test(a_machine_that_never_joined_keeps_live_items_only),
        cmocka_unit_test(years_of_writes_alone_stay_bounded),
        cmocka_unit_test(what_was_replaced_alone_is_not_in_the_way),
        cmocka_unit_test(a_new_writer_numbers_what_waits_from_one),
        cmocka_unit_test(without_room_for_a_new_file_it_says_so_and_goes_on_later),
        cmocka_unit_test(after_a_failed_sync_nothing_more_is_taken),
    };
    return cmocka_run_group_tests_name("client/outbox_rewrite", tests, NULL, NULL);
}
