/* tests/client/test_replica_view.c - which layer of an item counts on a device. */
#include "tests/client/replica_samples.h"

#include <pthread.h>
#include <stdatomic.h>

#include "client/replica_inside.h"
#include "tests/client/sharing_samples.h"
#include "tests/support/fail_alloc.h"

enum { ANN = 40, ANNS = 45, DEVICE = 7 };

/* Ann's bag, hers on this device, and a fleet with the category "copy". Seqs up to 59. */
static struct owner begin(struct fixture *f)
{
    fixture_begin(f);
    (void)sample_fleet(f);
    struct replica_bag ann = sample_bag(f, "Ann", ANN, ANN);
    struct replica_bag device = {.bag_id = ANNS, .cursor = ANNS, .complete = true, .keep = true};
    assert_int_equal(owner_make(&device.owner, OWNER_USER_DEVICE, span_str("Ann"), DEVICE, NULL),
                     0);
    assert_int_equal(replica_bag_add(f->replica, &device, NULL), 0);
    apply_set(f, ANN, 50, ANN, "copy/paper", "a4");
    apply_set(f, ANN, 51, 50, "language", "en");
    apply_set(f, ANNS, 52, ANNS, "copy/paper", "mine");
    apply_set(f, ANNS, 53, 52, "copy/tray", "my tray");
    apply_set(f, ANNS, 54, 53, "language", "no layer of it");
    fleet_category(f->replica, "copy", 0, 55, FLEET);
    return ann.owner;
}

static struct replica_view view_of(const struct owner *owner)
{
    return (struct replica_view){.owner = owner, .device = DEVICE};
}

static const char *const layer_names[REPLICA_LAYERS] = {"none", "shared", "device", "default"};

/* "LAYER:value", "+" before a local write's layer; "none". */
static const char *seen(struct fixture *f, const struct replica_view *view, const char *path)
{
    static char text[256];
    struct buf value;
    struct replica_seen out;
    buf_init(&value, 200);
    int rc = replica_view_item(f->replica, view, span_str(path), &out, &value, NULL);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    (void)snprintf(text, sizeof text, "none");
    if (rc == 0) {
        assert_true(span_equal(out.row.value, buf_span(&value)));
        (void)snprintf(text, sizeof text, "%s%s:%.*s", out.local ? "+" : "", layer_names[out.layer],
                       (int)value.size, (const char *)value.data);
    }
    buf_free(&value);
    return text;
}

static int list_seen(void *context, const struct replica_seen *seen, struct err *err)
{
    (void)err;
    struct buf *out = context;
    (void)buf_printf(out, "%s%.*s=%s%.*s", out->size > 0 ? " " : "", (int)seen->path.size,
                     (const char *)seen->path.data, seen->local ? "+" : "",
                     (int)seen->row.value.size, (const char *)seen->row.value.data);
    return 0;
}

static void assert_seen(struct fixture *f, const struct replica_view *view, const char *prefix,
                        const char *expected)
{
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(replica_view_items(f->replica, view, span_str(prefix), list_seen, &out, NULL),
                     0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, expected);
    buf_free(&out);
}

static void what_is_shared_is_the_users_own(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    assert_string_equal(seen(&f, &view, "copy/paper"), "shared:a4");
    assert_string_equal(seen(&f, &view, "copy/tray"), "none");
    assert_string_equal(seen(&f, &view, "language"), "shared:en");
    assert_seen(&f, &view, "", "copy/paper=a4 language=en");
    struct owner nobody = sample_owner("Bob");
    view = view_of(&nobody);
    assert_string_equal(seen(&f, &view, "language"), "none");
    assert_seen(&f, &view, "", "");
    fixture_end(&f);
}

static void what_is_device_specific_is_the_devices_own(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_flag(f.replica, "copy", true, false, 60, 55);
    assert_string_equal(seen(&f, &view, "copy/paper"), "device:mine");
    assert_string_equal(seen(&f, &view, "copy/tray"), "device:my tray");
    assert_string_equal(seen(&f, &view, "language"), "shared:en"); /* of no category */
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en");
    assert_seen(&f, &view, "copy/t", "copy/tray=my tray");
    view.device = 8; /* another one: it has none of its own, and the shared one is not shown */
    assert_string_equal(seen(&f, &view, "copy/paper"), "none");
    assert_seen(&f, &view, "", "language=en");
    view.device = 0; /* one that never joined knows of none */
    assert_string_equal(seen(&f, &view, "copy/paper"), "none");
    fleet_flag(f.replica, "copy", false, false, 61, 60);
    view.device = DEVICE;
    assert_seen(&f, &view, "", "copy/paper=a4 language=en");
    fixture_again(&f); /* it is known from the start */
    fleet_flag(f.replica, "copy", true, false, 62, 61);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en");
    fixture_end(&f);
}

