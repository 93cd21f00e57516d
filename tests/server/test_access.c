/* Who may read and write which bag. */
#include "server/access.h"
#include "tests/server/fixture.h"

static struct bag_row bag_of(struct fixture *fx, const char *text)
{
    struct owner owner = {0};
    struct bag_row bag = {0};
    assert_int_equal(owner_parse(&owner, text, NULL), 0);
    assert_int_equal(kv_bag_of(fx->kv, NULL, &owner, &bag, NULL), 0);
    return bag;
}

static int check(struct fixture *fx, const struct machine *machine, enum access_right right,
                 const char *owner)
{
    struct access access = {.kv = fx->kv, .device = machine->device, .device_bag = machine->bag};
    struct bag_row bag = bag_of(fx, owner);
    struct err err = {0};
    int rc = access_check(&access, right, &bag, &err);
    assert_true(rc == 0 || strstr(err.text, right == ACCESS_READ ? "read" : "write") != NULL);
    /* over an overlay without changes it is the same */
    struct overlay overlay = {0};
    assert_int_equal(overlay_open(&overlay, fx->kv), 0);
    access.overlay = &overlay;
    assert_int_equal(access_check(&access, right, &bag, NULL), rc);
    overlay_free(&overlay);
    return rc;
}

static const char *device_owner(uint64_t device, const char *user)
{
    static char text[OWNER_TEXT_MAX];
    char digits[DEVICE_TEXT_MAX];
    device_format(device, digits);
    if (user == NULL) {
        (void)snprintf(text, sizeof text, "device:%s", digits);
    } else {
        (void)snprintf(text, sizeof text, "user:%s/device:%s", user, digits);
    }
    return text;
}

static void rights_of_a_machine(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "Staff")->reply.code, 0);
    assert_int_equal(fx_sign_in(fx, &b, "Bob", "Board")->reply.code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, device_owner(a.device, "ann"), "p", "v").code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, device_owner(b.device, "ann"), "p", "v").code, 0);
    static const enum access_right both[] = {ACCESS_READ, ACCESS_WRITE};
    for (size_t i = 0; i < 2; i++) {
        enum access_right right = both[i];
        assert_int_equal(check(fx, &a, right, "fleet"), i == 0 ? 0 : E_NOT_ALLOWED);
        assert_int_equal(check(fx, &a, right, "server"), E_NOT_ALLOWED);
        assert_int_equal(check(fx, &a, right, "user:ann"), 0);
        assert_int_equal(check(fx, &a, right, "user:bob"), E_NOT_ALLOWED);
        assert_int_equal(check(fx, &a, right, "group:staff"), 0);
        assert_int_equal(check(fx, &a, right, "group:board"), E_NOT_ALLOWED);
        assert_int_equal(check(fx, &a, right, device_owner(a.device, NULL)), 0);
        assert_int_equal(check(fx, &a, right, device_owner(b.device, NULL)), E_NOT_ALLOWED);
        assert_int_equal(check(fx, &a, right, device_owner(a.device, "ann")), 0);
        assert_int_equal(check(fx, &a, right, device_owner(b.device, "ann")), E_NOT_ALLOWED);
        assert_int_equal(check(fx, &b, right, device_owner(b.device, "ann")), E_NOT_ALLOWED);
    }
}

static void a_group_it_made_until_somebody_of_it_signs_in(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    fx_create(fx, &a, 1, OWNER_GROUP, "Staff");
    fx_run(fx);
    assert_int_equal(fx_last(fx)->reply.code, 0);
    assert_int_equal(check(fx, &a, ACCESS_WRITE, "group:staff"), 0);
    assert_int_equal(fx_sign_in(fx, &a, "Ann", "staff")->reply.code, 0);
    assert_int_equal(check(fx, &a, ACCESS_WRITE, "group:staff"), 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, "user:ann", "@group/staff", NULL).code, 0);
    assert_int_equal(check(fx, &a, ACCESS_WRITE, "group:staff"), E_NOT_ALLOWED);
}

static int count_user(void *context, uint64_t bag_id, struct err *err)
{
    (void)err;
    uint64_t *sum = context;
    *sum += bag_id;
    return bag_id == 0 ? 5 : 0;
}

static int count_group(void *context, struct span folded, struct span shown, struct err *err)
{
    (void)err;
    size_t *count = context;
    ++*count;
    assert_true(span_equal(folded, SPAN_LITERAL("board")) ||
                span_equal(folded, SPAN_LITERAL("staff")));
    assert_true(shown.data[0] == 'B' || shown.data[0] == 'S');
    return *count == 100 ? 5 : 0;
}

