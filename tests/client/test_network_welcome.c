/* tests/client/test_network_welcome.c - a server that was put back to an older state. */
#include "client/outbox_inside.h"
#include "tests/client/driven.h"

/* As after a restored backup: item "b", and what else came after `seq`, never was. */
static void put_back(struct driven *d, uint64_t seq)
{
    struct toy_bag *bag = toy_ensure(d->toy, OWNER_USER, span_str("Ann"));
    struct toy_item *a = toy_item(bag, span_str("a"));
    struct toy_item *b = toy_item(bag, span_str("b"));
    a->seq = seq;
    a->value[0] = '1';
    a->size = 1;
    b->live = false;
    bag->last_seq = seq;
    d->toy->head = seq;
    d->toy->resume_seq = seq;
    memset(d->toy->history, 9, HISTORY_SIZE);
}

struct refused {
    unsigned count;
    char text[256];
};

static int note_refused(void *context, const struct kb_op *op)
{
    struct refused *refused = context;
    size_t used = strlen(refused->text);
    refused->count++;
    assert_int_equal(op->code, KB_E_HISTORY);
    (void)snprintf(refused->text + used, sizeof refused->text - used, "%s/%s ", op->bag, op->item);
    return 0;
}

static void what_the_server_lost_is_put_aside(void **state)
{
    (void)state;
    struct driven d;
    struct refused refused = {0};
    struct kb_error error = {0};
    driven_begin_with_ann(&d);
    uint64_t seq = d.toy->head;
    struct toy_bag *bag = toy_ensure(d.toy, OWNER_USER, span_str("Ann"));
    toy_put_text(d.toy, bag, "b", "only here");
    toy_put_text(d.toy, bag, "a", "newer");
    driven_settle(&d);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "newer");
    put_back(&d, seq);
    driven_reconnect(&d);
    struct kb_status status = status_of(&d.m);
    assert_non_null(strstr(status.text, "2 values that are newer here were put among the refused"));
    char history[2 * HISTORY_SIZE + 1];
    hex_encode(d.toy->history, HISTORY_SIZE, history);
    assert_string_equal(status.history, history);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    assert_null(get(&d.m, "user:Ann", "b"));
    ok(kb_outbox(d.m.kb, KB_OUTBOX_REFUSED, note_refused, &refused, &error), &error);
    assert_int_equal(refused.count, 2);
    assert_string_equal(refused.text, "user:Ann/a user:Ann/b ");
    ok(kb_outbox_retry(d.m.kb, 0, &error), &error); /* all of it comes back */
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "only here");
    assert_string_equal(get(&d.m, "user:Ann", "a"), "newer");
    assert_int_equal(status_of(&d.m).refused, 0);
    driven_end(&d);
}

static void bags_that_were_not_ahead_stay_as_they_are(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    uint64_t seq = d.toy->head;
    driven_down(&d);
    d.toy->head = seq + 10; /* of others' bags */
    d.toy->resume_seq = seq;
    memset(d.toy->history, 9, HISTORY_SIZE);
    driven_pass(&d, 10000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_int_equal(status_of(&d.m).refused, 0);
    assert_int_equal(status_of(&d.m).healed, 0);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_end(&d);
}

/* The server took a write up and was put back before it told its machines of it. */
static void an_acknowledged_write_that_never_came_back_is_put_aside(void **state)
{
    (void)state;
    struct driven d;
    struct refused refused = {0};
    struct kb_error error = {0};
    driven_begin_with_ann(&d);
    uint64_t seq = d.toy->head;
    d.toy->peers[0].followed_count = 0; /* no live changes */
    uint64_t op = set(&d.m, "user:Ann", "b", "only here");
    driven_pass(&d, 100);
    assert_int_equal(kb_wait(d.m.kb, op, 0, NULL), 0);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "only here");
    put_back(&d, seq);
    driven_reconnect(&d);
    assert_null(get(&d.m, "user:Ann", "b"));
    ok(kb_outbox(d.m.kb, KB_OUTBOX_REFUSED, note_refused, &refused, &error), &error);
    assert_string_equal(refused.text, "user:Ann/b ");
    ok(kb_outbox_retry(d.m.kb, op, &error), &error);
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "only here");
    driven_end(&d);
}

static void put_fleet(struct driven *d, const char *path, const struct buf *value)
{
    struct span bytes = buf_span(value);
    (void)toy_put(d->toy, &d->toy->bags[0], span_str(path), &bytes);
}

