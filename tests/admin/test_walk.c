/* Tests of admin/walk.c: everybody's items of some categories, and no other. */
#include "admin/walk.h"
#include "tests/admin/fake_fixture.h"

static char told[4096];
static int stop_at; /* after so many items */
static bool tell_values = true;
static atomic_bool given_up;

static void tell(const char *text)
{
    size_t size = strlen(told);
    (void)snprintf(told + size, sizeof told - size, "%s", text);
}

static int see_item(void *context, const struct bag_row *bag, struct span path,
                    const struct item_row *row, struct err *err)
{
    (void)context;
    char text[OWNER_TEXT_MAX + 600];
    char owner[OWNER_TEXT_MAX];
    owner_format(&bag->owner, owner);
    (void)snprintf(text, sizeof text, "%s %.*s%s%.*s, ", owner, (int)path.size,
                   (const char *)path.data, tell_values ? "=" : "",
                   tell_values ? (int)row->value.size : 0, (const char *)row->value.data);
    tell(text);
    return stop_at > 0 && --stop_at == 0 ? err_set(err, E_INVALID, "stop") : 0;
}

static int see_user(void *context, const struct bag_row *user, struct err *err)
{
    (void)context;
    (void)err;
    tell(user->owner.shown);
    tell(". ");
    return 0;
}

static const char *walk_over(bool shared, bool device, bool users, int expected)
{
    const struct span categories[] = {SPAN_LITERAL("copy"), SPAN_LITERAL("fax/default")};
    struct kv_view *view = NULL;
    told[0] = '\0';
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    struct admin_walk walk = {.kv = fake.backend.kv,
                              .view = view,
                              .given_up = &given_up,
                              .shared = shared,
                              .device = device,
                              .categories = categories,
                              .category_count = 2,
                              .item = see_item,
                              .user = users ? see_user : NULL};
    assert_int_equal(admin_walk_people(&walk, NULL), expected);
    kv_view_free(&view);
    return told;
}

static void make_people(void)
{
    (void)fake_put(&fake, "user:ann", "copy", "1");
    (void)fake_put(&fake, "user:ann", "copy/a", "2");
    (void)fake_put(&fake, "user:ann", "copying", "no");
    (void)fake_put(&fake, "user:ann", "fax/default/a", "3");
    (void)fake_put(&fake, "user:ann", "fax/other", "no");
    (void)fake_put(&fake, "user:bob", "copy/gone", "no");
    (void)fake_remove(&fake, "user:bob", "copy/gone");
    (void)fake_put(&fake, "group:g", "copy/a", "no");
    (void)fake_put(&fake, "user:bob/device:0000000000000007", "copy/a", "5");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "fax/default", "4");
}

static void all_items_of_the_categories(void **state)
{
    (void)state;
    assert_string_equal(walk_over(true, true, true, 0), "");
    make_people();
    assert_string_equal(walk_over(true, true, true, 0),
                        "user:ann copy=1, user:ann copy/a=2, user:ann fax/default/a=3, "
                        "user:ann/device:0000000000000007 fax/default=4, ann. "
                        "user:bob/device:0000000000000007 copy/a=5, bob. ");
    assert_string_equal(walk_over(true, false, false, 0),
                        "user:ann copy=1, user:ann copy/a=2, user:ann fax/default/a=3, ");
    assert_string_equal(walk_over(false, true, true, 0),
                        "user:ann/device:0000000000000007 fax/default=4, ann. "
                        "user:bob/device:0000000000000007 copy/a=5, bob. ");
}

static void it_ends_when_it_is_told_to(void **state)
{
    (void)state;
    make_people();
    stop_at = 2;
    assert_string_equal(walk_over(true, true, true, E_INVALID),
                        "user:ann copy=1, user:ann copy/a=2, ");
    atomic_store(&given_up, true);
    assert_string_equal(walk_over(true, true, true, E_CLOSED), "");
    atomic_store(&given_up, false);
}

/* More bags than are read at once, and more bytes of one bag. */
static void many(void **state)
{
    (void)state;
    char name[64];
    static char value[20000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "copy/%d", i);
        (void)fake_put(&fake, "user:large", name, value);
    }
    for (int i = 0; i < 1100; i++) {
        (void)snprintf(name, sizeof name, "user:u%d", i);
        (void)fake_put(&fake, name, i % 500 == 0 ? "copy/a" : NULL, "1");
    }
    tell_values = false;
    stop_at = 43; /* the last one of all */
    assert_non_null(strstr(walk_over(true, true, false, E_INVALID), "user:u1000 copy/a, "));
    stop_at = 44;
    (void)walk_over(true, true, false, 0);
    assert_int_equal(stop_at, 1);
    stop_at = 0;
    tell_values = true;
}

#define WALK_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(all_items_of_the_categories),
        WALK_TEST(it_ends_when_it_is_told_to),
        WALK_TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
