/* tests/client/test_network_data.c - what comes of bags; and that no value ever flips back. */
#include "tests/client/kb_samples.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_of_others_arrive),
        cmocka_unit_test(a_deleted_bag_goes_and_its_writes_are_refused),
        cmocka_unit_test(a_bag_that_is_not_allowed_any_more_goes),
        cmocka_unit_test(a_damaged_bag_is_fetched_anew),
        cmocka_unit_test(a_value_never_flips_back),
    };
    return cmocka_run_group_tests_name("client/network_data", tests, NULL, NULL);
}
