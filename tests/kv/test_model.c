/* tests/kv/test_model.c - the state against a model: random changes in random batches, flushes,
 * purging, cleaning, burying, clean stops and crashes, each followed by a replay of the journal;
 * then everything that can be read is compared. */
#include "tests/journal/rows.h"
#include "tests/kv/state.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BAGS = 7, PATHS = 10, JOURNAL_MAX = 4000, BATCH_MAX = 40 };

static const char *const owner_texts[BAGS] = {"user:Ann",
                                              "user:Bea",
                                              "user:Ann/device:0000000000000001",
                                              "user:Bea/device:0000000000000001",
                                              "group:Staff",
                                              "fleet",
                                              "device:0000000000000001"};
static const char *const path_texts[PATHS] = {"@group/staff", "@user/1", "a", "a/b", "a/c", "b",
                                              "c/d/e",        "ca",      "x", "y"};
static const char value_text[] = "abcdefghijklmnopqrstuvwxyz";

/* One owner's bag as it should be. Tombstones are kept for ever: which of them the state has purged
 * follows from row.purged_to. */
struct model_bag {
    struct bag_row row;
    struct item_row items[PATHS];
};

struct world {
    uint64_t random;
    struct change journal[JOURNAL_MAX]; /* change n has seq n + 1 */
    size_t count;
    struct model_bag bags[BAGS];
    struct model_bag graves[JOURNAL_MAX]; /* as they were, with the deletion as last_seq */
    size_t grave_count;
    uint64_t clean_to; /* the highest that was ever cleaned */
    uint64_t bury_to;  /* and buried */
    size_t purged;     /* how often purging removed something */
    size_t forgotten;  /* how often a crash brought it back */
    uint64_t highest;  /* operation of the one writer */
};

static uint64_t draw(struct world *world, uint64_t below)
{
    world->random = hash64(span_of(&world->random, sizeof world->random), 11);
    return world->random % below;
}

static bool is_visible(const struct model_bag *bag, const struct item_row *item)
{
    return item->state == ITEM_LIVE ||
           (item->state == ITEM_TOMBSTONE && item->seq > bag->row.purged_to);
}

/* --- making changes that fit the model --- */

static void put_item(struct world *world, struct model_bag *bag, struct change *change)
{
    size_t path = draw(world, PATHS);
    struct item_row *item = &bag->items[path];
    change->kind = draw(world, 3) == 0 ? CHANGE_ITEM_REMOVE : CHANGE_ITEM_SET;
    change->path = span_str(path_texts[path]);
    if (change->kind == CHANGE_ITEM_SET) {
        change->value = span_of(value_text, draw(world, sizeof value_text));
    }
    change->old_seq = is_visible(bag, item) ? item->seq : 0;
    change->has_old = item->state == ITEM_LIVE;
    change->old_value = item->value;
    change->conflict = draw(world, 5) == 0;
    assert_int_equal(apply_change(change, &bag->row, item, true, NULL), 0);
}

static void delete_bag(struct world *world, struct model_bag *bag, struct change *change)
{
    change->kind = CHANGE_BAG_DELETE;
    world->graves[world->grave_count] = *bag;
    world->graves[world->grave_count++].row.last_seq = change->seq;
    assert_int_equal(apply_change(change, &bag->row, NULL, true, NULL), 0);
    *bag = (struct model_bag){0};
}

/* A user-device bag needs its user's; a user's is kept while it has one. False: not now. */
static bool create_bag(struct world *world, size_t which, struct change *change)
{
    change->kind = CHANGE_BAG_CREATE;
    change->bag_id = change->seq;
    change->prev = 0;
    change->owner = state_owner(owner_texts[which]);
    if (change->owner.kind == OWNER_USER_DEVICE) {
        const struct bag_row *user = &world->bags[which - 2].row;
        if (!user->exists) {
            return false;
        }
        change->parent = user->bag_id;
    }
    struct model_bag *bag = &world->bags[which];
    *bag = (struct model_bag){0};
    assert_int_equal(apply_change(change, &bag->row, NULL, true, NULL), 0);
    return true;
}

