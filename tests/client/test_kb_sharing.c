/* tests/client/test_kb_sharing.c - a flag changes, at a machine with a server: what is seen, where
 * what is written goes, and that no value ever flips back on its way.
 */
#include <unistd.h>

#include "client/outbox_inside.h"
#include "client/replica_inside.h"
#include "tests/client/driven.h"

static const char ITEM[] = "copy/paper";

/* Instead of the C library's, for LMDB too: nothing here cuts the power, and a hundred machines'
 * syncs take minutes on a busy disk. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* The flag of "copy", for the toy and for who follows its fleet. */
static void set_flag(struct driven *d, bool device, bool copy)
{
    struct buf value;
    buf_init(&value, TOY_VALUE);
    sharing_put_flag(&value, device, copy);
    struct span flag = buf_span(&value);
    d->toy->own_copies = device;
    (void)toy_put(d->toy, &d->toy->bags[0], SPAN_LITERAL("@sharing/copy"), &flag);
    buf_free(&value);
}

static void begin(struct driven *d)
{
    const struct category row = {
        .class = SHARING_DEFAULT_SETTINGS, .has_flag = true, .title = "C", .title_ja = "C"};
    struct buf value;
    buf_init(&value, TOY_VALUE);
    driven_begin_with_ann(d);
    sharing_put_category(&value, &row);
    struct span category = buf_span(&value);
    (void)toy_put(d->toy, &d->toy->bags[0], SPAN_LITERAL("@category/copy"), &category);
    buf_free(&value);
    toy_put_text(d->toy, toy_ensure(d->toy, OWNER_USER, span_str("Ann")), ITEM, "shared");
    driven_settle(d);
    assert_string_equal(get(&d->m, "user:Ann", ITEM), "shared");
}

/* The value, without the mark of a local write; "" when there is none. */
static const char *seen(struct driven *d, const char *item)
{
    static char text[64];
    const char *value = get(&d->m, "user:Ann", item);
    (void)snprintf(text, sizeof text, "%s", value != NULL ? value : "");
    text[strcspn(text, "*")] = '\0';
    return text;
}

static void one_turn(struct driven *d)
{
    struct network_event event = {.kind = NETWORK_TIME};
    struct buf frame = {0};
    if (d->dialled && !d->up) {
        d->up = true;
        event.kind = NETWORK_UP;
    } else if (d->count > 0) {
        frame = d->frames[d->first];
        d->first = (d->first + 1) % DRIVEN_FRAMES;
        d->count--;
        event = (struct network_event){.kind = NETWORK_FRAME, .frame = buf_span(&frame)};
    }
    driven_turn(d, event);
    buf_free(&frame);
}

/* As driven_pass, a turn at a time: is the item what it is at each of them? */
static bool stays(struct driven *d, uint64_t ms, const char *item, const char *expected)
{
    uint64_t end_ms = d->time.mono_ms + ms;
    bool same = strcmp(seen(d, item), expected) == 0;
    for (uint64_t next_ms = 0; same && next_ms <= end_ms;) {
        bool waits = d->count == 0 && (!d->dialled || d->up);
        next_ms = waits ? network_next_ms(d->m.kb->network) : 0;
        if (next_ms > end_ms) {
            break;
        }
        d->time.wall_ms += next_ms > d->time.mono_ms ? next_ms - d->time.mono_ms : 0;
        d->time.mono_ms = next_ms > d->time.mono_ms ? next_ms : d->time.mono_ms;
        one_turn(d);
        same = strcmp(seen(d, item), expected) == 0;
    }
    return same;
}

static void pass_seeing(struct driven *d, uint64_t ms, const char *item, const char *expected)
{
    if (!stays(d, ms, item, expected)) {
        fail_msg("%s is '%s', and was '%s'", item, seen(d, item), expected);
    }
}

static struct kb_explanation explain(struct driven *d, const char *item)
{
    struct kb_explanation out = {.size = sizeof out};
    struct kb_error error = {0};
    ok(kb_explain(d->m.kb, "user:Ann", item, &out, NULL, &error), &error);
    return out;
}

