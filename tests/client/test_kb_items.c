/* tests/client/test_kb_items.c - reading: local writes over the replica. */
#include "journal/fence.h"
#include "tests/client/driven.h"

static const uint8_t no_hash[SHA256_SIZE] = {0};

/* A bag of the server's in the replica, with items "a" to "d". */
static void server_bag(struct machine *m)
{
    struct replica_bag bag = {.bag_id = 40, .cursor = 40, .complete = true, .keep = true};
    assert_int_equal(owner_make(&bag.owner, OWNER_USER, span_str("Ann"), 0, NULL), 0);
    assert_int_equal(replica_bag_add(m->kb->replica, &bag, NULL), 0);
    struct change changes[4];
    static const char *const paths[] = {"a", "b", "c", "d"};
    for (uint64_t i = 0; i < 4; i++) {
        changes[i] = (struct change){.seq = 41 + i,
                                     .time_ms = 5,
                                     .kind = CHANGE_ITEM_SET,
                                     .bag_id = 40,
                                     .prev = 40 + i,
                                     .path = span_str(paths[i]),
                                     .value = span_str("server")};
    }
    uint64_t bad = 0;
    assert_int_equal(replica_apply(m->kb->replica, changes, 4, 44, no_hash, &bad, NULL, NULL, NULL),
                     0);
}

static int list_one(void *context, const struct kb_item *item)
{
    char *text = context;
    size_t used = strlen(text);
    (void)snprintf(text + used, 512 - used, "%s%s=%.*s%s", used > 0 ? " " : "", item->path,
                   (int)item->size, (const char *)item->bytes, item->pending ? "*" : "");
    return strcmp(item->path, "stop") == 0 ? 42 : 0;
}

static void assert_list(struct machine *m, const char *prefix, const char *expected)
{
    char text[512] = "";
    struct kb_error error = {0};
    ok(kb_list(m->kb, "user:Ann", prefix, list_one, text, &error), &error);
    assert_string_equal(text, expected);
}

static void local_writes_lie_over_the_replica(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    machine_begin(&m);
    server_bag(&m);
    assert_list(&m, NULL, "a=server b=server c=server d=server");
    (void)set(&m, "user:Ann", "b", "mine");
    (void)set(&m, "user:Ann", "aa", "new");
    (void)set(&m, "user:Ann", "z", "last");
    ok(kb_remove(m.kb, "user:Ann", "c", NULL, NULL, &error), &error);
    ok(kb_remove(m.kb, "user:Ann", "zz", NULL, NULL, &error), &error);
    assert_list(&m, NULL, "a=server aa=new* b=mine* d=server z=last*");
    assert_list(&m, "a", "a=server aa=new*");
    assert_list(&m, "zzz", "");
    assert_string_equal(get(&m, "user:Ann", "a"), "server");
    assert_string_equal(get(&m, "user:ANN", "b"), "mine*");
    assert_null(get(&m, "user:Ann", "c"));
    assert_null(get(&m, "user:Ann", "nothing"));
    machine_again(&m);
    assert_list(&m, NULL, "a=server aa=new* b=mine* d=server z=last*");
    machine_end(&m);
}

static void a_list_can_be_stopped(void **state)
{
    (void)state;
    struct machine m;
    char text[512] = "";
    struct kb_error error = {0};
    machine_begin(&m);
    server_bag(&m);
    (void)set(&m, "user:Ann", "stop", "1");
    (void)set(&m, "user:Ann", "t", "1");
    assert_int_equal(kb_list(m.kb, "user:Ann", "", list_one, text, &error), 42);
    assert_string_equal(text, "a=server b=server c=server d=server stop=1*");
    machine_end(&m);
}

static void a_value_says_where_it_is_from(void **state)
{
    (void)state;
    struct machine m;
    struct kb_value value = {0};
    machine_begin(&m);
    server_bag(&m);
    assert_int_equal(kb_get(m.kb, "user:Ann", "a", &value, NULL), 0);
    assert_int_equal(value.seq, 41);
    assert_int_equal(value.time_ms, 5);
    assert_false(value.pending);
    assert_int_equal(((char *)value.data)[value.size], 0);
    kb_value_free(&value);
    assert_null(value.data);
    kb_value_free(&value);
    kb_value_free(NULL);
    (void)set(&m, "user:Ann", "a", "");
    assert_int_equal(kb_get(m.kb, "user:Ann", "a", &value, NULL), 0);
    assert_int_equal(value.size, 0);
    assert_int_equal(value.seq, 0);
    assert_true(value.pending);
    assert_non_null(value.data);
    kb_value_free(&value);
    machine_end(&m);
}

