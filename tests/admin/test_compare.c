/* Tests of admin/compare.c: added, changed, removed, and what is no difference. */
#include "admin/compare.h"
#include "tests/admin/past_fixture.h"

static struct admin_past *open_side(struct kv_view *view, const char *owner, uint64_t seq)
{
    struct owner whose;
    struct admin_past_bag bag = {0};
    struct admin_past *past = NULL;
    assert_int_equal(owner_parse(&whose, owner, NULL), 0);
    assert_int_equal(admin_past_bag(&fake.backend, view, &whose, seq, &bag, NULL), 0);
    struct admin_past_options options = {
        .backend = &fake.backend, .view = view, .bag = &bag, .seq = seq, .values = true};
    assert_int_equal(admin_past_open(&past, &options, NULL), 0);
    return past;
}

/* "added c 4, changed a 1 to 3"; `from` or `to` 0: nothing on that side. */
static void assert_differences(uint64_t from, uint64_t to, const char *after, const char *wanted)
{
    char line[512] = "";
    struct kv_view *view = NULL;
    struct admin_compare compare = {0};
    struct admin_compare_row row;
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    compare.from = from != 0 ? open_side(view, "user:ann", from) : NULL;
    compare.to = to != 0 ? open_side(view, "user:ann", to) : NULL;
    admin_compare_seek(&compare, span_str(after));
    int rc;
    while ((rc = admin_compare_next(&compare, &row, NULL)) == 0) {
        size_t used = strlen(line);
        struct span was = row.from != NULL ? row.from->value : SPAN_LITERAL("-");
        struct span is = row.to != NULL ? row.to->value : SPAN_LITERAL("-");
        (void)snprintf(line + used, sizeof line - used, "%s%s %.*s %.*s>%.*s", used > 0 ? ", " : "",
                       admin_difference_name(row.difference), (int)row.path.size,
                       (const char *)row.path.data, (int)was.size, (const char *)was.data,
                       (int)is.size, (const char *)is.data);
    }
    assert_int_equal(rc, E_NOT_FOUND);
    assert_string_equal(line, wanted);
    admin_compare_close(&compare);
    kv_view_free(&view);
}

static void differences_are_told_in_order(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "a", "1"); /* 2, 3 */
    (void)fake_put(&fake, "user:ann", "b", "2"); /* 4 */
    (void)fake_put(&fake, "user:ann", "e", "5"); /* 5 */
    (void)fake_put(&fake, "user:ann", "a", "3"); /* 6 */
    (void)fake_remove(&fake, "user:ann", "b");   /* 7 */
    (void)fake_put(&fake, "user:ann", "c", "4"); /* 8 */
    (void)fake_put(&fake, "user:ann", "e", "5"); /* 9: the same value */
    assert_differences(5, ADMIN_PAST_NOW, "", "changed a 1>3, removed b 2>-, added c ->4");
    assert_differences(ADMIN_PAST_NOW, 5, "", "changed a 3>1, added b ->2, removed c 4>-");
    assert_differences(5, ADMIN_PAST_NOW, "a", "removed b 2>-, added c ->4");
    assert_differences(5, ADMIN_PAST_NOW, "c", "");
    assert_differences(9, ADMIN_PAST_NOW, "", "");
    assert_differences(0, 4, "", "added a ->1, added b ->2");
    assert_differences(4, 0, "", "removed a 1>-, removed b 2>-");
    assert_differences(0, 0, "", "");
}

static void fences_make_differences(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    (void)fake_put(&fake, "user:ann", "scan/a", "2");
    uint64_t up = fake_fence_up(&fake, "copy");
    uint64_t down = fake_fence_down(&fake, "copy");
    assert_differences(up - 2, up, "", "removed copy/a 1>-");
    assert_differences(up, down, "", "added copy/a ->1");
    assert_differences(up - 2, down, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(differences_are_told_in_order),
        FAKE_TEST(fences_make_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
