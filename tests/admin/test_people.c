/* Tests of admin/people.c: who is registered, whose list holds whom, and what stays as it is. */
#include "admin/people.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tests/admin/fake_backend.h"

#define PERSON "objectClass: inetOrgPerson\n"

static struct fake_backend fake;
static struct admin_people people;
static atomic_bool given_up;

static int open_fake(void **state)
{
    (void)state;
    fake_open(&fake);
    atomic_store(&given_up, false);
    return 0;
}

static int close_fake(void **state)
{
    (void)state;
    admin_people_free(&people);
    fake_close(&fake);
    return 0;
}

static void read_people(const char *text)
{
    int fd = memfd_create("people", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    admin_people_free(&people);
    assert_int_equal(admin_people_read(&people, ADMIN_FORMAT_LDIF, fd, &given_up, NULL), 0);
    (void)close(fd);
}

static struct admin_import new_import(void)
{
    return (struct admin_import){.backend = &fake.backend, .actor = "admin", .given_up = &given_up};
}

static int count_path(void *context, struct span path, const struct item_row *row, struct err *err)
{
    (void)err;
    (void)row;
    char *out = context;
    size_t size = strlen(out);
    (void)snprintf(out + size, 1000 - size, "%.*s ", (int)path.size, (const char *)path.data);
    return 0;
}

/* The paths of all items of a user (or group), joined; "(none)" when there is no such owner. */
static void expect_items(const char *owner_text, const char *wanted)
{
    char out[1000] = "";
    struct owner owner = {0};
    struct bag_row bag = {0};
    struct buf next;
    bool end = false;
    buf_init(&next, PATH_MAX_BYTES);
    assert_int_equal(owner_parse(&owner, owner_text, NULL), 0);
    if (kv_bag_of(fake.backend.kv, NULL, &owner, &bag, NULL) != 0) {
        assert_string_equal("(none)", wanted);
        return;
    }
    struct kv_page page = {.bag_id = bag.bag_id, .budget_bytes = 1 << 20};
    assert_int_equal(kv_page(fake.backend.kv, NULL, &page, count_path, out, &next, &end, NULL), 0);
    assert_true(end);
    assert_string_equal(out, wanted);
    buf_free(&next);
}

static const char staff[] = "dn: a\n" PERSON "uid: Ann\nou: Sales\n\n"
                            "dn: b\n" PERSON "uid: bob\nou: SALES\nou: Board\n\n"
                            "dn: c\n" PERSON "uid: cy\nou: Board\nou: Sales\n\n"
                            "dn: d\n" PERSON "uid: dee\nou: Attic\n\n"
                            "dn: e\n" PERSON "uid: eve\n";

static void everybody_is_registered(void **state)
{
    (void)state;
    read_people(staff);
    struct admin_import import = new_import();
    assert_int_equal(admin_people_register(&import, &people, false, NULL), 0);
    assert_int_equal(import.registered, 5);
    assert_int_equal(import.items, 0);
    assert_int_equal(import.unchanged, 0);
    expect_items("user:ann", "");
    expect_items("user:eve", "");
    assert_int_equal(fake.submits, 1);
}

static void colleagues_are_those_of_the_same_departments(void **state)
{
    (void)state;
    read_people(staff);
    struct admin_import import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_int_equal(import.registered, 5);
    assert_int_equal(import.items, 6);
    expect_items("user:ann", "address-list/personal/bob address-list/personal/cy ");
    expect_items("user:bob", "address-list/personal/ann address-list/personal/cy ");
    expect_items("user:cy", "address-list/personal/ann address-list/personal/bob ");
    expect_items("user:dee", "");
    expect_items("user:eve", "");
}

static void importing_again_changes_nothing(void **state)
{
    (void)state;
    struct admin_import import = new_import();
    read_people(staff);
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    struct journal_position before, after;
    journal_head(fake.backend.journal, &before);
    import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    journal_head(fake.backend.journal, &after);
    assert_int_equal(before.seq, after.seq);
    assert_int_equal(import.registered, 0);
    assert_int_equal(import.items, 0);
    assert_int_equal(import.unchanged, 5);
}

static void only_what_differs_is_written(void **state)
{
    (void)state;
    struct admin_import import = new_import();
    read_people(staff);
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    read_people("dn: a\n" PERSON "uid: Ann\nou: Sales\ntitle: Chief\n\n"
                "dn: b\n" PERSON "uid: bob\nou: SALES\nou: Board\n\n"
                "dn: f\n" PERSON "uid: fay\nou: Board\n");
    import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_int_equal(import.registered, 1); /* fay */
    assert_int_equal(import.items, 3);      /* ann and fay at bob's, bob at fay's */
    assert_int_equal(import.unchanged, 1);  /* ann */
    expect_items("user:bob", "address-list/personal/ann address-list/personal/cy "
                             "address-list/personal/fay ");
}

static void a_dry_run_counts_the_same_and_writes_nothing(void **state)
{
    (void)state;
    (void)fake_put(&fake, "user:bob", "x", "y");
    uint64_t before = fake.submits;
    read_people(staff);
    struct admin_import import = new_import();
    import.dry_run = true;
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_int_equal(import.registered, 4);
    assert_int_equal(import.items, 6);
    assert_int_equal(fake.submits, before);
    expect_items("user:ann", "(none)");
}

static void what_the_server_refuses_is_told_once(void **state)
{
    (void)state;
    fake.refuse_code = E_QUOTA;
    fake.refuse_owner = "bob";
    read_people(staff);
    struct admin_import import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_int_equal(import.registered, 4);
    assert_int_equal(import.items, 4);
    assert_int_equal(people.failures.count, 1);
    json_t *row = json_array_get(people.failures.rows, 0);
    assert_int_equal(json_integer_value(json_object_get(row, "line")), 6);
    assert_string_equal(json_string_value(json_object_get(row, "reason")),
                        "a limit on the number of things is reached");
}

static void a_server_without_writes_ends_it(void **state)
{
    (void)state;
    struct err err = {0};
    read_people(staff);
    struct admin_import import = new_import();
    fake.refuse_code = E_READ_ONLY;
    assert_int_equal(admin_people_register(&import, &people, true, &err), E_READ_ONLY);
    assert_string_equal(err.text, "the server takes no writes");
    fake.fail_code = E_CLOSED;
    assert_int_equal(admin_people_register(&import, &people, true, &err), E_CLOSED);
    fake.fail_code = 0;
    atomic_store(&given_up, true);
    assert_int_equal(admin_people_register(&import, &people, true, &err), E_CLOSED);
    assert_string_equal(err.text, "nobody waits for the import any more");
}

/* `count` people of one department. */
static char *department_of(int count)
{
    char *text = malloc((size_t)count * 64 + 1);
    size_t at = 0;
    assert_non_null(text);
    for (int i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, 65, "dn: x\n" PERSON "uid: p%d\nou: all\n\n", i);
    }
    return text;
}

