/* The list of copies that are wanted, and its items. */
#include "tests/server/fixture.h"

#include "server/adoptions.h"

static struct span path_of(uint64_t bag_id)
{
    static char path[ADOPTION_PATH_MAX];
    return adoption_path(path, bag_id);
}

static void put(struct adoptions *adoptions, uint64_t bag_id, const char *owner, uint64_t device)
{
    struct adoption adoption = {.bag_id = bag_id, .device = device};
    struct buf text;
    buf_init(&text, ADOPTION_TEXT_MAX);
    assert_int_equal(owner_parse(&adoption.owner, owner, NULL), 0);
    adoption_put_value(&text, &adoption);
    assert_int_equal(buf_error(&text), 0);
    assert_int_equal(adoptions_put(adoptions, path_of(bag_id), buf_span(&text), NULL), 0);
    buf_free(&text);
}

static void they_are_found_by_bag_and_by_owner(void **state)
{
    (void)state;
    struct adoptions adoptions = {0};
    struct owner ann = {0};
    struct owner group = {0};
    assert_int_equal(owner_parse(&ann, "user:ANN", NULL), 0);
    assert_int_equal(owner_parse(&group, "group:ann", NULL), 0);
    put(&adoptions, 7, "user:Ann", 0);
    put(&adoptions, 9, "group:Sales", 0x12);
    assert_int_equal(adoptions_of_bag(&adoptions, 9)->device, 0x12);
    assert_string_equal(adoptions_of_bag(&adoptions, 9)->owner.shown, "Sales");
    assert_int_equal(adoptions_of_owner(&adoptions, &ann)->bag_id, 7);
    assert_null(adoptions_of_owner(&adoptions, &group));
    assert_null(adoptions_of_bag(&adoptions, 8));
    put(&adoptions, 7, "user:Ann", 5);
    assert_int_equal(adoptions.count, 2);
    assert_int_equal(adoptions_of_bag(&adoptions, 7)->device, 5);
    adoptions_remove(&adoptions, path_of(7));
    adoptions_remove(&adoptions, path_of(8));
    assert_null(adoptions_of_bag(&adoptions, 7));
    assert_int_equal(adoptions.count, 1);
    adoptions_free(&adoptions);
}

static void what_makes_no_sense_is_none(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "[]",
                                         "{\"kind\":\"user\",\"name\":\"\",\"device\":\"\"}",
                                         "{\"kind\":\"fleet\",\"name\":\"a\",\"device\":\"\"}",
                                         "{\"kind\":\"user\",\"name\":\"a\",\"device\":\"x\"}",
                                         "{\"kind\":\"user\",\"name\":\"a\"}"};
    static const char *const paths[] = {"@adopt/", "@adopt/x", "@adopt/0", "adopt/7",
                                        "@adopt/99999999999999999999999"};
    struct adoptions adoptions = {0};
    put(&adoptions, 7, "user:Ann", 0);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(adoptions_put(&adoptions, path_of(7), span_str(values[i]), NULL),
                         E_MALFORMED);
        assert_null(adoptions_of_bag(&adoptions, 7));
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const char *good = "{\"kind\":\"user\",\"name\":\"a\",\"device\":\"\"}";
        assert_int_equal(adoptions_put(&adoptions, span_str(paths[i]), span_str(good), NULL),
                         E_MALFORMED);
    }
    assert_int_equal(adoptions.count, 0);
    adoptions_free(&adoptions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_found_by_bag_and_by_owner),
        cmocka_unit_test(what_makes_no_sense_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
