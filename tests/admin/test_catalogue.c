/* Tests of admin/catalogue.c: which values are secret, with a catalogue and without. */
#include "admin/catalogue.h"
#include "tests/admin/catalogue_samples.h"
#include "tests/admin/fake_fixture.h"
#include "tests/support/fail_alloc.h"

struct row {
    enum owner_kind kind;
    const char *path;
    bool secret;
};

static void expect(struct admin_catalogue *catalogue, const struct row *rows)
{
    assert_int_equal(admin_catalogue_read(catalogue, fake.backend.kv, NULL, NULL), 0);
    for (; rows->path != NULL; rows++) {
        if (admin_catalogue_secret(catalogue, rows->kind, span_str(rows->path)) != rows->secret) {
            fail_msg("'%s' is %ssecret", rows->path, rows->secret ? "not " : "");
        }
    }
}

static void without_a_catalogue(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    static const struct row rows[] = {
        {OWNER_USER, "keychain", true},
        {OWNER_USER, "keychain/a/b", true},
        {OWNER_GROUP, "network/wifi", true},
        {OWNER_USER_DEVICE, "keychains/a", false},
        {OWNER_USER, "key", false},
        {OWNER_USER, "networks", false},
        {OWNER_USER, "a/keychain", false},
        {OWNER_USER, "", false},
        {OWNER_USER, "token/a", false},
        {OWNER_FLEET, "@default/keychain/a", true},
        {OWNER_FLEET, "@default/copy", false},
        {OWNER_FLEET, "@default/", false},
        {OWNER_SERVER, "token/00", true},
        {OWNER_SERVER, "device/00", true},
        {OWNER_SERVER, "@account/admin", true},
        {OWNER_SERVER, "@token/1", true},
        {OWNER_SERVER, "what/comes/later", true},
        {OWNER_SERVER, "@audit", false},
        {OWNER_SERVER, "@sync", false},
        {0, "keychain/a", true},
        {0, "@token/1", true},
        {0, "device/00", true},
        {0, "copy/default", false},
        {0, NULL, false},
    };
    expect(&catalogue, rows);
    (void)fake_put(&fake, "fleet", NULL, NULL); /* a fleet's bag without a catalogue */
    expect(&catalogue, rows);
    admin_catalogue_free(&catalogue);
}

static void the_catalogue_decides(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    static const struct row rows[] = {
        {OWNER_USER, "network/ssid", false},
        {OWNER_USER, "network/key", true},
        {OWNER_USER, "fax/pins/7", true},
        {OWNER_USER, "fax/pins", true},
        {OWNER_USER, "fax/pin", false},
        {OWNER_USER, "fax/pins/open/7", true}, /* within a secret one all is secret */
        {OWNER_FLEET, "@default/fax/pins/7", true},
        {OWNER_USER, "keychain/wiki", true}, /* whatever a catalogue says */
        {OWNER_SERVER, "fax/pin", true},
        {0, NULL, false},
    };
    sample_category(&fake, "network", (struct category){.exported = true});
    sample_category(&fake, "fax/pins", (struct category){.secret = true});
    sample_category(&fake, "fax/pins/open", (struct category){.exported = true});
    sample_category(&fake, "keychain", (struct category){.exported = true});
    expect(&catalogue, rows);
    admin_catalogue_free(&catalogue);
}

/* One that was read knows of what changed since, once it is asked to. */
static void it_is_read_anew_when_it_changed(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    static const struct row before[] = {{OWNER_USER, "pins/a", false}, {0, NULL, false}};
    static const struct row after[] = {{OWNER_USER, "pins/a", true}, {0, NULL, false}};
    sample_category(&fake, "pins", (struct category){0});
    expect(&catalogue, before);
    uint64_t seq = catalogue.seq;
    (void)fake_put(&fake, "user:ann", "copy/a", "1");
    expect(&catalogue, before);
    assert_int_equal(catalogue.seq, seq);
    sample_category(&fake, "pins", (struct category){.secret = true, .has_flag = true});
    expect(&catalogue, after);
    sample_flag(&fake, "pins", true, false);
    expect(&catalogue, after);
    assert_true(sharing_get(&catalogue.sharing, SPAN_LITERAL("pins"))->device);
    admin_catalogue_free(&catalogue);
}

static void it_is_that_of_the_view(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    struct kv_view *view = NULL;
    sample_category(&fake, "pins", (struct category){.secret = true});
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    sample_category(&fake, "pins", (struct category){0});
    assert_int_equal(admin_catalogue_read(&catalogue, fake.backend.kv, view, NULL), 0);
    assert_true(admin_catalogue_secret(&catalogue, OWNER_USER, SPAN_LITERAL("pins")));
    kv_view_free(&view);
    admin_catalogue_free(&catalogue);
}

static void without_memory_it_is_as_it_was(void **state)
{
    (void)state;
    struct admin_catalogue catalogue = {0};
    sample_category(&fake, "pins", (struct category){.secret = true});
    unsigned failures = 0;
    for (unsigned nth = 1;; nth++) {
        fail_alloc_at(nth);
        int rc = admin_catalogue_read(&catalogue, fake.backend.kv, NULL, NULL);
        bool failed = fail_alloc_stop();
        if (rc == 0) {
            assert_true(nth > 1 && catalogue.read);
            failures += failed;
            break;
        }
        assert_true(failed);
        assert_int_equal(rc, E_NOMEM);
        assert_false(catalogue.read);
        failures++;
    }
    assert_true(failures > 0);
    admin_catalogue_free(&catalogue);
}

#define CATALOGUE_TEST(test) cmocka_unit_test_setup_teardown(test, open_fake, close_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CATALOGUE_TEST(without_a_catalogue),
        CATALOGUE_TEST(the_catalogue_decides),
        CATALOGUE_TEST(it_is_read_anew_when_it_changed),
        CATALOGUE_TEST(it_is_that_of_the_view),
        CATALOGUE_TEST(without_memory_it_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
