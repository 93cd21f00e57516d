/* Tests of admin/api/explain.c: which layer a value comes from, and what the others hold. */
#include "tests/admin/api/api_fixture.h"
#include "tests/admin/sharing_samples.h"

#define EXPLAIN "/api/v1/owners/user/ann/explain?item="
#define AT_7    "&device=0000000000000007"

static const char copy[] = EXPLAIN "copy%2Fdefault" AT_7;

static void make_ann(void)
{
    sample_catalogue(&fake);
    fake_machine(&fake, 7, "seven", "active");
    (void)fake_put(&fake, "user:Ann", NULL, NULL);
}

static struct answer explain(const char *target)
{
    struct answer answer = ask(&fake, "GET", target, NULL);
    assert_int_equal(answer.status, 200);
    return answer;
}

/* "LAYER:VALUE", and of each layer a sign: '*' counts, '+' there, '!' initialised, '-' nothing. */
static const char *told(const char *target)
{
    static char text[256];
    struct answer answer = explain(target);
    json_t *row;
    size_t i;
    const char *value = json_string_value(json_object_get(answer.json, "value"));
    (void)snprintf(text, sizeof text, "%s:%s ", text_at(&answer, "layer"),
                   value != NULL ? value : "");
    json_array_foreach(json_object_get(answer.json, "layers"), i, row)
    {
        size_t size = strlen(text);
        bool there = json_is_true(json_object_get(row, "there"));
        (void)snprintf(text + size, sizeof text - size, "%c",
                       !there                                                ? '-'
                       : json_is_true(json_object_get(row, "counts"))        ? '*'
                       : json_is_string(json_object_get(row, "initialised")) ? '!'
                                                                             : '+');
    }
    answer_free(&answer);
    return text;
}

static void while_it_is_shared(void **state)
{
    (void)state;
    make_ann();
    assert_string_equal(told(copy), "none: ---");
    (void)fake_put(&fake, "fleet", "@default/copy/default", "d");
    assert_string_equal(told(copy), "default:d --*");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "copy/default", "own");
    assert_string_equal(told(copy), "default:d -+*");
    (void)fake_put(&fake, "user:ann", "copy/default", "s");
    assert_string_equal(told(copy), "shared:s *++");
    assert_string_equal(told(EXPLAIN "unknown%2Fthing" AT_7), "none: ---");
}

static void while_it_is_device_specific(void **state)
{
    (void)state;
    make_ann();
    (void)fake_put(&fake, "fleet", "@default/copy/default", "d");
    (void)fake_put(&fake, "user:ann", "copy/default", "s");
    sample_flag(&fake, "copy/default", true, false);
    assert_string_equal(told(copy), "default:d +-*");
    sample_flag(&fake, "copy/default", true, true);
    assert_string_equal(told(copy), "shared:s *-+"); /* frozen */
    (void)fake_put(&fake, "user:ann", "copy/default", "later");
    assert_string_equal(told(copy), "default:d +-*");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "copy/default", "own");
    assert_string_equal(told(copy), "device:own +*+");
    /* Another machine has none of its own. */
    assert_string_equal(told(EXPLAIN "copy%2Fdefault&device=0000000000000008"), "default:d +-*");
}

static void what_was_initialised_does_not_count(void **state)
{
    (void)state;
    make_ann();
    (void)fake_put(&fake, "user:ann", "copy/default", "s");
    (void)fake_fence_up(&fake, "copy");
    char seq[32];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, fake_head(&fake));
    assert_string_equal(told(copy), "none: !--");
    struct answer answer = explain(copy);
    assert_string_equal(row_text(&answer, "layers", 0, "initialised"), seq);
    answer_free(&answer);
    (void)fake_put(&fake, "user:ann", "copy/default", "new");
    assert_string_equal(told(copy), "shared:new *--");
}

static void who_set_it_and_when(void **state)
{
    (void)state;
    make_ann();
    fake.origin = FAKE_DEVICE;
    (void)fake_put(&fake, "user:ann", "copy/default/paper", "a4");
    fake.origin = 0;
    char seq[32];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, fake_head(&fake));
    struct answer answer = explain(EXPLAIN "copy%2Fdefault%2Fpaper" AT_7);
    assert_string_equal(text_at(&answer, "name"), "Ann");
    assert_string_equal(text_at(&answer, "item"), "copy/default/paper");
    assert_string_equal(text_at(&answer, "category"), "copy/default");
    assert_string_equal(text_at(&answer, "sharing"), "shared");
    assert_string_equal(text_at(&answer, "device"), "0000000000000007");
    assert_string_equal(text_at(&answer, "origin"), "0000000000001234");
    assert_string_equal(text_at(&answer, "actor"), "");
    assert_string_equal(text_at(&answer, "seq"), seq);
    assert_string_equal(text_at(&answer, "time"), "2023-11-14T22:13:30.000Z");
    assert_int_equal(number_at(&answer, "size"), 2);
    assert_string_equal(row_text(&answer, "layers", 0, "value"), "a4");
    assert_string_equal(row_text(&answer, "layers", 0, "layer"), "shared");
    assert_string_equal(row_text(&answer, "layers", 1, "layer"), "device");
    assert_string_equal(row_text(&answer, "layers", 2, "layer"), "default");
    answer_free(&answer);
    (void)fake_put(&fake, "user:ann", "language", "en");
    answer = explain(EXPLAIN "language" AT_7);
    assert_string_equal(text_at(&answer, "sharing"), "always");
    assert_string_equal(text_at(&answer, "actor"), "admin");
    assert_string_equal(text_at(&answer, "origin"), "");
    answer_free(&answer);
    answer = explain(EXPLAIN "a%2Fb" AT_7);
    assert_true(json_is_null(json_object_get(answer.json, "category")));
    answer_free(&answer);
}