static bool next_change(struct world *world, struct change *change)
{
    size_t which = draw(world, BAGS);
    struct model_bag *bag = &world->bags[which];
    *change = (struct change){.seq = world->count + 1,
                              .time_ms = 1000 + world->count,
                              .origin = 5,
                              .bag_id = bag->row.bag_id,
                              .prev = bag->row.last_seq};
    if (draw(world, 4) == 0) {
        change->has_op = true;
        change->op = (struct change_op){7, world->highest + 1, draw(world, 1000),
                                        draw(world, world->highest + 1)};
    }
    if (draw(world, 30) == 0 && change->has_op) {
        change->kind = CHANGE_OP_VOID;
        change->bag_id = change->prev = 0;
        change->code = 4;
    } else if (!bag->row.exists) {
        if (!create_bag(world, which, change)) {
            return false;
        }
    } else if (draw(world, 25) == 0 && !(which < 2 && world->bags[which + 2].row.exists)) {
        delete_bag(world, bag, change);
    } else {
        put_item(world, bag, change);
    }
    world->highest += change->has_op;
    world->journal[world->count++] = *change;
    return true;
}

/* --- comparing --- */

struct reading {
    const struct model_bag *bag;
    size_t path;
    uint64_t since;
};

/* Paths are in order, so each row has to be the model's next one. */
static int compare_row(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    struct reading *reading = context;
    const struct item_row *want = NULL;
    for (;; reading->path++) {
        assert_true(reading->path < PATHS);
        want = &reading->bag->items[reading->path];
        bool due = reading->since > 0 ? is_visible(reading->bag, want) && want->seq > reading->since
                                      : want->state == ITEM_LIVE;
        if (due) {
            break;
        }
    }
    assert_true(span_equal(path, span_str(path_texts[reading->path])));
    assert_int_equal(row->state, want->state);
    assert_int_equal(row->seq, want->seq);
    assert_int_equal(row->time_ms, want->time_ms);
    assert_int_equal(row->origin, want->origin);
    assert_int_equal(row->conflict, want->conflict);
    assert_true(span_equal(row->value, want->value));
    reading->path++;
    return 0;
}

typedef int page_fn(struct kv *kv, struct kv_view *view, const struct kv_page *page,
                    kv_row_fn *each, void *context, struct buf *next, bool *end, struct err *err);

static void compare_items(struct kv *kv, page_fn *read_page, const struct model_bag *bag,
                          uint64_t since)
{
    struct reading reading = {.bag = bag, .since = since};
    struct kv_page page = {.bag_id = bag->row.bag_id, .since = since, .budget_bytes = 100};
    struct buf next;
    buf_init(&next, PATH_MAX_BYTES);
    for (bool end = false; !end;) {
        assert_int_equal(read_page(kv, NULL, &page, compare_row, &reading, &next, &end, NULL), 0);
        page.after = buf_span(&next);
    }
    buf_free(&next);
    for (; reading.path < PATHS; reading.path++) { /* nothing is missing at the end */
        const struct item_row *item = &bag->items[reading.path];
        assert_true(item->seq <= since ||
                    (since > 0 ? !is_visible(bag, item) : item->state != ITEM_LIVE));
    }
}

/* Said once more, without the apply rule: count, bytes and digest of what is there. */
static void compare_sums(const struct model_bag *want, const struct bag_row *bag)
{
    struct digest digest = {0};
    uint64_t items = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < PATHS; i++) {
        const struct item_row *item = &want->items[i];
        if (item->state == ITEM_LIVE) {
            items++;
            bytes += strlen(path_texts[i]) + item->value.size;
            digest_add(&digest, span_str(path_texts[i]), item->seq, item->value);
        }
    }
    assert_int_equal(bag->items, items);
    assert_int_equal(bag->bytes, bytes);
    assert_true(digest_equal(&bag->digest, &digest));
}