/* "copy" is each machine's own, for the toy and for who follows its fleet. */
static void make_copies_own(struct driven *d)
{
    const struct category row = {
        .class = SHARING_DEFAULT_SETTINGS, .has_flag = true, .title = "C", .title_ja = "C"};
    struct buf category;
    struct buf flag;
    buf_init(&category, TOY_VALUE);
    buf_init(&flag, TOY_VALUE);
    sharing_put_category(&category, &row);
    sharing_put_flag(&flag, true, false);
    put_fleet(d, "@category/copy", &category);
    put_fleet(d, "@sharing/copy", &flag);
    d->toy->own_copies = true;
    buf_free(&category);
    buf_free(&flag);
    driven_settle(d);
}

/* The bag of Ann on this machine never was: what was in it is put aside as a write to hers, which
 * makes it anew. */
static void a_value_of_the_machines_own_is_put_aside(void **state)
{
    (void)state;
    struct driven d;
    struct refused refused = {0};
    struct kb_error error = {0};
    driven_begin_with_ann(&d);
    make_copies_own(&d);
    uint64_t seq = d.toy->head;
    (void)set(&d.m, "user:Ann", "copy/paper", "mine");
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "copy/paper"), "mine");
    toy_own_bag(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")))->gone = true;
    put_back(&d, seq);
    driven_reconnect(&d);
    assert_null(get(&d.m, "user:Ann", "copy/paper"));
    ok(kb_outbox(d.m.kb, KB_OUTBOX_REFUSED, note_refused, &refused, &error), &error);
    assert_string_equal(refused.text, "user:Ann/copy/paper ");
    ok(kb_outbox_retry(d.m.kb, 0, &error), &error);
    driven_pass(&d, 1000);
    assert_string_equal(get(&d.m, "user:Ann", "copy/paper"), "mine");
    struct kb_explanation e = {.size = sizeof e};
    ok(kb_explain(d.m.kb, "user:Ann", "copy/paper", &e, NULL, &error), &error);
    assert_int_equal(e.layer, KB_LAYER_DEVICE);
    assert_true(e.own.there);
    assert_int_equal(status_of(&d.m).refused, 0);
    driven_end(&d);
}

/* No room to put anything aside: then nothing is taken from the server either. */
static void nothing_is_overwritten_that_can_not_be_put_aside(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    uint64_t seq = d.toy->head;
    toy_put_text(d.toy, toy_ensure(d.toy, OWNER_USER, span_str("Ann")), "b", "only here");
    driven_settle(&d);
    put_back(&d, seq);
    driven_down(&d);
    struct outbox *outbox = d.m.kb->outbox;
    uint64_t max_bytes = outbox->max_bytes;
    outbox->max_bytes = 1;
    driven_pass(&d, 10000);
    assert_string_equal(get(&d.m, "user:Ann", "b"), "only here");
    assert_int_equal(status_of(&d.m).code, KB_E_QUOTA);
    assert_non_null(strstr(status_of(&d.m).text, "nothing was changed"));
    outbox->max_bytes = max_bytes;
    driven_pass(&d, 120000);
    assert_int_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_null(get(&d.m, "user:Ann", "b"));
    assert_int_equal(status_of(&d.m).refused, 1);
    driven_end(&d);
}

/* It says another history and that it is ours: neither is believed. */
static void another_history_without_a_common_past_is_refused(void **state)
{
    (void)state;
    struct driven d;
    driven_begin_with_ann(&d);
    driven_down(&d);
    memset(d.toy->history, 9, HISTORY_SIZE);
    driven_pass(&d, 10000);
    assert_int_not_equal(status_of(&d.m).phase, KB_PHASE_CURRENT);
    assert_int_equal(status_of(&d.m).code, KB_E_HISTORY);
    assert_string_equal(get(&d.m, "user:Ann", "a"), "1");
    driven_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_lost_is_put_aside),
        cmocka_unit_test(an_acknowledged_write_that_never_came_back_is_put_aside),
        cmocka_unit_test(bags_that_were_not_ahead_stay_as_they_are),
        cmocka_unit_test(a_value_of_the_machines_own_is_put_aside),
        cmocka_unit_test(nothing_is_overwritten_that_can_not_be_put_aside),
        cmocka_unit_test(another_history_without_a_common_past_is_refused),
    };
    return cmocka_run_group_tests_name("client/network_welcome", tests, NULL, NULL);
}