/* Lists that need several change sets, and more sets than are handed in at once. */
static void a_large_department_comes_in_parts(void **state)
{
    (void)state;
    enum { PEOPLE = 1205 };
    char *text = department_of(PEOPLE);
    read_people(text);
    free(text);
    assert_int_equal(people.count, PEOPLE);
    for (size_t i = 3; i < people.count; i++) {
        people.all[i]->departments = ""; /* they are in lists, but have none: it would take long */
    }
    people.all[0]->departments = "all\0";
    struct admin_import import = new_import();
    struct owner owner = {0};
    (void)fake_put(&fake, "group:g", NULL, NULL);
    assert_int_equal(owner_parse(&owner, "group:g", NULL), 0);
    assert_int_equal(admin_people_list(&import, &people, &owner, NULL), 0);
    assert_int_equal(import.items, PEOPLE);
    struct bag_row bag = {0};
    assert_int_equal(kv_bag_of(fake.backend.kv, NULL, &owner, &bag, NULL), 0);
    assert_int_equal(bag.items, PEOPLE);
    assert_int_equal(fake.largest_set, 1000);
    import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_int_equal(import.registered, PEOPLE);
    assert_int_equal(import.items, 6);
    assert_true(fake.submits >= PEOPLE / 64);
}

static void large_addresses_come_in_parts_too(void **state)
{
    (void)state;
    enum { PEOPLE = 100, TITLE = 10000 };
    char *text = malloc((size_t)PEOPLE * (TITLE + 100));
    struct owner owner = {0};
    size_t at = 0;
    assert_non_null(text);
    for (int i = 0; i < PEOPLE; i++) {
        at += (size_t)snprintf(text + at, 100, "dn: x\n" PERSON "uid: p%d\ntitle: ", i);
        memset(text + at, 't', TITLE);
        at += TITLE;
        at += (size_t)snprintf(text + at, 3, "\n\n");
    }
    read_people(text);
    free(text);
    (void)fake_put(&fake, "group:g", NULL, NULL);
    assert_int_equal(owner_parse(&owner, "group:g", NULL), 0);
    struct admin_import import = new_import();
    assert_int_equal(admin_people_list(&import, &people, &owner, NULL), 0);
    assert_int_equal(import.items, PEOPLE);
    assert_in_range(fake.largest_bytes, 256 << 10, (512 << 10) + TITLE + 200);
}

