/* tests/client/test_network_data.c - what comes of bags; and that no value ever flips back. */
#include "journal/fence.h"
#include "tests/client/driven.h"

struct fixture {
    struct toy *toy;
    struct machine m;
};

static void begin(struct fixture *f)
{
    f->toy = toy_new();
    machine_begin(&f->m);
    machine_join(&f->m, f->toy);
    machine_start(&f->m);
    login(&f->m, "Ann");
}

static void end(struct fixture *f)
{
    machine_end(&f->m);
    toy_free(f->toy);
}

struct put {
    const char *user, *path, *text;
};

static void put(struct toy *toy, void *context)
{
    const struct put *what = context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str(what->user));
    if (what->text != NULL) {
        toy_put_text(toy, bag, what->path, what->text);
    } else {
        (void)toy_put(toy, bag, span_str(what->path), NULL);
    }
}

static bool shows(struct machine *m, const char *path, const char *text)
{
    const char *now = get(m, "user:Ann", path);
    return text == NULL ? now == NULL : now != NULL && strcmp(now, text) == 0;
}

static void changes_of_others_arrive(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    toy_do(f.toy, put, &(struct put){"Ann", "a", "1"});
    wait_until(shows(&f.m, "a", "1"));
    toy_do(f.toy, put, &(struct put){"Ann", "a", NULL});
    wait_until(shows(&f.m, "a", NULL));
    assert_int_equal(kb_stop(f.m.kb, NULL), 0);
    toy_do(f.toy, put, &(struct put){"Ann", "b", "while away"});
    machine_start(&f.m);
    wait_until(shows(&f.m, "b", "while away"));
    end(&f);
}

static void delete_user(struct toy *toy, void *context)
{
    toy_delete(toy, toy_ensure(toy, OWNER_USER, span_str(context)));
}

static bool is_gone(struct machine *m, const char *bag)
{
    struct kb_value value = {0};
    int rc = kb_get(m->kb, bag, "a", &value, NULL);
    kb_value_free(&value);
    return rc == KB_E_NOT_SIGNED_IN;
}

static void a_deleted_bag_goes_and_its_writes_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct kb_error error = {0};
    begin(&f);
    toy_do(f.toy, put, &(struct put){"Ann", "a", "1"});
    wait_until(shows(&f.m, "a", "1"));
    assert_int_equal(kb_stop(f.m.kb, NULL), 0);
    uint64_t op = set(&f.m, "user:Ann", "a", "late");
    toy_do(f.toy, delete_user, (char[]){"Ann"});
    machine_start(&f.m);
    assert_int_equal(kb_wait(f.m.kb, op, 15000, &error), KB_E_BAG_GONE);
    wait_until(is_gone(&f.m, "user:Ann"));
    assert_int_equal(status_of(&f.m).refused, 1);
    login(&f.m, "Ann"); /* another bag of the same name */
    assert_null(get(&f.m, "user:Ann", "a"));
    assert_int_equal(kb_outbox_retry(f.m.kb, op, &error), 0);
    wait_until(shows(&f.m, "a", "late"));
    end(&f);
}

static void sign_out_behind_its_back(struct toy *toy, void *context)
{
    char path[64];
    (void)context;
    struct toy_bag *bag = toy_ensure(toy, OWNER_USER, span_str("Ann"));
    toy_user_path(path, bag->bag_id);
    (void)toy_put(toy, toy_device_bag(toy), span_str(path), NULL);
}

static void a_bag_that_is_not_allowed_any_more_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(kb_stop(f.m.kb, NULL), 0);
    toy_do(f.toy, sign_out_behind_its_back, NULL);
    machine_start(&f.m);
    wait_until(is_gone(&f.m, "user:Ann"));
    end(&f);
}

static void a_damaged_bag_is_fetched_anew(void **state)
{
    (void)state;
    struct fixture f;
    struct owner owner;
    struct replica_bag bag;
    begin(&f);
    toy_do(f.toy, put, &(struct put){"Ann", "a", "1"});
    wait_until(shows(&f.m, "a", "1"));
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(f.m.kb->replica, &owner, &bag, NULL), 0);
    bag.cursor = 0; /* as a failed checksum marks it */
    bag.complete = false;
    assert_int_equal(replica_bag_update(f.m.kb->replica, &bag, NULL), 0);
    toy_do(f.toy, put, &(struct put){"Ann", "b", "2"}); /* does not fit any more: fetched */
    wait_until(shows(&f.m, "b", "2"));
    assert_int_equal(replica_bag_by_owner(f.m.kb->replica, &owner, &bag, NULL), 0);
    assert_true(bag.complete);
    end(&f);
}

/* --- no flip back --- */

struct reader {
    struct machine *m;
    atomic_bool stopping;
    struct thread *thread;
    unsigned long reads;
    unsigned backwards; /* a value older than one that was seen before */
};

static void read_all(struct thread *self, void *context)
{
    struct reader *reader = context;
    unsigned long last = 0;
    thread_ready(self, 0, NULL);
    while (!atomic_load(&reader->stopping)) {
        struct kb_value value = {0};
        if (kb_get(reader->m->kb, "user:Ann", "counter", &value, NULL) == 0) {
            unsigned long now = strtoul(value.data, NULL, 10);
            reader->backwards += now < last ? 1 : 0;
            last = now;
            reader->reads++;
            kb_value_free(&value);
        }
    }
}