static void compare_bag(struct kv *kv, struct world *world, size_t which, struct kv_counts *counts)
{
    const struct model_bag *want = &world->bags[which];
    struct owner owner = state_owner(owner_texts[which]);
    struct bag_row bag;
    int rc = kv_bag_of(kv, NULL, &owner, &bag, NULL);
    if (!want->row.exists) {
        assert_int_equal(rc, E_NOT_FOUND);
        return;
    }
    assert_int_equal(rc, 0);
    assert_same_bag(&bag, &want->row);
    compare_sums(want, &bag);
    compare_items(kv, kv_page, want, 0);
    compare_items(kv, kv_page, want, want->row.bag_id + draw(world, world->count));
    counts->bags++;
    counts->users += owner.kind == OWNER_USER;
    counts->groups += owner.kind == OWNER_GROUP;
    counts->items += bag.items;
    counts->bytes += bag.bytes;
}

/* A link's item: is it live, and where it counts? */
static const struct item_row *link_of(const struct world *world, size_t which, size_t path,
                                      enum owner_kind kind)
{
    const struct model_bag *bag = &world->bags[which];
    const struct item_row *item = &bag->items[path];
    bool there = bag->row.exists && bag->row.owner.kind == kind && item->state == ITEM_LIVE;
    return there ? item : NULL;
}

struct links {
    uint64_t bags[BAGS]; /* of members; machines of sign-ins */
    uint64_t times_ms[BAGS];
    size_t count;
};

static int add_link(struct links *links, uint64_t who, uint64_t time_ms)
{
    assert_true(links->count < BAGS);
    links->bags[links->count] = who;
    links->times_ms[links->count++] = time_ms;
    return 0;
}

static int add_sign_in(void *context, const struct kv_sign_in *sign_in, struct err *err)
{
    (void)err;
    assert_int_equal(sign_in->user_bag, 1);
    return add_link(context, sign_in->device, sign_in->time_ms);
}

static int add_member(void *context, uint64_t user_bag, uint64_t time_ms, struct err *err)
{
    (void)err;
    return add_link(context, user_bag, time_ms);
}

static bool has_link(const struct links *links, uint64_t who, uint64_t time_ms)
{
    for (size_t i = 0; i < links->count; i++) {
        if (links->bags[i] == who && links->times_ms[i] == time_ms) {
            return true;
        }
    }
    return false;
}

static void compare_links(struct kv *kv, const struct world *world)
{
    static const uint64_t first_bag = 1; /* whosever it was */
    struct links sign_ins = {0};
    struct links members = {0};
    struct kv_view *view = NULL;
    assert_int_equal(kv_view_new(&view, kv, NULL), 0);
    assert_int_equal(kv_sign_ins(kv, view, &first_bag, 1, add_sign_in, &sign_ins, NULL), 0);
    assert_int_equal(kv_members(kv, view, "staff", add_member, &members, NULL), 0);
    kv_view_free(&view);
    size_t count = 0;
    for (size_t i = 0; i < BAGS; i++) {
        const struct item_row *member = link_of(world, i, 0, OWNER_USER);
        const struct item_row *sign_in = link_of(world, i, 1, OWNER_DEVICE);
        assert_true(member == NULL ||
                    has_link(&members, world->bags[i].row.bag_id, member->time_ms));
        assert_true(sign_in == NULL || has_link(&sign_ins, 1, sign_in->time_ms));
        count += member != NULL;
        count += sign_in != NULL;
    }
    assert_int_equal(members.count + sign_ins.count, count);
}

/* Whether it may be cleaned or buried follows from what was asked for at any time: a crash may have
 * undone it. */