static void lists(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    fx_join(fx, &a, 1);
    uint64_t ann = fx_user(fx, &a, "Ann");
    uint64_t bob = fx_user(fx, &a, "Bob");
    assert_int_equal(fx_sign_in(fx, &a, "Bob", "Board")->reply.code, 0);
    assert_int_equal(fx_sign_in(fx, &a, "Bob", "Staff")->reply.code, 0);
    uint64_t sum = 0;
    assert_int_equal(access_users(fx->kv, a.bag, count_user, &sum, NULL), 0);
    assert_int_equal(sum, ann + bob);
    size_t count = 0;
    assert_int_equal(access_groups(fx->kv, bob, count_group, &count, NULL), 0);
    assert_int_equal(count, 2);
    count = 99; /* the first one stops it */
    assert_int_equal(access_groups(fx->kv, bob, count_group, &count, NULL), 5);
}

static int keeps(struct fixture *fx, const struct machine *machine, enum device_keep keep,
                 enum access_right right, const char *owner)
{
    struct access access = {
        .kv = fx->kv, .device = machine->device, .device_bag = machine->bag, .keep = keep};
    struct bag_row bag = bag_of(fx, owner);
    int rc = access_check(&access, right, &bag, NULL);
    assert_true(rc == 0 || !access_keeps(keep, machine->device, &bag.owner) ||
                right == ACCESS_WRITE);
    return rc;
}

static void what_a_machine_may_keep(void **state)
{
    struct fixture *fx = *state;
    struct machine a;
    struct machine b;
    fx_join(fx, &a, 1);
    fx_join(fx, &b, 2);
    assert_int_equal(fx_sign_in(fx, &b, "Bob", "Board")->reply.code, 0);
    char own[OWNER_TEXT_MAX];
    (void)snprintf(own, sizeof own, "%s", device_owner(a.device, "bob"));
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, own, "p", "v").code, 0);
    assert_int_equal(fx_submit(fx, SUBMIT_WRITE, device_owner(b.device, "bob"), "p", "v").code, 0);
    static const struct {
        const char *owner; /* NULL: bob's on a, "b": on b */
        int codes[3];
    } rows[] = {
        {"group:board", {E_NOT_ALLOWED, 0, 0}},
        {"user:bob", {E_NOT_ALLOWED, E_NOT_ALLOWED, 0}},
        {NULL, {E_NOT_ALLOWED, E_NOT_ALLOWED, 0}},
        {"b", {E_NOT_ALLOWED, E_NOT_ALLOWED, E_NOT_ALLOWED}},
        {"server", {E_NOT_ALLOWED, E_NOT_ALLOWED, E_NOT_ALLOWED}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *owner = rows[i].owner == NULL ? own : rows[i].owner;
        owner = strcmp(owner, "b") == 0 ? device_owner(b.device, "bob") : owner;
        for (int keep = KEEP_SIGNED_IN; keep <= KEEP_EVERYBODY; keep++) {
            enum device_keep kept = (enum device_keep)keep;
            assert_int_equal(keeps(fx, &a, kept, ACCESS_READ, owner), rows[i].codes[keep]);
            assert_int_equal(keeps(fx, &a, kept, ACCESS_WRITE, owner), E_NOT_ALLOWED);
        }
    }
}

static void paths(void **state)
{
    (void)state;
    char path[ACCESS_PATH_MAX];
    assert_true(span_equal(access_user_path(path, 42), SPAN_LITERAL("@user/42")));
    assert_int_equal(access_user_of_path(access_user_path(path, UINT64_MAX)), UINT64_MAX);
    assert_true(span_equal(access_made_path(path, 7), SPAN_LITERAL("@group/7")));
    assert_true(span_equal(access_group_path(path, "staff"), SPAN_LITERAL("@group/staff")));
    assert_true(access_is_group_path(SPAN_LITERAL("@group/x")));
    assert_false(access_is_group_path(SPAN_LITERAL("@group/")));
    char folded[NAME_MAX_BYTES + 1];
    access_group_of_path(SPAN_LITERAL("@group/x"), folded);
    assert_string_equal(folded, "x");
    static const char *const none[] = {"@user/", "@user/x", "@user/1x",
                                       "user/1", "",        "@user/18446744073709551616"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(access_user_of_path(span_str(none[i])), 0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rights_of_a_machine),
        TEST(a_group_it_made_until_somebody_of_it_signs_in),
        TEST(lists),
        TEST(what_a_machine_may_keep),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
