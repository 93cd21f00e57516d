/* Tests of admin/api/sharing_sets.c: what a change set did to flags and fences. */
#include "admin/api/sharing.h"
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/sharing_samples.h"

static uint64_t do_switch(const char *const *changes, bool copy)
{
    struct operation_write writes[4] = {0};
    struct submit submit = {
        .kind = SUBMIT_SHARING, .actor = "admin", .writes = writes, .copy = copy};
    for (; changes[0] != NULL; changes += 2) {
        writes[submit.write_count].path = span_str(changes[0]);
        writes[submit.write_count++].value = span_str(changes[1]);
    }
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    return submit.seq;
}

static uint64_t take_back(uint64_t seq)
{
    struct submit submit = {.kind = SUBMIT_SHARING_UNDO, .actor = "eve", .undo_seq = seq};
    assert_int_equal(fake_submit(&fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    return submit.seq;
}

/* "by copy|none PATH SHARING initialised/lifted; ..." */
static const char *told(uint64_t seq)
{
    static char text[1024];
    struct admin_catalogue catalogue = {0};
    json_t *row = NULL;
    json_t *category;
    size_t i;
    assert_int_equal(admin_catalogue_read(&catalogue, fake.backend.kv, NULL, NULL), 0);
    assert_int_equal(admin_api_set_row(fake.backend.journal, &catalogue, seq, &row, NULL), 0);
    (void)snprintf(text, sizeof text, "%s %s %d:", json_string_value(json_object_get(row, "by")),
                   json_is_true(json_object_get(row, "copy")) ? "copy" : "none",
                   (int)json_object_size(json_object_get(row, "changes")));
    json_array_foreach(json_object_get(row, "categories"), i, category)
    {
        size_t size = strlen(text);
        char *in = json_dumps(json_object_get(category, "initialised"), JSON_COMPACT);
        char *out = json_dumps(json_object_get(category, "lifted"), JSON_COMPACT);
        (void)snprintf(text + size, sizeof text - size, " %s %s %s%s",
                       json_string_value(json_object_get(category, "path")),
                       json_string_value(json_object_get(category, "sharing")), in, out);
        free(in);
        free(out);
    }
    json_decref(row);
    admin_catalogue_free(&catalogue);
    return text;
}

static void a_set_is_told_whole_by_any_of_its_changes(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    static const char *const changes[] = {"home/timeline", "device", "pins", "device", NULL};
    uint64_t seq = do_switch(changes, false);
    static const char expected[] =
        "admin none 2: copy/default shared [\"shared\"][] copy/previous shared [\"shared\"][] "
        "home/timeline device [][] pins device [][]";
    assert_string_equal(told(seq), expected);
    assert_string_equal(told(seq - 1), expected);
    assert_string_equal(told(seq - 3), expected);
}

static void copies_undos_and_both_layers(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    static const char *const to_device[] = {"copy/default", "device", NULL};
    static const char *const to_shared[] = {"copy/default", "shared", NULL};
    assert_string_equal(told(do_switch(to_device, true)), "admin copy 1: copy/default device [][]");
    uint64_t seq = do_switch(to_shared, false);
    assert_string_equal(told(seq),
                        "admin none 1: copy/default shared [\"device\"][] copy/previous shared "
                        "[\"device\"][] home/shared-buttons shared [\"shared\",\"device\"][] "
                        "home/timeline shared [\"device\"][] pins shared [\"device\"][]");
    assert_string_equal(told(take_back(seq)),
                        "eve copy 1: copy/default device [][\"device\"] copy/previous shared "
                        "[][\"device\"] home/shared-buttons shared [][\"shared\",\"device\"] "
                        "home/timeline shared [][\"device\"] pins shared [][\"device\"]");
}

/* Back to what the catalogue says. */
static void a_flag_that_is_taken_away_is_the_catalogues(void **state)
{
    (void)state;
    sample_category(&fake, "desk", (struct category){.has_flag = true, .default_device = true});
    fake.sharing = sample_sharing;
    static const char *const to_shared[] = {"desk", "shared", NULL};
    uint64_t seq = take_back(do_switch(to_shared, true));
    assert_string_equal(told(seq), "eve none 1: desk device [][]");
}

/* A category that is gone is told all the same, behind those that are known. */
static void what_is_not_in_the_catalogue_any_more(void **state)
{
    (void)state;
    sample_catalogue(&fake);
    static const char *const to_device[] = {"copy/default", "device", NULL};
    uint64_t seq = do_switch(to_device, false);
    (void)fake_remove(&fake, "fleet", "@category/copy/default");
    assert_string_equal(told(seq), "admin none 1: copy/previous shared [\"shared\"][] "
                                   "copy/default device [\"shared\"][]");
}

static void sets_that_are_not_there(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    json_t *row = NULL;
    assert_int_equal(admin_catalogue_read(&catalogue, fake.backend.kv, NULL, NULL), 0);
    assert_int_equal(admin_api_set_row(fake.backend.journal, &catalogue, 0, &row, NULL),
                     E_NOT_FOUND);
    assert_int_equal(admin_api_set_row(fake.backend.journal, &catalogue, 99, &row, NULL),
                     E_NOT_FOUND);
    assert_null(row);
    admin_catalogue_free(&catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_set_is_told_whole_by_any_of_its_changes),
        API_TEST(copies_undos_and_both_layers),
        API_TEST(a_flag_that_is_taken_away_is_the_catalogues),
        API_TEST(what_is_not_in_the_catalogue_any_more),
        API_TEST(sets_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