static void a_value_never_flips_back(void **state)
{
    (void)state;
    struct fixture f;
    static struct reader readers[2];
    begin(&f);
    for (size_t i = 0; i < 2; i++) {
        readers[i] = (struct reader){.m = &f.m};
        assert_int_equal(thread_start(&readers[i].thread, "reader", read_all, &readers[i], NULL),
                         0);
    }
    uint64_t op = 0;
    for (unsigned i = 1; i <= 400; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i);
        op = set(&f.m, "user:Ann", "counter", text);
        if (i % 50 == 0) {
            assert_int_equal(kb_wait(f.m.kb, op, 15000, NULL), 0);
        }
    }
    assert_int_equal(kb_wait(f.m.kb, op, 15000, NULL), 0);
    wait_until(strcmp(get(&f.m, "user:Ann", "counter"), "400") == 0);
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&readers[i].stopping, true);
        thread_join(&readers[i].thread);
        assert_true(readers[i].reads > 100);
        assert_int_equal(readers[i].backwards, 0);
    }
    end(&f);
}

struct told {
    unsigned all; /* "read again" of every bag */
};

static void note_told(void *context, const struct kb_change *change)
{
    struct told *told = context;
    told->all += change->item == NULL && change->bag[0] == '\0' ? 1 : 0;
}

/* What a fence hides in every bag is one change of the fleet's bag: all who watch look again. */
static void a_fence_is_told_to_all_who_watch(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    struct told told = {0};
    struct buf path;
    struct buf value;
    struct fence fence = {0};
    struct kb_watch *watch = NULL;
    driven_begin(&d, 1);
    driven_start(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_put_text(d.toy, bag, "copy/a", "1");
    toy_put_text(d.toy, bag, "fax/b", "2");
    driven_settle(&d);
    assert_int_equal(kb_watch(d.m.kb, NULL, note_told, &told, &watch, NULL), 0);
    buf_init(&path, 255);
    buf_init(&value, 255);
    assert_int_equal(fence_path(&path, FENCE_SHARED, span_str("copy")), 0);
    fence_put_value(&value, &fence);
    struct span bytes = buf_span(&value);
    (void)toy_put(d.toy, &d.toy->bags[0], buf_span(&path), &bytes);
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_int_equal(told.all, 1);
    assert_null(get(&d.m, "user:Ann", "copy/a"));
    assert_string_equal(get(&d.m, "user:Ann", "fax/b"), "2");
    toy_put_text(d.toy, bag, "copy/a", "new"); /* what comes after it counts */
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_string_equal(get(&d.m, "user:Ann", "copy/a"), "new");
    toy_put_text(d.toy, &d.toy->bags[0], "flags/x", "y"); /* another change of the fleet's */
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_int_equal(told.all, 1);
    (void)toy_put(d.toy, &d.toy->bags[0], buf_span(&path), NULL);
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_int_equal(told.all, 2);
    kb_unwatch(d.m.kb, &watch);
    buf_free(&path);
    buf_free(&value);
    driven_end(&d);
}

/* Changes of a bag, and then its deletion, in one transaction; and another bag with them. */
static void a_bag_can_be_changed_and_deleted_at_once(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    driven_begin(&d, 1);
    driven_start(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    assert_int_equal(driven_login(&d, "Bob", &err), 0);
    struct toy_bag *ann = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    struct toy_bag *bob = toy_ensure(d.toy, OWNER_USER, span_str("Bob"));
    toy_put_text(d.toy, ann, "a", "1");
    toy_put_text(d.toy, bob, "a", "2");
    toy_delete(d.toy, ann);
    toy_put_text(d.toy, bob, "b", "3");
    driven_settle(&d);
    assert_true(is_gone(&d.m, "user:Ann"));
    assert_string_equal(get(&d.m, "user:Bob", "a"), "2");
    assert_string_equal(get(&d.m, "user:Bob", "b"), "3");
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_int_equal(d.connects, 1);
    driven_end(&d);
}

/* While what is missing is fetched, it is not current. */
static void a_damaged_bag_is_behind_until_it_came(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    struct owner owner;
    struct replica_bag bag;
    driven_begin(&d, 1);
    driven_start(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    struct toy_bag *ann = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_put_text(d.toy, ann, "a", "1");
    driven_settle(&d);
    assert_int_equal(owner_make(&owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_by_owner(d.m.kb->replica, &owner, &bag, NULL), 0);
    bag.cursor = 0; /* as a failed checksum marks it */
    bag.complete = false;
    assert_int_equal(replica_bag_update(d.m.kb->replica, &bag, NULL), 0);
    toy_put_text(d.toy, ann, "b", "2"); /* does not fit any more */
    d.silent = true;                    /* nobody answers the question for the bag */
    driven_settle(&d);
    assert_int_not_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    d.silent = false;
    driven_down(&d); /* or the question were lost for ever, which no stream does */
    driven_pass(&d, 60000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "2");
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fence_is_told_to_all_who_watch),
        cmocka_unit_test(a_bag_can_be_changed_and_deleted_at_once),
        cmocka_unit_test(changes_of_others_arrive),
        cmocka_unit_test(a_deleted_bag_goes_and_its_writes_are_refused),
        cmocka_unit_test(a_bag_that_is_not_allowed_any_more_goes),
        cmocka_unit_test(a_damaged_bag_is_fetched_anew),
        cmocka_unit_test(a_damaged_bag_is_behind_until_it_came),
        cmocka_unit_test(a_value_never_flips_back),
    };
    return cmocka_run_group_tests_name("client/network_data", tests, NULL, NULL);
}
