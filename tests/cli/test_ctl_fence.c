/* Tests of cli/ctl_fence.c: seeing fences, putting them up, lifting them. */
#include "tests/cli/run_ctl.h"

#define FENCE(category, more)                                                                      \
    "{\"layer\":\"shared\",\"category\":\"" category "\",\"position\":\"9\",\"seq\":\"9\","        \
    "\"time\":\"T\",\"actor\":\"admin\",\"except\":[" more "}"

static void fences_are_listed(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"fences\":[" FENCE("copy", "\"copy/a\",\"copy/b\"],\"cleared\":false,\"lift_until\":"
                                      "\"U\"") "," FENCE("scan", "],\"cleared\":true") "]}";
    ctl_answers(answer, answer, "{\"fences\":[]}", NULL);
    assert_int_equal(run_ctl("fence", "ls", NULL), 0);
    assert_string_equal(
        ctl.out, "LAYER   CATEGORY  SINCE SEQ  TIME  BY     CAN BE LIFTED UNTIL  EXCEPT\n"
                 "shared  copy              9  T     admin  U                    copy/a, copy/b\n"
                 "shared  scan              9  T     admin  no longer            \n");
    assert_asked("GET /api/v1/fences HTTP");
    assert_int_equal(run_ctl("fence", "ls", "-o", "json", NULL), 0);
    json_t *rows = json_loads(ctl.out, 0, NULL);
    assert_true(json_is_array(json_object_get(json_array_get(rows, 0), "except")));
    json_decref(rows);
    assert_int_equal(run_ctl("fence", "ls", NULL), 0);
    assert_said("(none)");
}

#define PREVIEW                                                                                    \
    "{\"dry_run\":true,\"layer\":\"shared\",\"category\":\"copy\",\"seq\":null,\"bags\":2,"        \
    "\"items\":3,\"bytes\":22}"
#define DONE "{\"dry_run\":false,\"layer\":\"shared\",\"category\":\"copy\",\"seq\":\"9\"}"

static void a_category_is_initialised(void **state)
{
    (void)state;
    ctl_answers(PREVIEW, PREVIEW, DONE, NULL);
    assert_int_equal(run_ctl("fence", "set", "shared", "copy", NULL), 2);
    assert_said("this asks before it acts");
    assert_null(strstr(canned_http_requests(ctl.server), "\"dry_run\":false"));
    assert_int_equal(run_ctl("fence", "set", "shared", "copy", "-n", NULL), 0);
    assert_string_equal(ctl.out, "Dry run:  yes\nLayer:    shared\nCategory: copy\nBags:     2\n"
                                 "Items:    3\nBytes:    22\n");
    assert_int_equal(run_ctl("fence", "set", "shared", "copy", "--except", "copy/a", "--except",
                             "copy/b", "-y", NULL),
                     0);
    assert_string_equal(ctl.out, "Layer:    shared\nCategory: copy\nSeq:      9\n");
    assert_asked("POST /api/v1/fences HTTP");
    assert_asked("{\"layer\":\"shared\",\"category\":\"copy\",\"except\":[\"copy/a\",\"copy/b\"],"
                 "\"dry_run\":false}");
}

static void it_is_taken_back(void **state)
{
    (void)state;
    ctl_answers(DONE, "410 {\"code\":\"too_old\",\"detail\":\"it is gone for good\"}", NULL);
    assert_int_equal(run_ctl("fence", "lift", "shared", "copy", "-y", NULL), 0);
    assert_asked("POST /api/v1/fences/lift HTTP");
    assert_asked("{\"layer\":\"shared\",\"category\":\"copy\",\"dry_run\":false}");
    assert_int_equal(run_ctl("fence", "lift", "shared", "copy", NULL), 3); /* before it asks */
    assert_said("it is gone for good");
    assert_int_equal(run_ctl("fence", "lift", "shared", "copy", "--except", "x", NULL), 2);
    assert_int_equal(run_ctl("fence", "set", "shared", "\xff", "-y", NULL), 2);
    assert_said("the category is not UTF-8 text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(fences_are_listed),
        CTL_TEST(a_category_is_initialised),
        CTL_TEST(it_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