static const char *at_server(struct driven *d, bool own, const char *item)
{
    struct toy_bag *bag = toy_ensure(d->toy, OWNER_USER, span_str("Ann"));
    bag = own ? toy_own_bag(d->toy, bag) : bag;
    const struct toy_item *found = toy_item(bag, span_str(item));
    return found->live ? found->value : "(none)";
}

static void what_is_written_goes_to_the_machines_own(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    assert_string_equal(seen(&d, ITEM), "");
    (void)set(&d.m, "user:Ann", ITEM, "mine");
    assert_int_equal(explain(&d, ITEM).layer, KB_LAYER_DEVICE);
    assert_true(explain(&d, ITEM).pending);
    pass_seeing(&d, 200, ITEM, "mine");
    struct kb_explanation e = explain(&d, ITEM);
    assert_int_equal(e.layer, KB_LAYER_DEVICE);
    assert_true(!e.pending && e.own.there && e.shared.there);
    assert_int_equal(status_of(&d.m).pending, 0);
    assert_string_equal(at_server(&d, true, ITEM), "mine");
    assert_string_equal(at_server(&d, false, ITEM), "shared");
    (void)set(&d.m, "user:Ann", ITEM, "again"); /* the bag is here already */
    pass_seeing(&d, 200, ITEM, "again");
    struct kb_error error = {0};
    ok(kb_remove(d.m.kb, "user:Ann", ITEM, NULL, NULL, &error), &error);
    pass_seeing(&d, 200, ITEM, "");
    set_flag(&d, false, false);
    driven_settle(&d);
    assert_string_equal(seen(&d, ITEM), "shared");
    driven_end(&d);
}

/* A control: what is let go of too early is noticed. */
static void a_value_that_flips_is_seen_to(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    d.toy->hurries = true;
    (void)set(&d.m, "user:Ann", ITEM, "mine");
    assert_false(stays(&d, 200, ITEM, "mine"));
    driven_end(&d);
}

static void with_copy_the_shared_value_is_seen_until_then(void **state)
{
    (void)state;
    struct driven d;
    struct kb_error error = {0};
    begin(&d);
    set_flag(&d, true, true);
    pass_seeing(&d, 100, ITEM, "shared");
    (void)set(&d.m, "user:Ann", ITEM, "mine");
    pass_seeing(&d, 200, ITEM, "mine");
    ok(kb_remove(d.m.kb, "user:Ann", ITEM, NULL, NULL, &error), &error);
    pass_seeing(&d, 200, ITEM, "shared"); /* its own is removed, and no other */
    driven_end(&d);
}

/* --- away while the flag changes --- */

static void written_as_shared_it_becomes_the_machines_own(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    driven_server_goes(&d);
    (void)set(&d.m, "user:Ann", ITEM, "offline");
    set_flag(&d, true, false);
    d.refuses = false;
    pass_seeing(&d, 10000, ITEM, "offline");
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_int_equal(explain(&d, ITEM).layer, KB_LAYER_DEVICE);
    assert_string_equal(at_server(&d, true, ITEM), "offline");
    assert_string_equal(at_server(&d, false, ITEM), "shared");
    driven_end(&d);
}

struct op_seen {
    unsigned count;
    uint64_t op;
    int code;
};

static int note_op(void *context, const struct kb_op *op)
{
    struct op_seen *seen = context;
    seen->count++;
    seen->op = op->op;
    seen->code = op->code;
    return 0;
}

