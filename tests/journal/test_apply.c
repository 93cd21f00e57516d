/* tests/journal/test_apply.c - the apply rule: every combination, and a long run against a model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "journal/apply.h"
#include "tests/journal/rows.h"

/* What a change says that it replaces, against the row that it meets. */
enum old {
    OLD_FITS,     /* the row's seq, and its value when it is live */
    OLD_OTHER,    /* another seq, above what the bag is purged to */
    OLD_PURGED,   /* another seq, one that the bag is purged to */
    OLD_NOTHING,  /* 0: there was none */
    OLD_OPPOSITE, /* the row's seq, but a value when the row has none, and none when it has one */
    OLD_COUNT
};

/* One point of the space of what a change can meet. */
struct meeting {
    enum change_kind kind;
    bool exists;
    bool same_bag;  /* the row is of the change's bag_id */
    bool same_prev; /* the row's last_seq is the change's prev */
    bool newer;     /* the change's seq is above prev */
    bool check_old;
    enum old old;
    enum item_state state;
    bool counts_fit; /* the bag's counts cover the item that is there */
};

enum { PATH_SIZE = 4, OLD_SIZE = 10, NEW_SIZE = 7, PURGED_TO = 42, ROW_SEQ = 150 };

static struct bag_row make_bag(const struct meeting *m)
{
    return (struct bag_row){
        .exists = m->exists,
        .bag_id = m->same_bag ? 100 : 99,
        .parent = 3,
        .last_seq = m->same_prev ? 200 : 201,
        .items = m->counts_fit ? 5 : 0,
        .bytes = m->counts_fit ? 500 : PATH_SIZE + OLD_SIZE - 1,
        .purged_to = PURGED_TO,
        .digest = {77, 88},
        .owner = {OWNER_USER, 0, "Ann", "ann"},
    };
}

/* With check_old the value is known from the change, and the row is read without it. */
static struct item_row make_item(const struct meeting *m)
{
    struct item_row item = {.state = m->state};
    if (m->state != ITEM_ABSENT) {
        item.seq = ROW_SEQ;
        item.time_ms = 1;
        item.origin = 2;
        item.conflict = true;
    }
    if (m->state == ITEM_LIVE && !m->check_old) {
        item.value = SPAN_LITERAL("0123456789");
    }
    return item;
}

static struct change make_change(const struct meeting *m)
{
    const uint64_t seqs[OLD_COUNT] = {
        [OLD_FITS] = m->state == ITEM_ABSENT ? 0 : ROW_SEQ,
        [OLD_OTHER] = ROW_SEQ + 1,
        [OLD_PURGED] = PURGED_TO,
        [OLD_NOTHING] = 0,
        [OLD_OPPOSITE] = m->state == ITEM_ABSENT ? PURGED_TO : ROW_SEQ,
    };
    bool live = m->state == ITEM_LIVE && m->old != OLD_NOTHING;
    struct change change = {
        .seq = m->newer ? 300 : 200,
        .time_ms = 77,
        .origin = 8,
        .kind = m->kind,
        .bag_id = 100,
        .prev = 200,
        .path = SPAN_LITERAL("copy"),
        .value = m->kind == CHANGE_ITEM_SET ? SPAN_LITERAL("newbyte") : span_of(NULL, 0),
    };
    if (m->check_old) { /* the stream tells nothing of it */
        change.old_seq = seqs[m->old];
        change.has_old = m->old == OLD_OPPOSITE ? !live : live;
        change.old_value = change.has_old ? SPAN_LITERAL("0123456789") : span_of(NULL, 0);
    }
    return change;
}

static bool old_fits(const struct meeting *m)
{
    if (!m->check_old || m->old == OLD_FITS) {
        return true;
    }
    switch (m->state) {
    case ITEM_LIVE:
        return false;
    case ITEM_TOMBSTONE: /* it was purged when the change was made */
        return m->old == OLD_NOTHING;
    default: /* it was purged after that */
        return m->old == OLD_NOTHING || m->old == OLD_PURGED;
    }
}

