/* Tests of cli/kitbag_explain.c: where a value comes from, in words and as JSON. */
#include "tests/cli/joined.h"
#include "tests/client/sharing_samples.h"

enum { ZOE = 40, ZOES = 45 };

static uint64_t bag_at(struct replica *replica, const char *text, uint64_t bag_id)
{
    struct replica_bag bag = {.bag_id = bag_id, .cursor = bag_id, .complete = true, .keep = true};
    assert_int_equal(owner_parse(&bag.owner, text, NULL), 0);
    assert_int_equal(replica_bag_add(replica, &bag, NULL), 0);
    return bag_id;
}

static void item_at(struct replica *replica, uint64_t bag_id, uint64_t seq, uint64_t origin,
                    const char *path, const char *value)
{
    static const uint8_t hash[SHA256_SIZE] = {7};
    uint64_t bad = 0;
    struct change change = {.seq = seq,
                            .time_ms = 1700000000000,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = bag_id,
                            .prev = bag_id,
                            .origin = origin,
                            .path = span_str(path),
                            .value = span_str(value)};
    assert_int_equal(replica_apply(replica, &change, 1, seq, hash, &bad, NULL, NULL, NULL), 0);
}

/* Zoe's bags as a server would have sent them to this machine, which is device 77. */
static void make_world(bool device, bool copy)
{
    char path[TMP_FOLDER_MAX];
    struct replica *replica = NULL;
    struct owner zoe;
    struct replica_bag bag;
    make_joined();
    tmp_folder_path(path, ran.data, "replica");
    assert_int_equal(replica_open(&replica, path, 64 << 20, NULL), 0);
    assert_int_equal(owner_parse(&zoe, "user:zoe", NULL), 0);
    assert_int_equal(replica_bag_by_owner(replica, &zoe, &bag, NULL), 0);
    assert_int_equal(replica_bag_drop(replica, bag.local, NULL), 0);
    item_at(replica, bag_at(replica, "user:zoe", ZOE), 50, 0, "copy/default", "two sides");
    item_at(replica, bag_at(replica, "user:zoe/device:0000000000000077", ZOES), 51, 0x77,
            "copy/default", "\xff");
    (void)bag_at(replica, "fleet", FLEET);
    fleet_category(replica, "copy", 0, 55, FLEET);
    fleet_flag(replica, "copy", device, copy, 60, 55);
    fleet_default(replica, "copy/default", "one side", 61, 60);
    replica_close(&replica);
}

static const char *text_at(json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text != NULL ? text : "(none)";
}

static void the_machines_own_value_is_explained(void **state)
{
    (void)state;
    make_world(true, true);
    assert_int_equal(run_kitbag("explain", "zoe", "copy/default", NULL), 0);
    assert_non_null(strstr(ran.out, "this machine's own value"));
    assert_non_null(strstr(ran.out, "Device-Specific (Not Shared), since change 60; without"));
    assert_non_null(strstr(ran.out, "Set by:   this machine"));
    assert_non_null(strstr(ran.out, "the server or an administrator"));
    assert_int_equal(run_kitbag("explain", "zoe", "copy/default", "-o", "json", NULL), 0);
    json_t *row = ran_json();
    assert_string_equal(text_at(row, "item"), "copy/default");
    assert_string_equal(text_at(row, "layer"), "device");
    assert_string_equal(text_at(row, "sharing"), "device");
    assert_string_equal(text_at(row, "sharing_seq"), "60");
    assert_string_equal(text_at(row, "category"), "copy");
    assert_true(json_is_true(json_object_get(row, "copy")));
    assert_string_equal(text_at(row, "value_base64"), "/w==");
    assert_string_equal(text_at(row, "seq"), "51");
    assert_string_equal(text_at(row, "origin"), "0000000000000077");
    json_t *layers = json_object_get(row, "layers");
    static const char *const names[] = {"shared", "device", "default"};
    assert_int_equal(json_array_size(layers), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text_at(json_array_get(layers, i), "layer"), names[i]);
        json_t *layer = json_array_get(layers, i);
        assert_true(json_is_true(json_object_get(layer, "there")));
        assert_int_equal(json_is_true(json_object_get(layer, "counts")), i == 1);
        assert_true(json_is_null(json_object_get(layer, "initialised")));
    }
    json_decref(row);
}

static void what_is_shared_and_what_is_not_there_too(void **state)
{
    (void)state;
    make_world(false, false);
    assert_int_equal(run_kitbag("explain", "zoe", "copy/default", NULL), 0);
    assert_non_null(strstr(ran.out, "the value that all machines share"));
    assert_non_null(strstr(ran.out, "Shared across All Devices, since change 60"));
    assert_non_null(strstr(ran.out, "two sides"));
    assert_int_equal(run_kitbag("explain", "zoe", "copy/none", NULL), 0);
    assert_non_null(strstr(ran.out, "nobody set it"));
    assert_null(strstr(ran.out, "Set by:"));
    assert_int_equal(run_kitbag("explain", "zoe", "language", "-o", "ndjson", NULL), 0);
    json_t *row = ran_json();
    assert_string_equal(text_at(row, "layer"), "none");
    assert_string_equal(text_at(row, "sharing"), "always");
    assert_null(json_object_get(row, "value"));
    assert_true(json_is_null(json_object_get(row, "category")));
    assert_true(json_is_null(json_object_get(row, "sharing_seq")));
    json_decref(row);
}

static void a_write_that_waits_is_told_as_one(void **state)
{
    (void)state;
    make_world(true, false);
    assert_int_equal(run_kitbag("set", "zoe", "copy/default", "now", NULL), 0);
    assert_int_equal(run_kitbag("explain", "zoe", "copy/default", NULL), 0);
    assert_non_null(strstr(ran.out, "waits to be sent, as its own value"));
    assert_null(strstr(ran.out, "Seq:"));
    assert_int_equal(run_kitbag("get", "zoe", "copy/default", NULL), 0);
    assert_string_equal(ran.out, "now");
}

static void it_is_used_like_get(void **state)
{
    (void)state;
    make_world(true, false);
    assert_int_equal(run_kitbag("explain", "--bag", "fleet", "@sharing/copy", NULL), 0);
    assert_int_equal(run_kitbag("explain", "zoe", NULL), 2);
    assert_int_equal(run_kitbag("explain", "zoe", "a", "b", NULL), 2);
    assert_int_equal(run_kitbag("explain", "bob", "a", NULL), 3);
    assert_said("bob");
    assert_int_equal(run_kitbag("explain", "zoe", "a", "-o", "odd", NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KITBAG_TEST(the_machines_own_value_is_explained),
        KITBAG_TEST(what_is_shared_and_what_is_not_there_too),
        KITBAG_TEST(a_write_that_waits_is_told_as_one),
        KITBAG_TEST(it_is_used_like_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