static void written_as_its_own_it_is_not_shared_unasked(void **state)
{
    (void)state;
    struct driven d;
    struct op_seen refused = {0};
    struct kb_error error = {0};
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    driven_server_goes(&d);
    uint64_t op = set(&d.m, "user:Ann", ITEM, "private");
    set_flag(&d, false, false);
    d.refuses = false;
    driven_pass(&d, 10000);
    assert_string_equal(at_server(&d, false, ITEM), "shared");
    assert_string_equal(seen(&d, ITEM), "shared");
    ok(kb_outbox(d.m.kb, KB_OUTBOX_REFUSED, note_op, &refused, &error), &error);
    assert_int_equal(refused.count, 1);
    assert_int_equal(refused.op, op);
    assert_int_equal(refused.code, KB_E_SHARING_CHANGED);
    assert_string_equal(kb_code_name(refused.code), "sharing_changed");
    assert_int_equal(kb_exit_code(refused.code), 4);
    assert_int_equal(kb_wait(d.m.kb, op, 10, &error), KB_E_SHARING_CHANGED);
    ok(kb_outbox_retry(d.m.kb, op, &error), &error); /* by the flag of now */
    pass_seeing(&d, 200, ITEM, "private");
    assert_string_equal(at_server(&d, false, ITEM), "private");
    assert_int_equal(explain(&d, ITEM).layer, KB_LAYER_SHARED);
    assert_int_equal(status_of(&d.m).refused, 0);
    driven_end(&d);
}

/* --- one change set, two bags --- */

static void a_change_set_is_seen_whole(void **state)
{
    (void)state;
    struct driven d;
    struct kb_error error = {0};
    const struct kb_write writes[] = {{.item = ITEM, .bytes = "mine", .size = 4},
                                      {.item = "language", .bytes = "ja", .size = 2}};
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    ok(kb_apply(d.m.kb, "user:Ann", writes, 2, NULL, NULL, &error), &error);
    pass_seeing(&d, 200, ITEM, "mine");
    assert_string_equal(seen(&d, "language"), "ja");
    assert_string_equal(at_server(&d, true, ITEM), "mine");
    assert_string_equal(at_server(&d, false, "language"), "ja");
    assert_string_equal(at_server(&d, true, "language"), "(none)");
    driven_end(&d);
}

/* --- a kill at any turn --- */

static void restart(struct driven *d)
{
    d->m.kb->outbox->dead = E_IO; /* nothing more comes to its disk, as after a kill */
    kb_close(&d->m.kb);
    driven_lose_frames(d);
    d->dialled = d->up = false;
    d->toy->peers[0].open = false;
    driven_open(d);
    assert_string_equal(seen(d, ITEM), "mine");
    driven_start(d);
}

/* At the n-th turn after the write, for all n until the write is at home. */
static void a_kill_on_the_way_changes_nothing(void **state)
{
    (void)state;
    unsigned turns = 1;
    for (bool home = false; !home; turns++) {
        struct driven d;
        begin(&d);
        set_flag(&d, true, false);
        driven_settle(&d);
        (void)set(&d.m, "user:Ann", ITEM, "mine");
        for (unsigned i = 0; i < turns && !home; i++) {
            d.time.mono_ms += d.count == 0 ? 5 : 0;
            one_turn(&d);
            assert_string_equal(seen(&d, ITEM), "mine");
            home = explain(&d, ITEM).own.there && d.count == 0 && d.time.mono_ms > 5000 + 500;
        }
        restart(&d);
        pass_seeing(&d, 10000, ITEM, "mine");
        assert_true(explain(&d, ITEM).own.there);
        assert_int_equal(status_of(&d.m).pending, 0);
        assert_int_equal(status_of(&d.m).refused, 0);
        assert_string_equal(at_server(&d, true, ITEM), "mine");
        driven_end(&d);
    }
    assert_true(turns > 8);
}

/* --- no memory --- */

/* The nth allocation of its way fails: it arrives all the same, and is seen meanwhile. */
static void without_memory_it_arrives_later(void **state)
{
    (void)state;
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct driven d;
        begin(&d);
        set_flag(&d, true, false);
        driven_settle(&d);
        (void)set(&d.m, "user:Ann", ITEM, "mine");
        fail_alloc_at(nth);
        driven_pass(&d, 300);
        failed = fail_alloc_stop();
        pass_seeing(&d, 30000, ITEM, "mine");
        assert_true(explain(&d, ITEM).own.there);
        assert_int_equal(status_of(&d.m).pending, 0);
        assert_string_equal(at_server(&d, true, ITEM), "mine");
        driven_end(&d);
    }
    assert_true(nth > 10);
}