/* Each one's list needs two change sets; both are refused, and it is told once. */
static void a_refusal_is_told_once_a_person(void **state)
{
    (void)state;
    enum { PEOPLE = 40, TITLE = 16000 };
    char *text = malloc((size_t)PEOPLE * (TITLE + 100));
    size_t at = 0;
    assert_non_null(text);
    for (int i = 0; i < PEOPLE; i++) {
        at += (size_t)snprintf(text + at, 100, "dn: x\n" PERSON "ou: x\nuid: p%d\ntitle: ", i);
        memset(text + at, 't', TITLE);
        at += TITLE;
        at += (size_t)snprintf(text + at, 3, "\n\n");
    }
    read_people(text);
    free(text);
    fake.refuse_code = E_QUOTA;
    struct admin_import import = new_import();
    assert_int_equal(admin_people_register(&import, &people, true, NULL), 0);
    assert_in_range(fake.largest_set, 30, 38);
    assert_int_equal(import.registered, 0);
    assert_int_equal(people.failures.count, PEOPLE);
}

static void addresses_go_into_one_list(void **state)
{
    (void)state;
    struct owner owner = {0};
    struct err err = {0};
    (void)fake_put(&fake, "group:Sales", "address-list/group/old", "x");
    (void)fake_put(&fake, "user:ann", NULL, NULL);
    read_people(staff);
    struct admin_import import = new_import();
    assert_int_equal(owner_parse(&owner, "group:sales", NULL), 0);
    assert_int_equal(admin_people_list(&import, &people, &owner, NULL), 0);
    assert_int_equal(import.items, 5);
    expect_items("group:sales", "address-list/group/ann address-list/group/bob "
                                "address-list/group/cy address-list/group/dee "
                                "address-list/group/eve address-list/group/old ");
    import = new_import();
    assert_int_equal(admin_people_list(&import, &people, &owner, NULL), 0);
    assert_int_equal(import.items, 0);
    assert_int_equal(import.unchanged, 5);
    assert_int_equal(owner_parse(&owner, "user:ann", NULL), 0);
    assert_int_equal(admin_people_list(&import, &people, &owner, NULL), 0);
    expect_items("user:ann", "address-list/personal/ann address-list/personal/bob "
                             "address-list/personal/cy address-list/personal/dee "
                             "address-list/personal/eve ");
    assert_int_equal(owner_parse(&owner, "user:nobody", NULL), 0);
    assert_int_equal(admin_people_list(&import, &people, &owner, &err), E_NOT_FOUND);
    assert_string_equal(err.text, "there is no user 'nobody'");
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(everybody_is_registered),
        WITH_FAKE(colleagues_are_those_of_the_same_departments),
        WITH_FAKE(importing_again_changes_nothing),
        WITH_FAKE(only_what_differs_is_written),
        WITH_FAKE(a_dry_run_counts_the_same_and_writes_nothing),
        WITH_FAKE(what_the_server_refuses_is_told_once),
        WITH_FAKE(a_server_without_writes_ends_it),
        WITH_FAKE(a_large_department_comes_in_parts),
        WITH_FAKE(large_addresses_come_in_parts_too),
        WITH_FAKE(a_refusal_is_told_once_a_person),
        WITH_FAKE(addresses_go_into_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