static void what_is_not_kept_is_said(void **state)
{
    (void)state;
    struct machine m;
    struct kb_value value = {0};
    struct kb_error error = {0};
    machine_begin(&m);
    assert_int_equal(kb_get(m.kb, "user:Ann", "a", &value, &error), KB_E_NOT_SIGNED_IN);
    assert_non_null(strstr(error.text, "user:Ann"));
    assert_int_equal(kb_get(m.kb, "Ann", "a", &value, &error), KB_E_INVALID);
    assert_int_equal(kb_get(m.kb, "user:a/b", "a", &value, &error), KB_E_INVALID);
    assert_int_equal(kb_get(m.kb, "user:Ann", "a//b", &value, &error), KB_E_PATH);
    assert_int_equal(kb_list(m.kb, "fleet", NULL, list_one, NULL, &error), KB_E_NOT_SIGNED_IN);
    assert_null(value.data);
    machine_end(&m);
}

static int note_item(void *context, const struct kb_item *item)
{
    *(struct kb_item *)context = *item;
    return 0;
}

/* Who waited for the server and reads then sees what the server has, though the answer is not on
 * this machine's disk yet. */
static void what_was_taken_up_is_not_pending(void **state)
{
    (void)state;
    struct driven d;
    struct err err = {0};
    struct kb_value value = {0};
    struct kb_item item = {0};
    driven_begin(&d, 1);
    driven_start(&d);
    assert_int_equal(driven_login(&d, "Ann", &err), 0);
    uint64_t op = set(&d.m, "user:Ann", "a", "1");
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1*");
    driven_settle(&d); /* no time passes */
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_int_equal(kb_get(d.m.kb, "user:Ann", "a", &value, NULL), 0);
    assert_false(value.pending);
    assert_int_equal(value.seq, d.toy->head);
    kb_value_free(&value);
    assert_int_equal(kb_list(d.m.kb, "user:Ann", NULL, note_item, &item, NULL), 0);
    assert_false(item.pending);
    assert_int_equal(item.seq, d.toy->head);
    struct kb_write_options options = {
        .size = sizeof options, .has_if_seq = true, .if_seq = d.toy->head};
    assert_int_equal(kb_set(d.m.kb, "user:Ann", "a", "2", 1, &options, NULL, NULL), 0);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "2*");
    driven_end(&d);
}

/* A fence on "b" in the fleet's bag: what users' bags had there is absent, what is written since is
 * not, nor what waits in the outbox. */
static void what_was_initialised_is_absent(void **state)
{
    (void)state;
    struct machine m;
    struct kb_error error = {0};
    struct buf value;
    const struct fence fence = {0};
    struct replica_bag fleet = {.bag_id = 9, .cursor = 9, .complete = true, .keep = true};
    machine_begin(&m);
    server_bag(&m);
    assert_int_equal(owner_parse(&fleet.owner, "fleet", NULL), 0);
    assert_int_equal(replica_bag_add(m.kb->replica, &fleet, NULL), 0);
    buf_init(&value, 100);
    fence_put_value(&value, &fence);
    struct change change = {.seq = 50,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = 9,
                            .prev = 9,
                            .path = span_str("@fence/shared/b"),
                            .value = buf_span(&value)};
    uint64_t bad = 0;
    assert_int_equal(replica_apply(m.kb->replica, &change, 1, 50, no_hash, &bad, NULL, NULL, NULL),
                     0);
    buf_free(&value);
    assert_list(&m, NULL, "a=server c=server d=server");
    assert_null(get(&m, "user:Ann", "b"));
    /* what counts as absent is no obstacle to a write that wants it to be */
    struct kb_write_options fresh = {.size = sizeof fresh, .has_if_seq = true, .if_seq = 0};
    ok(kb_set(m.kb, "user:Ann", "b", "mine", 4, &fresh, NULL, &error), &error);
    assert_list(&m, NULL, "a=server b=mine* c=server d=server");
    assert_int_equal(kb_set(m.kb, "user:Ann", "c", "x", 1, &fresh, NULL, &error), KB_E_CONDITION);
    machine_end(&m);
}

static void reading_notes_that_the_user_was_here(void **state)
{
    (void)state;
    struct machine m;
    struct replica_bag bag;
    machine_begin(&m);
    server_bag(&m);
    assert_string_equal(get(&m, "user:Ann", "a"), "server");
    assert_int_equal(replica_bag_by_id(m.kb->replica, 40, &bag, NULL), 0);
    uint64_t now_ms = clock_wall_ms(&clock_system);
    assert_true(bag.used_ms <= now_ms && bag.used_ms + 60000 > now_ms);
    machine_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_taken_up_is_not_pending),
        cmocka_unit_test(local_writes_lie_over_the_replica),
        cmocka_unit_test(a_list_can_be_stopped),
        cmocka_unit_test(a_value_says_where_it_is_from),
        cmocka_unit_test(what_is_not_kept_is_said),
        cmocka_unit_test(what_was_initialised_is_absent),
        cmocka_unit_test(reading_notes_that_the_user_was_here),
    };
    return cmocka_run_group_tests_name("client/kb_items", tests, NULL, NULL);
}