/* The bag on the device is asked for by its name: nothing lies over it. */
static void bags_of_other_kinds_are_as_they_are(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct owner device = ann;
    device.kind = OWNER_USER_DEVICE;
    device.device = DEVICE;
    fleet_default(f.replica, "copy/paper", "letter", 60, 55);
    fleet_default(f.replica, "copy/zoom", "1", 61, 60);
    struct replica_view view = view_of(&device);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=no layer of it");
    assert_string_equal(seen(&f, &view, "copy/zoom"), "none");
    struct owner fleet;
    assert_int_equal(owner_parse(&fleet, "fleet", NULL), 0);
    view = view_of(&fleet);
    assert_string_equal(seen(&f, &view, "@default/copy/paper"), "shared:letter");
    fixture_end(&f);
}

static void a_copy_is_of_the_moment_of_its_flag(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    apply_set(&f, ANN, 56, 51, "copy/zoom", "2");
    fleet_flag(f.replica, "copy", true, true, 60, 55);
    assert_string_equal(seen(&f, &view, "copy/paper"), "device:mine");
    assert_string_equal(seen(&f, &view, "copy/zoom"), "shared:2"); /* it has none of its own */
    assert_seen(&f, &view, "copy/", "copy/paper=mine copy/tray=my tray copy/zoom=2");
    apply_set(&f, ANNS, 61, 54, "copy/zoom", "3");
    assert_string_equal(seen(&f, &view, "copy/zoom"), "device:3");
    apply_set(&f, ANN, 62, 56, "copy/ink", "black"); /* of after the flag */
    assert_string_equal(seen(&f, &view, "copy/ink"), "none");
    fleet_flag(f.replica, "copy", true, true, 62 + 1, 60);
    assert_string_equal(seen(&f, &view, "copy/ink"), "shared:black");
    fixture_end(&f);
}

static void a_default_is_for_who_has_none(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_default(f.replica, "copy/tray", "any", 60, 55);
    fleet_default(f.replica, "language", "ja", 61, 60);
    fleet_default(f.replica, "new", "yes", 62, 61);
    assert_seen(&f, &view, "", "copy/paper=a4 copy/tray=any language=en new=yes");
    assert_string_equal(seen(&f, &view, "copy/tray"), "default:any");
    fleet_flag(f.replica, "copy", true, false, 63, 62);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en new=yes");
    view.device = 8;
    assert_seen(&f, &view, "copy", "copy/tray=any");
    char longest[PATH_MAX_BYTES + 1]; /* too long to have a default */
    memset(longest, 'a', PATH_MAX_BYTES);
    longest[PATH_MAX_BYTES] = '\0';
    assert_string_equal(seen(&f, &view, longest), "none");
    assert_seen(&f, &view, longest, "");
    fixture_end(&f);
}

static void fences_count_in_each_layer(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_default(f.replica, "copy/paper", "letter", 60, 55);
    fleet_fence(f.replica, "shared/copy", 61, 60);
    assert_seen(&f, &view, "", "copy/paper=letter language=en");
    fleet_flag(f.replica, "copy", true, true, 62, 61);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en");
    fleet_fence(f.replica, "device/copy", 63, 62);
    assert_seen(&f, &view, "", "copy/paper=letter language=en"); /* the copy is void as well */
    struct replica_explained found;
    assert_int_equal(
        replica_view_explain(f.replica, &view, span_str("copy/paper"), &found, NULL, NULL), 0);
    assert_int_equal(found.seen.layer, REPLICA_DEFAULT);
    static const uint64_t hidden_by[REPLICA_LAYERS] = {0, 61, 63, 0};
    for (int layer = REPLICA_SHARED; layer < REPLICA_LAYERS; layer++) {
        assert_true(found.layers[layer].there);
        assert_int_equal(found.layers[layer].hidden_by, hidden_by[layer]);
    }
    fixture_end(&f);
}