/* The rule once more, as a person would say it. */
static bool should_fit(const struct meeting *m)
{
    bool of_item = m->kind == CHANGE_ITEM_SET || m->kind == CHANGE_ITEM_REMOVE;
    if (!m->exists || !m->same_bag || !m->same_prev || !m->newer) {
        return false;
    }
    if (of_item && !old_fits(m)) {
        return false;
    }
    return !of_item || m->state != ITEM_LIVE || m->counts_fit;
}

static void check_deleted(const struct bag_row *bag)
{
    assert_false(bag->exists);
    assert_int_equal(bag->bag_id, 100);
    assert_int_equal(bag->last_seq, 300);
    assert_int_equal(bag->items, 0);
    assert_int_equal(bag->bytes, 0);
    assert_true(digest_equal(&bag->digest, &(struct digest){0}));
    assert_string_equal(bag->owner.shown, "Ann");
}

static void check_item(const struct meeting *m, const struct bag_row *before,
                       const struct bag_row *bag, const struct item_row *item)
{
    bool set = m->kind == CHANGE_ITEM_SET;
    bool was = m->state == ITEM_LIVE;
    assert_int_equal(item->state, set ? ITEM_LIVE : ITEM_TOMBSTONE);
    assert_int_equal(item->seq, 300);
    assert_int_equal(item->time_ms, 77);
    assert_int_equal(item->origin, 8);
    assert_false(item->conflict);
    assert_int_equal(item->value.size, set ? NEW_SIZE : 0);
    if (set) {
        assert_memory_equal(item->value.data, "newbyte", NEW_SIZE);
    }
    assert_int_equal(bag->items, before->items + set - was);
    assert_int_equal(bag->bytes, before->bytes + (set ? PATH_SIZE + NEW_SIZE : 0) -
                                     (was ? PATH_SIZE + OLD_SIZE : 0));
    struct bag_row rest = *before; /* and nothing else */
    rest.last_seq = 300;
    if (was) {
        digest_subtract(&rest.digest, SPAN_LITERAL("copy"), ROW_SEQ, SPAN_LITERAL("0123456789"));
    }
    if (set) {
        digest_add(&rest.digest, SPAN_LITERAL("copy"), 300, SPAN_LITERAL("newbyte"));
    }
    rest.items = bag->items;
    rest.bytes = bag->bytes;
    assert_same_bag(&rest, bag);
}

static void meet(const struct meeting *m)
{
    struct change change = make_change(m);
    struct bag_row bag = make_bag(m);
    struct item_row item = make_item(m);
    const struct bag_row bag_before = bag;
    const struct item_row item_before = item;
    struct err err = {0};
    int rc = apply_change(&change, &bag, &item, m->check_old, &err);
    if (!should_fit(m)) {
        assert_int_equal(rc, E_CORRUPT);
        assert_string_not_equal(err.text, "");
        assert_same_bag(&bag, &bag_before);
        assert_same_item(&item, &item_before);
        return;
    }
    assert_int_equal(rc, 0);
    assert_string_equal(err.text, "");
    if (m->kind == CHANGE_BAG_DELETE) {
        check_deleted(&bag);
        assert_same_item(&item, &item_before);
    } else {
        check_item(m, &bag_before, &bag, &item);
    }
}

static struct meeting meeting_of(unsigned bits)
{
    return (struct meeting){
        .exists = (bits & 1) != 0,
        .same_bag = (bits & 2) != 0,
        .same_prev = (bits & 4) != 0,
        .newer = (bits & 8) != 0,
        .check_old = (bits & 16) != 0,
        .counts_fit = (bits & 32) != 0,
    };
}