static void compare_grave(struct kv *kv, const struct world *world, const struct model_bag *want)
{
    struct kv_grave grave;
    int rc = kv_grave(kv, NULL, want->row.bag_id, &grave, NULL);
    if (rc == E_NOT_FOUND) {
        assert_true(want->row.last_seq < world->bury_to && want->row.last_seq <= world->clean_to);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(grave.last_seq, want->row.last_seq);
    assert_true(owner_equal(&grave.owner, &want->row.owner));
    const struct bag_row row = {.items = grave.items, .bytes = grave.bytes, .digest = grave.digest};
    compare_sums(want, &row);
    assert_true(grave.whole || want->row.last_seq <= world->clean_to);
    if (grave.whole) {
        compare_items(kv, kv_void_page, want, 0);
    }
}

static void never_wrong(void *context, const struct kv_wrong *wrong)
{
    (void)context;
    fail_msg("bag %llu: %s", (unsigned long long)wrong->bag_id, wrong->text);
}

static void compare_scrubbed(struct kv *kv, uint64_t bags)
{
    uint64_t next = 0;
    uint64_t checked = 0;
    uint64_t wrong = 0;
    do {
        assert_int_equal(kv_scrub(kv, &next, 300, &checked, &wrong, never_wrong, NULL, NULL), 0);
    } while (next != 0);
    assert_int_equal(checked, bags);
}

static void compare_all(struct kv *kv, struct world *world)
{
    struct kv_position position;
    kv_position(kv, &position);
    assert_int_equal(position.seq, world->count);
    struct kv_counts want = {0};
    for (size_t i = 0; i < BAGS; i++) {
        compare_bag(kv, world, i, &want);
    }
    struct kv_counts counts;
    assert_int_equal(kv_counts(kv, NULL, &counts, NULL), 0);
    assert_memory_equal(&counts, &want, sizeof want);
    compare_scrubbed(kv, counts.bags);
    compare_links(kv, world);
    for (size_t i = 0; i < world->grave_count; i++) {
        compare_grave(kv, world, &world->graves[i]);
    }
    struct kv_writer writer;
    assert_int_equal(kv_writer(kv, 7, &writer, NULL), 0);
    assert_int_equal(writer.highest, world->highest);
}

/* --- the run --- */

static void apply_from(struct kv *kv, const struct world *world, uint64_t *random)
{
    struct kv_position position;
    kv_position(kv, &position);
    size_t at = (size_t)position.seq;
    while (at < world->count) {
        *random = hash64(span_of(random, sizeof *random), 5);
        size_t size = 1 + *random % BATCH_MAX;
        size = size < world->count - at ? size : world->count - at;
        struct err err = {0};
        int rc = kv_apply(kv, &world->journal[at], size, state_hash, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        at += size;
    }
}

/* The model takes over how far the state says that it purged each bag. */
static void adopt_purges(struct kv *kv, struct world *world, bool crashed)
{
    for (size_t i = 0; i < BAGS; i++) {
        struct bag_row *row = &world->bags[i].row;
        struct bag_row bag;
        if (row->exists && kv_bag(kv, NULL, row->bag_id, &bag, NULL) == 0) {
            assert_true(crashed ? bag.purged_to <= row->purged_to
                                : bag.purged_to >= row->purged_to);
            world->purged += bag.purged_to > row->purged_to;
            world->forgotten += bag.purged_to < row->purged_to;
            row->purged_to = bag.purged_to;
        }
    }
}

/* When the budget was enough, no tombstone as old as that is left. */
static void purge(struct kv *kv, struct world *world)
{
    struct kv_position position;
    kv_position(kv, &position);
    uint64_t back = draw(world, 60); /* most tombstones do not live long */
    uint64_t up_to = position.seq > back ? position.seq - back : 0;
    bool more = false;
    assert_int_equal(kv_purge(kv, up_to, 1 + draw(world, 10), &more, NULL), 0);
    adopt_purges(kv, world, false);
    for (size_t i = 0; i < BAGS && !more && position.seq == world->count; i++) {
        const struct model_bag *bag = &world->bags[i];
        for (size_t k = 0; k < PATHS; k++) {
            const struct item_row *item = &bag->items[k];
            assert_true(item->state != ITEM_TOMBSTONE || item->seq > up_to ||
                        !is_visible(bag, item));
        }
    }
}

static void clean_and_bury(struct kv *kv, struct world *world)
{
    bool more = false;
    uint64_t up_to = draw(world, world->count);
    world->clean_to = up_to > world->clean_to ? up_to : world->clean_to;
    assert_int_equal(kv_clean(kv, up_to, 1 + draw(world, 20), &more, NULL), 0);
    uint64_t floor = draw(world, world->count);
    world->bury_to = floor > world->bury_to ? floor : world->bury_to;
    assert_int_equal(kv_bury(kv, floor, 1 + draw(world, 3), &more, NULL), 0);
}

static void disturb(struct state *state, struct world *world)
{
    uint64_t seq = 0;
    switch (draw(world, 8)) {
    case 0:
        assert_int_equal(kv_flush(state->kv, &seq, NULL), 0);
        assert_int_equal(seq, world->count);
        break;
    case 1:
    case 2:
        clean_and_bury(state->kv, world);
        break;
    case 3:
        state_reopen(state, true);
        assert_int_equal(state_seq(state), world->count);
        break;
    case 4:
        state_reopen(state, false);
        apply_from(state->kv, world, &world->random);
        adopt_purges(state->kv, world, true);
        break;
    case 5:
        purge(state->kv, world);
        break;
    default:
        break;
    }
}

static struct world *run(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->random = seed;
    struct state state;
    state_open(&state);
    while (world->count < 1500) {
        size_t until = world->count + 1 + draw(world, BATCH_MAX);
        while (world->count < until) {
            struct change change;
            (void)next_change(world, &change);
        }
        if (draw(world, 4) == 0) {
            purge(state.kv, world); /* what the changes to come replace */
        }
        apply_from(state.kv, world, &world->random);
        compare_all(state.kv, world);
        disturb(&state, world);
    }
    compare_all(state.kv, world);
    assert_true(world->grave_count > 10);
    assert_true(world->highest > 100);
    state_close(&state);
    return world;
}

static void random_worlds(void **unused)
{
    (void)unused;
    size_t forgotten = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world *world = run(seed);
        assert_true(world->purged > 5);
        forgotten += world->forgotten;
        free(world);
    }
    assert_true(forgotten > 10); /* or no crash ever met a purge */
}

/* --- killed at any moment --- */

/* Applies the whole journal again and again, with flushes, until it is killed. */
_Noreturn static void work_until_killed(const char *dir, const struct world *world, int ready)
{
    const struct kv_options options = {dir, 64 << 10, 1 << 20}; /* small: it flushes by itself */
    struct kv *kv = NULL;
    if (kv_open(&kv, &options, NULL) != 0 || write(ready, "y", 1) != 1) {
        _exit(1);
    }
    struct kv_position position;
    kv_position(kv, &position);
    uint64_t seq = 0;
    for (size_t at = (size_t)position.seq; at < world->count; at++) {
        if (kv_apply(kv, &world->journal[at], 1, state_hash, NULL) != 0 ||
            (at % 997 == 0 && kv_flush(kv, &seq, NULL) != 0)) {
            _exit(2);
        }
    }
    for (;;) {
        (void)pause();
    }
}

/* The state of the first `count` changes of the journal. */
static void rebuild(struct world *world, size_t count)
{
    struct world *fresh = calloc(1, sizeof *fresh);
    assert_non_null(fresh);
    fresh->random = 99;
    while (fresh->count < count) {
        struct change change;
        (void)next_change(fresh, &change);
    }
    *world = *fresh;
    free(fresh);
}

/* Runs before RocksDB is used in this process: a child has none of its parent's threads. */
static void killed_at_random_moments(void **unused)
{
    (void)unused;
    struct world *world = calloc(1, sizeof *world);
    struct world *model = calloc(1, sizeof *model);
    assert_true(world != NULL && model != NULL);
    rebuild(world, JOURNAL_MAX);
    for (unsigned round = 0; round < 8; round++) {
        struct state state = {0};
        tmp_folder_make(state.dir);
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            work_until_killed(state.dir, world, ready[1]);
        }
        char byte = 0;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void)usleep(round * 9000);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        (void)close(ready[0]);
        (void)close(ready[1]);

        /* Another child looks at what is left, for the same reason. */
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            state_reopen(&state, false);
            print_message("killed: back at change %llu\n", (unsigned long long)state_seq(&state));
            rebuild(model, (size_t)state_seq(&state));
            compare_all(state.kv, model);
            apply_from(state.kv, world, &world->random);
            compare_all(state.kv, world);
            kv_close(&state.kv, false);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        tmp_folder_remove(state.dir);
    }
    free(world);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random_moments),
        cmocka_unit_test(random_worlds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