static void an_explanation_has_all_layers(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    struct replica_explained found;
    struct buf value;
    buf_init(&value, 100);
    fleet_flag(f.replica, "copy", true, true, 60, 55);
    fleet_default(f.replica, "copy/paper", "letter", 61, 60);
    assert_int_equal(
        replica_view_explain(f.replica, &view, span_str("copy/paper"), &found, &value, NULL), 0);
    assert_int_equal(found.seen.layer, REPLICA_DEVICE);
    assert_true(span_equal(found.seen.row.value, SPAN_LITERAL("mine")));
    assert_true(found.has_flag && found.device && found.copy);
    assert_int_equal(found.flag_seq, 60);
    assert_int_equal(found.layers[REPLICA_SHARED].row.seq, 50);
    assert_int_equal(found.layers[REPLICA_SHARED].size, 2);
    assert_int_equal(found.layers[REPLICA_DEVICE].row.seq, 52);
    assert_int_equal(found.layers[REPLICA_DEVICE].row.origin, 5);
    assert_int_equal(found.layers[REPLICA_DEFAULT].row.seq, 61);
    assert_int_equal(replica_view_explain(f.replica, &view, span_str("x"), &found, &value, NULL),
                     0);
    assert_int_equal(found.seen.layer, REPLICA_NONE);
    assert_false(found.has_flag || found.layers[REPLICA_SHARED].there);
    buf_free(&value);
    fixture_end(&f);
}

/* --- local writes --- */

static struct replica_local local_of(const char *path, const char *value)
{
    return (struct replica_local){.path = span_str(path),
                                  .removed = value == NULL,
                                  .value = span_str(value != NULL ? value : ""),
                                  .time_ms = 1};
}

static void a_local_write_wins_over_all(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    struct replica_local over[] = {local_of("a", "first"), local_of("copy/paper", "b5"),
                                   local_of("zz", "last")};
    struct replica_local device[] = {local_of("copy/paper", "no"), local_of("copy/tray", "9")};
    view.over = (struct replica_locals){over, 3};
    view.over_device = (struct replica_locals){device, 2};
    assert_string_equal(seen(&f, &view, "copy/paper"), "+shared:b5");
    assert_seen(&f, &view, "", "a=+first copy/paper=+b5 language=en zz=+last");
    fleet_flag(f.replica, "copy", true, false, 60, 55);
    assert_string_equal(seen(&f, &view, "copy/paper"), "+device:b5");
    assert_string_equal(seen(&f, &view, "copy/tray"), "+device:9");
    assert_seen(&f, &view, "", "a=+first copy/paper=+b5 copy/tray=+9 language=en zz=+last");
    fixture_end(&f);
}

/* What is removed is so in the layer that is written to; what lies below it is seen then, and will
 * be when the server has taken the removal up. */
static void a_local_removal_shows_what_lies_below(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    struct replica_local gone = local_of("copy/paper", NULL);
    view.over = (struct replica_locals){&gone, 1};
    assert_string_equal(seen(&f, &view, "copy/paper"), "none");
    assert_seen(&f, &view, "", "language=en");
    fleet_default(f.replica, "copy/paper", "letter", 60, 55);
    assert_string_equal(seen(&f, &view, "copy/paper"), "default:letter");
    fleet_flag(f.replica, "copy", true, true, 61, 60);
    assert_string_equal(seen(&f, &view, "copy/paper"), "shared:a4"); /* the copy */
    assert_seen(&f, &view, "copy/", "copy/paper=a4 copy/tray=my tray");
    fleet_flag(f.replica, "copy", true, false, 62, 61);
    assert_string_equal(seen(&f, &view, "copy/paper"), "default:letter");
    view.over = (struct replica_locals){0};
    view.over_device = (struct replica_locals){&gone, 1}; /* of the bag on the device, by name */
    assert_string_equal(seen(&f, &view, "copy/paper"), "default:letter");
    fleet_flag(f.replica, "copy", false, false, 63, 62);
    assert_string_equal(seen(&f, &view, "copy/paper"), "shared:a4");
    fixture_end(&f);
}

/* --- one moment --- */

struct reading {
    struct fixture *f;
    struct buf *out;
};

static int flip_meanwhile(void *context, const struct replica_seen *seen, struct err *err)
{
    struct reading *reading = context;
    if (reading->out->size == 0) {
        fleet_flag(reading->f->replica, "copy", true, false, 60, 55);
    }
    return list_seen(reading->out, seen, err);
}

static int stop_with(void *context, const struct replica_seen *seen, struct err *err)
{
    (void)seen;
    (void)err;
    return *(int *)context;
}