static void every_meeting(void **state)
{
    (void)state;
    const enum change_kind kinds[] = {CHANGE_BAG_DELETE, CHANGE_ITEM_SET, CHANGE_ITEM_REMOVE};
    size_t fits = 0;
    for (unsigned at = 0; at < 64 * 3 * 3 * OLD_COUNT; at++) {
        struct meeting m = meeting_of(at % 64);
        m.kind = kinds[at / 64 % 3];
        m.state = (enum item_state)(at / (64 * 3) % 3);
        m.old = (enum old)(at / (64 * 9));
        fits += should_fit(&m);
        meet(&m);
    }
    /* Of the 4 last bits any for a deletion; for an item: the stream's of all five kinds, the
     * journal's as they fit; counts are asked for by live rows alone. */
    const size_t deletions = 4 * 3 * OLD_COUNT;
    const size_t stream = 2 * (OLD_COUNT * (2 + 2 + 1));
    const size_t journal = 2 * (3 * 2 + 2 * 2 + 1 * 1);
    assert_int_equal(fits, deletions + stream + journal);
}

static void a_bag_is_created_once(void **state)
{
    (void)state;
    struct change create = {.seq = 300,
                            .kind = CHANGE_BAG_CREATE,
                            .bag_id = 300,
                            .parent = 7,
                            .owner = {OWNER_USER_DEVICE, 5, "Ann", "ann"}};
    for (unsigned bits = 0; bits < 8; bits++) {
        struct bag_row bag = {.exists = (bits & 1) != 0, .bag_id = 9, .last_seq = 10, .items = 4};
        const struct bag_row before = bag;
        struct change change = create;
        change.bag_id = (bits & 2) != 0 ? 299 : 300;
        change.prev = (bits & 4) != 0 ? 10 : 0;
        int rc = apply_change(&change, &bag, NULL, true, NULL);
        if (bits != 0) {
            assert_int_equal(rc, E_CORRUPT);
            assert_same_bag(&bag, &before);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_true(bag.exists);
        assert_int_equal(bag.bag_id, 300);
        assert_int_equal(bag.parent, 7);
        assert_int_equal(bag.last_seq, 300);
        assert_int_equal(bag.items, 0);
        assert_int_equal(bag.bytes, 0);
        assert_int_equal(bag.purged_to, 0);
        assert_true(owner_equal(&bag.owner, &create.owner));
        assert_string_equal(bag.owner.shown, "Ann");
    }
}

static void each_count_of_a_bag_is_guarded(void **state)
{
    (void)state;
    const struct change change = {.seq = 3,
                                  .kind = CHANGE_ITEM_REMOVE,
                                  .bag_id = 1,
                                  .prev = 2,
                                  .path = SPAN_LITERAL("a"),
                                  .old_seq = 2,
                                  .has_old = true,
                                  .old_value = SPAN_LITERAL("xy")};
    const struct {
        uint64_t items;
        uint64_t bytes;
        int code;
    } cases[] = {{0, 3, E_CORRUPT}, {1, 2, E_CORRUPT}, {1, 3, 0}};
    for (size_t i = 0; i < 3; i++) {
        struct bag_row bag = {.exists = true,
                              .bag_id = 1,
                              .last_seq = 2,
                              .items = cases[i].items,
                              .bytes = cases[i].bytes};
        struct bag_row also = bag;
        struct item_row item = {.state = ITEM_LIVE, .seq = 2};
        assert_int_equal(apply_change(&change, &bag, &item, true, NULL), cases[i].code);
        item = (struct item_row){.state = ITEM_LIVE, .seq = 2, .value = SPAN_LITERAL("xy")};
        assert_int_equal(apply_change(&change, &also, &item, false, NULL), cases[i].code);
    }
}

static void some_kinds_touch_no_row(void **state)
{
    (void)state;
    const struct change history = {.seq = 1, .kind = CHANGE_HISTORY};
    const struct change outcome = {.seq = 2, .kind = CHANGE_OP_VOID, .code = 22};
    assert_int_equal(apply_change(&history, NULL, NULL, true, NULL), 0);
    assert_int_equal(apply_change(&outcome, NULL, NULL, true, NULL), 0);
    struct bag_row bag = {.exists = true, .bag_id = 9, .last_seq = 10};
    const struct bag_row before = bag;
    assert_int_equal(apply_change(&outcome, &bag, NULL, true, NULL), 0);
    assert_same_bag(&bag, &before);
}

static void a_conflict_is_kept(void **state)
{
    (void)state;
    struct bag_row bag = {.exists = true, .bag_id = 1, .last_seq = 1};
    struct item_row item = {0};
    struct change change = {.seq = 2,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = 1,
                            .prev = 1,
                            .conflict = true,
                            .path = SPAN_LITERAL("a")};
    assert_int_equal(apply_change(&change, &bag, &item, true, NULL), 0);
    assert_true(item.conflict);
    assert_int_equal(bag.items, 1);
    assert_int_equal(bag.bytes, 1); /* the path of an empty value */
}

/* A replica sees the changes without old values and keeps no tombstones: after each change it must
 * hold what the server holds, in digest too, which is what its items amount to. */
static void replica_and_server_stay_the_same(void **state)
{
    (void)state;
    static const char *const paths[] = {"a", "b/c", "d"};
    static const char value[] = "0123456789abcdef";
    struct bag_row server = {0};
    struct bag_row replica = {0};
    struct item_row on_server[3] = {0};
    struct item_row on_replica[3] = {0};
    uint64_t random = 1;

    struct change change = {.seq = 1, .kind = CHANGE_BAG_CREATE, .bag_id = 1};
    change.owner = (struct owner){OWNER_USER, 0, "Ann", "ann"};
    assert_int_equal(apply_change(&change, &server, NULL, true, NULL), 0);
    assert_int_equal(apply_change(&change, &replica, NULL, false, NULL), 0);
    for (uint64_t seq = 2; seq < 5000; seq++) {
        random = hash64(span_of(&random, sizeof random), 3);
        size_t i = random % 3;
        bool live = on_server[i].state == ITEM_LIVE;
        bool set = (random >> 8) % 3 != 0;
        change = (struct change){.seq = seq,
                                 .kind = set ? CHANGE_ITEM_SET : CHANGE_ITEM_REMOVE,
                                 .bag_id = 1,
                                 .prev = seq - 1,
                                 .path = span_str(paths[i]),
                                 .value = span_of(value, set ? (random >> 16) % 17 : 0),
                                 .old_seq = on_server[i].seq,
                                 .has_old = live,
                                 .old_value = live ? on_server[i].value : span_of(NULL, 0)};
        on_server[i].value = span_of(NULL, 0); /* the change tells it */
        assert_int_equal(apply_change(&change, &server, &on_server[i], true, NULL), 0);
        change.old_seq = 0;
        change.has_old = false;
        change.old_value = span_of(NULL, 0);
        assert_int_equal(apply_change(&change, &replica, &on_replica[i], false, NULL), 0);
        if (on_replica[i].state == ITEM_TOMBSTONE) {
            on_replica[i] = (struct item_row){0};
        }
        uint64_t items = 0;
        uint64_t bytes = 0;
        struct digest digest = {0};
        for (size_t k = 0; k < 3; k++) {
            live = on_server[k].state == ITEM_LIVE;
            assert_int_equal(live, on_replica[k].state == ITEM_LIVE);
            items += live;
            bytes += live ? strlen(paths[k]) + on_server[k].value.size : 0;
            if (live) {
                digest_add(&digest, span_str(paths[k]), on_server[k].seq, on_server[k].value);
            }
        }
        assert_true(digest_equal(&server.digest, &digest));
        assert_int_equal(server.items, items);
        assert_int_equal(server.bytes, bytes);
        assert_same_bag(&server, &replica);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_meeting),
        cmocka_unit_test(a_bag_is_created_once),
        cmocka_unit_test(each_count_of_a_bag_is_guarded),
        cmocka_unit_test(some_kinds_touch_no_row),
        cmocka_unit_test(a_conflict_is_kept),
        cmocka_unit_test(replica_and_server_stay_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