/* Without a machine: what one without a value of its own reads, and which ones have one. */
static void of_no_machine_in_particular(void **state)
{
    (void)state;
    make_ann();
    sample_flag(&fake, "copy/default", true, true);
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "copy/default", "7");
    (void)fake_put(&fake, "user:ann/device:0000000000000008", "copy/default", "8");
    (void)fake_put(&fake, "user:ann/device:0000000000000009", "copy/other", "9");
    assert_string_equal(told(EXPLAIN "copy%2Fdefault"), "none: -++-");
    struct answer answer = explain(EXPLAIN "copy%2Fdefault");
    assert_true(json_is_null(json_object_get(answer.json, "device")));
    assert_true(json_is_true(json_object_get(answer.json, "copy")));
    assert_string_equal(row_text(&answer, "layers", 1, "device"), "0000000000000007");
    assert_string_equal(row_text(&answer, "layers", 2, "device"), "0000000000000008");
    answer_free(&answer);
}

static void secrets_are_masked(void **state)
{
    (void)state;
    make_ann();
    (void)fake_put(&fake, "user:ann", "pins/1", "4711");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "pins/1", "4712");
    (void)fake_put(&fake, "fleet", "@default/pins/1", "4713");
    struct answer answer = explain(EXPLAIN "pins%2F1" AT_7);
    char *text = json_dumps(answer.json, 0);
    assert_null(strstr(text, "471"));
    assert_true(json_is_true(json_object_get(answer.json, "masked")));
    for (size_t i = 0; i < 3; i++) {
        assert_true(json_is_true(row_at(&answer, "layers", i, "masked")));
    }
    free(text);
    answer_free(&answer);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    make_ann();
    refused("GET", "/api/v1/owners/user/ann/explain", NULL, 400, "invalid",
            "'item' is missing: which one, such as copy/default?");
    refused("GET", "/api/v1/owners/group/g/explain?item=a", NULL, 400, "invalid",
            "only what a user has can be device-specific: a group's items are shared");
    refused("GET", "/api/v1/owners/user/eve/explain?item=a", NULL, 404, "not_found",
            "there is no user 'eve'");
    refused("GET", EXPLAIN "@fence%2Fx", NULL, 400, "item_path",
            "the path '@fence/x' begins with '@': such items are Kitbag's own");
    struct answer answer = ask(&fake, "GET", EXPLAIN "a%2F%2Fb", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    answer = ask(&fake, "GET", EXPLAIN "a&device=x", NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    char longest[400];
    int size = snprintf(longest, sizeof longest, "%s", EXPLAIN);
    memset(longest + size, 'a', 255);
    longest[size + 255] = '\0';
    assert_string_equal(told(longest), "none: --"); /* no default has so long a name */
}

static void memory_runs_out(void **state)
{
    (void)state;
    make_ann();
    (void)fake_put(&fake, "user:ann", "copy/default", "s");
    (void)fake_put(&fake, "user:ann/device:0000000000000007", "copy/default", "own");
    sample_flag(&fake, "copy/default", true, false);
    ask_with_jansson();
    unsigned failures = 0;
    bool failed = true;
    for (unsigned nth = 1; failed; nth++) {
        ask_fails.nth = nth;
        struct answer answer = ask(&fake, "GET", copy, NULL);
        failed = ask_fails.failed;
        ask_fails.nth = 0;
        failures += answer.status != 200;
        assert_true(answer.status == 200 || answer.status == 500);
        assert_true(answer.status != 200 || answer.json == NULL ||
                    strcmp(text_at(&answer, "layer"), "device") == 0);
        answer_free(&answer);
    }
    assert_true(failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(while_it_is_shared),
        API_TEST(while_it_is_device_specific),
        API_TEST(what_was_initialised_does_not_count),
        API_TEST(who_set_it_and_when),
        API_TEST(of_no_machine_in_particular),
        API_TEST(secrets_are_masked),
        API_TEST(nonsense_is_refused),
        API_TEST(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