static void a_list_is_of_one_moment(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    struct buf out;
    buf_init(&out, 1000);
    struct reading reading = {&f, &out};
    struct span all = {NULL, 0};
    assert_int_equal(replica_view_items(f.replica, &view, all, flip_meanwhile, &reading, NULL), 0);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, "copy/paper=a4 language=en");
    buf_free(&out);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en");
    int said = 3;
    assert_int_equal(replica_view_items(f.replica, &view, all, stop_with, &said, NULL), 3);
    said = E_CORRUPT; /* is the caller's word, and no damage */
    assert_int_equal(replica_view_items(f.replica, &view, all, stop_with, &said, NULL), E_CORRUPT);
    assert_true(bag_with_id(&f, ANN).complete);
    fixture_end(&f);
}

enum { READERS = 3, FLIPS = 120 };

struct reader {
    struct fixture *f;
    const struct owner *owner;
    atomic_bool *over;
    unsigned lists;
    bool wrong;
};

static int note_copies(void *context, const struct replica_seen *seen, struct err *err)
{
    (void)err;
    char *letters = context; /* of the layers of the two */
    if (span_equal(seen->path, SPAN_LITERAL("copy/paper")) ||
        span_equal(seen->path, SPAN_LITERAL("fax/paper"))) {
        letters[strlen(letters)] = layer_names[seen->layer][0];
    }
    return 0;
}

/* Both categories change in one change set: nobody sees one of them changed. */
static void *read_on(void *context)
{
    struct reader *reader = context;
    struct replica_view view = view_of(reader->owner);
    struct span all = {NULL, 0};
    while (!atomic_load(reader->over)) {
        char letters[8] = "";
        int rc = replica_view_items(reader->f->replica, &view, all, note_copies, letters, NULL);
        bool whole = strcmp(letters, "dd") == 0 || strcmp(letters, "ss") == 0;
        reader->wrong = reader->wrong || rc != 0 || !whole;
        reader->lists++;
    }
    return NULL;
}

static void flags_together(struct fixture *f, bool device, uint64_t seq, uint64_t prev)
{
    struct buf value;
    buf_init(&value, 100);
    sharing_put_flag(&value, device, false);
    struct change changes[2] = {sample_set(FLEET, seq, prev, "@sharing/copy", ""),
                                sample_set(FLEET, seq + 1, seq, "@sharing/fax", "")};
    changes[0].value = changes[1].value = buf_span(&value);
    uint64_t bad = 0;
    assert_int_equal(
        replica_apply(f->replica, changes, 2, seq + 1, sample_hash, &bad, NULL, NULL, NULL), 0);
    buf_free(&value);
}

static void readers_on_other_threads_see_whole_moments(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    fleet_category(f.replica, "fax", 0, 56, 55);
    apply_set(&f, ANN, 57, 51, "fax/paper", "a4");
    apply_set(&f, ANNS, 58, 54, "fax/paper", "mine");
    atomic_bool over = false;
    pthread_t threads[READERS];
    struct reader readers[READERS];
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.f = &f, .owner = &ann, .over = &over};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    uint64_t prev = 56;
    for (uint64_t i = 0; i < FLIPS; i++) {
        flags_together(&f, i % 2 == 0, 60 + 2 * i, prev);
        prev = 61 + 2 * i;
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(readers[i].lists > 0);
        assert_false(readers[i].wrong);
    }
    fixture_end(&f);
}

/* A server of another version may have what this one can't read: it is no rule. */
static void what_is_no_flag_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_item(f.replica, SHARING_FLAG, "copy", SPAN_LITERAL("\x93 what"), 60, 55);
    assert_string_equal(seen(&f, &view, "copy/paper"), "shared:a4");
    fleet_item(f.replica, SHARING_CATEGORY, "language", SPAN_LITERAL("\xc1"), 61, 60);
    assert_string_equal(seen(&f, &view, "language"), "shared:en");
    fixture_end(&f);
}

/* --- damage --- */