/* --- damage --- */

static void spoil_bag(struct driven *d, uint64_t local)
{
    struct replica *replica = d->m.kb->replica;
    struct record_key number = replica_key_number(local);
    MDB_txn *txn = NULL;
    MDB_val key = {number.size, number.bytes};
    MDB_val data;
    uint8_t bytes[1000];
    assert_int_equal(mdb_txn_begin(replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_get(txn, replica->tables[TABLE_BAGS], &key, &data), 0);
    assert_true(data.mv_size <= sizeof bytes);
    memcpy(bytes, data.mv_data, data.mv_size);
    bytes[data.mv_size - 1] ^= 1;
    data.mv_data = bytes;
    assert_int_equal(mdb_put(txn, replica->tables[TABLE_BAGS], &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

/* The record of Ann's bag on this machine is lost; nothing but a sign-in tells of that bag. */
static void a_lost_bag_of_the_machines_own_comes_again(void **state)
{
    (void)state;
    struct driven d;
    struct replica_bag own;
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    struct toy_bag *at_toy = toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    toy_put_text(d.toy, at_toy, ITEM, "mine"); /* set by an administrator: the next login has it */
    assert_int_equal(driven_login(&d, "Ann", NULL), 0);
    assert_string_equal(seen(&d, ITEM), "mine");
    assert_int_equal(replica_bag_by_id(d.m.kb->replica, at_toy->bag_id, &own, NULL), 0);
    spoil_bag(&d, own.local);
    kb_close(&d.m.kb);
    driven_lose_frames(&d);
    d.dialled = d.up = false;
    d.toy->peers[0].open = false;
    driven_open(&d);
    assert_int_equal(replica_bag_by_id(d.m.kb->replica, at_toy->bag_id, &own, NULL), E_NOT_FOUND);
    for (int round = 0; round < 2; round++) { /* once */
        unsigned sign_ins = d.toy->sign_ins;
        machine_start(&d.m);
        driven_pass(&d, 10000);
        assert_int_equal(d.toy->sign_ins, sign_ins + (round == 0 ? 1 : 0));
        assert_string_equal(seen(&d, ITEM), "mine");
        assert_int_equal(explain(&d, ITEM).layer, KB_LAYER_DEVICE);
        struct kb_error error = {0};
        ok(kb_stop(d.m.kb, &error), &error);
    }
    driven_end(&d);
}

/* An administrator gives this machine a value of its own, where the user has none. */
static void a_bag_that_an_administrator_made_is_heard_of(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    (void)set(&d.m, "user:Ann", "language", "ja");
    driven_pass(&d, 5000);
    unsigned sign_ins = d.toy->sign_ins;
    struct toy_bag *own = toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    toy_put_text(d.toy, own, ITEM, "given");
    d.toy->newest_bag = own->bag_id;
    driven_pass(&d, 5000); /* heartbeats go by */
    assert_string_equal(seen(&d, ITEM), "given");
    assert_int_equal(d.toy->sign_ins, sign_ins + 1);
    driven_pass(&d, 20000);
    assert_int_equal(d.toy->sign_ins, sign_ins + 1); /* once */
    driven_end(&d);
}

/* One that a write of here made is known by its outcome: nobody is signed in again for it. */
static void a_bag_of_ones_own_making_is_no_news(void **state)
{
    (void)state;
    struct driven d;
    begin(&d);
    set_flag(&d, true, false);
    driven_settle(&d);
    unsigned sign_ins = d.toy->sign_ins;
    (void)set(&d.m, "user:Ann", ITEM, "mine");
    driven_pass(&d, 100);
    struct toy_bag *own = toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    d.toy->newest_bag = own->bag_id;
    driven_pass(&d, 10000);
    assert_int_equal(d.toy->sign_ins, sign_ins);
    assert_string_equal(seen(&d, ITEM), "mine");
    driven_end(&d);
}

/* --- who watches --- */

struct watching {
    unsigned again, items;
    char last[64];
};

static void note_change(void *context, const struct kb_change *change)
{
    struct watching *watching = context;
    assert_string_equal(change->bag, "user:Ann");
    watching->again += change->item == NULL ? 1 : 0;
    watching->items += change->item != NULL ? 1 : 0;
    if (change->item != NULL) {
        (void)snprintf(watching->last, sizeof watching->last, "%s=%.*s", change->item,
                       (int)change->size, (const char *)change->bytes);
    }
}

static void who_watches_reads_again_once(void **state)
{
    (void)state;
    struct driven d;
    struct watching watching = {0};
    struct kb_watch *watch = NULL;
    struct kb_error error = {0};
    begin(&d);
    ok(kb_watch(d.m.kb, "user:Ann", note_change, &watching, &watch, &error), &error);
    set_flag(&d, true, false);
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_int_equal(watching.again, 1);
    assert_int_equal(watching.items, 0);
    (void)set(&d.m, "user:Ann", ITEM, "mine");
    driven_pass(&d, 200);
    (void)kb_dispatch(d.m.kb);
    assert_string_equal(watching.last, "copy/paper=mine");
    unsigned items = watching.items;
    /* somebody else changes this machine's own value: an administrator, say */
    struct toy_bag *own = toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")));
    toy_put_text(d.toy, own, ITEM, "theirs");
    driven_settle(&d);
    (void)kb_dispatch(d.m.kb);
    assert_int_equal(watching.items, items + 1);
    assert_string_equal(watching.last, "copy/paper=theirs");
    kb_unwatch(d.m.kb, &watch);
    driven_end(&d);
}

/* --- what its category does not take --- */

static void a_value_is_judged_at_once(void **state)
{
    (void)state;
    struct driven d;
    struct kb_error error = {0};
    const struct category row = {.class = SHARING_OTHER,
                                 .kind = SHARING_JSON,
                                 .value_max = 8,
                                 .title = "C",
                                 .title_ja = "C"};
    struct buf value;
    buf_init(&value, TOY_VALUE);
    begin(&d);
    sharing_put_category(&value, &row);
    struct span category = buf_span(&value);
    (void)toy_put(d.toy, &d.toy->bags[0], SPAN_LITERAL("@category/fax"), &category);
    buf_free(&value);
    driven_settle(&d);
    struct kb *kb = d.m.kb;
    assert_int_equal(kb_set(kb, "user:Ann", "fax/a", "[1,2,3,4]", 9, NULL, NULL, &error),
                     KB_E_TOO_LARGE);
    assert_non_null(strstr(error.text, "fax"));
    assert_int_equal(kb_set(kb, "user:Ann", "fax/a", "no", 2, NULL, NULL, &error), KB_E_CATEGORY);
    ok(kb_set(kb, "user:Ann", "fax/a", "[1]", 3, NULL, NULL, &error), &error);
    ok(kb_remove(kb, "user:Ann", "fax/b", NULL, NULL, &error), &error);
    ok(kb_set(kb, "user:Ann", "faxes", "not of it", 9, NULL, NULL, &error), &error);
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_goes_to_the_machines_own),
        cmocka_unit_test(a_value_that_flips_is_seen_to),
        cmocka_unit_test(with_copy_the_shared_value_is_seen_until_then),
        cmocka_unit_test(written_as_shared_it_becomes_the_machines_own),
        cmocka_unit_test(written_as_its_own_it_is_not_shared_unasked),
        cmocka_unit_test(a_change_set_is_seen_whole),
        cmocka_unit_test(a_kill_on_the_way_changes_nothing),
        cmocka_unit_test(without_memory_it_arrives_later),
        cmocka_unit_test(a_lost_bag_of_the_machines_own_comes_again),
        cmocka_unit_test(a_bag_that_an_administrator_made_is_heard_of),
        cmocka_unit_test(a_bag_of_ones_own_making_is_no_news),
        cmocka_unit_test(who_watches_reads_again_once),
        cmocka_unit_test(a_value_is_judged_at_once),
    };
    return cmocka_run_group_tests_name("client/kb_sharing", tests, NULL, NULL);
}