static void spoil(struct fixture *f, uint64_t bag_id, const char *path)
{
    MDB_txn *txn = NULL;
    struct replica_bag bag = bag_with_id(f, bag_id);
    struct record_key wanted = replica_key_item(bag.local, bag.copy, span_str(path));
    MDB_val key = {wanted.size, wanted.bytes};
    MDB_val data;
    static uint8_t bytes[1000];
    assert_int_equal(mdb_txn_begin(f->replica->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_get(txn, f->replica->tables[TABLE_ITEMS], &key, &data), 0);
    assert_true(data.mv_size <= sizeof bytes);
    memcpy(bytes, data.mv_data, data.mv_size);
    bytes[data.mv_size - 1] ^= 1;
    data.mv_data = bytes;
    assert_int_equal(mdb_put(txn, f->replica->tables[TABLE_ITEMS], &key, &data, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
}

static int look(struct fixture *f, const struct replica_view *view, const char *path)
{
    struct replica_seen out;
    return replica_view_item(f->replica, view, span_str(path), &out, NULL, NULL);
}

/* The other layer is not shown in its stead. */
static void damage_is_never_taken_for_a_missing_layer(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_default(f.replica, "copy/paper", "letter", 60, 55);
    fleet_flag(f.replica, "copy", true, true, 61, 60);
    spoil(&f, ANNS, "copy/paper");
    assert_int_equal(look(&f, &view, "copy/paper"), E_CORRUPT);
    assert_int_equal(bag_with_id(&f, ANNS).cursor, 0);
    assert_int_equal(bag_with_id(&f, ANN).cursor, 51);
    assert_int_equal(bag_with_id(&f, FLEET).cursor, 61);
    spoil(&f, ANNS, "copy/tray");
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(
        replica_view_items(f.replica, &view, (struct span){NULL, 0}, list_seen, &out, NULL),
        E_CORRUPT);
    assert_int_equal(buf_append_u8(&out, 0), 0);
    assert_string_equal((char *)out.data, "copy/paper=a4 language=en"); /* the good ones */
    buf_free(&out);
    fixture_end(&f);
}

static void a_damaged_default_is_not_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_default(f.replica, "x", "y", 60, 55);
    spoil(&f, FLEET, "@default/x");
    assert_int_equal(look(&f, &view, "x"), E_CORRUPT);
    assert_int_equal(bag_with_id(&f, FLEET).cursor, 0);
    assert_int_equal(look(&f, &view, "x"), E_CORRUPT); /* nor the next time */
    fixture_end(&f);
}

static void a_damaged_flag_is_no_flag_that_is_not_there(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    const struct replica_rules *rules = NULL;
    fleet_flag(f.replica, "copy", true, false, 60, 55);
    spoil(&f, FLEET, "@sharing/copy");
    assert_int_equal(look(&f, &view, "copy/paper"), E_CORRUPT);
    assert_int_equal(bag_with_id(&f, FLEET).cursor, 0);
    assert_int_equal(replica_rules_take(f.replica, &rules, NULL), E_CORRUPT);
    assert_null(rules);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(
        replica_view_items(f.replica, &view, (struct span){NULL, 0}, list_seen, &out, NULL),
        E_CORRUPT);
    assert_int_equal(out.size, 0);
    buf_free(&out);
    fixture_end(&f);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct fixture f;
    struct owner ann = begin(&f);
    struct replica_view view = view_of(&ann);
    fleet_default(f.replica, "x", "y", 60, 55);
    fleet_flag(f.replica, "copy", true, true, 61, 60);
    unsigned nth = 1;
    for (bool failed = true; failed; nth++) {
        struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(buf_append_u8(&out, 0), 0); /* the list's own room is not what is tested */
        out.size = 0;
        fixture_again(&f); /* what was decoded is forgotten */
        fail_alloc_at(nth);
        int rc =
            replica_view_items(f.replica, &view, (struct span){NULL, 0}, list_seen, &out, NULL);
        failed = fail_alloc_stop();
        assert_true(rc == 0 || (failed && rc == E_NOMEM));
        buf_free(&out);
        assert_true(bag_with_id(&f, FLEET).complete && bag_with_id(&f, ANNS).complete);
    }
    assert_true(nth > 8);
    assert_seen(&f, &view, "", "copy/paper=mine copy/tray=my tray language=en x=y");
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shared_is_the_users_own),
        cmocka_unit_test(what_is_device_specific_is_the_devices_own),
        cmocka_unit_test(bags_of_other_kinds_are_as_they_are),
        cmocka_unit_test(a_copy_is_of_the_moment_of_its_flag),
        cmocka_unit_test(a_default_is_for_who_has_none),
        cmocka_unit_test(fences_count_in_each_layer),
        cmocka_unit_test(an_explanation_has_all_layers),
        cmocka_unit_test(a_local_write_wins_over_all),
        cmocka_unit_test(a_local_removal_shows_what_lies_below),
        cmocka_unit_test(a_list_is_of_one_moment),
        cmocka_unit_test(readers_on_other_threads_see_whole_moments),
        cmocka_unit_test(what_is_no_flag_changes_nothing),
        cmocka_unit_test(damage_is_never_taken_for_a_missing_layer),
        cmocka_unit_test(a_damaged_default_is_not_nothing),
        cmocka_unit_test(a_damaged_flag_is_no_flag_that_is_not_there),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("client/replica_view", tests, NULL, NULL);
}
