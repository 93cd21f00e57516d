/* Tests of cli/ctl_explain.c: where a value comes from, in words. */
#include "tests/cli/run_ctl.h"

#define LAYERS                                                                                     \
    "\"layers\":["                                                                                 \
    "{\"layer\":\"shared\",\"there\":true,\"counts\":false,\"seq\":\"8\",\"time\":\"T\","          \
    "\"origin\":\"\",\"actor\":\"admin\",\"size\":3,\"initialised\":\"9\"},"                       \
    "{\"layer\":\"device\",\"there\":true,\"counts\":true,\"device\":\"00000000000000aa\","        \
    "\"seq\":\"12\",\"time\":\"U\",\"origin\":\"00000000000000aa\",\"actor\":\"\",\"size\":1,"     \
    "\"initialised\":null},"                                                                       \
    "{\"layer\":\"default\",\"there\":false,\"counts\":false}]"

static void the_layer_that_is_seen_and_the_others(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"name\":\"zoe\",\"item\":\"copy/default\",\"device\":\"00000000000000aa\","
        "\"layer\":\"device\",\"category\":\"copy/default\",\"sharing\":\"device\",\"copy\":false,"
        "\"sharing_seq\":\"9\",\"seq\":\"12\",\"time\":\"U\",\"origin\":\"00000000000000aa\","
        "\"actor\":\"\",\"size\":1,\"value\":\"v\"," LAYERS "}";
    ctl_answers(answer, answer, NULL);
    assert_int_equal(
        run_ctl("user", "explain", "zoe", "copy/default", "--device", "00000000000000aa", NULL), 0);
    assert_string_equal(ctl.out, "Item:        copy/default\n"
                                 "Category:    copy/default\n"
                                 "Sharing:     device\n"
                                 "With a copy: no\n"
                                 "Machine:     00000000000000aa\n"
                                 "Comes from:  what this machine alone has\n"
                                 "Value:       v\n"
                                 "Set by:      00000000000000aa\n"
                                 "Time:        U\n"
                                 "Seq:         12\n"
                                 "\n"
                                 "LAYER    MACHINE           STATE            SEQ  TIME  SET BY   "
                                 "         BYTES\n"
                                 "shared                     was initialised    8  T     admin    "
                                 "             3\n"
                                 "device   00000000000000aa  is seen           12  U     000000000"
                                 "00000aa      1\n"
                                 "default                    has none                             "
                                 "              \n");
    assert_asked("GET /api/v1/owners/user/zoe/explain?item=copy%2Fdefault&device=00000000000000aa "
                 "HTTP");
    assert_int_equal(run_ctl("user", "explain", "zoe", "copy/default", "-o", "json", NULL), 0);
    json_t *object = json_loads(ctl.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "layer")), "device");
    assert_null(json_object_get(object, "source")); /* words are for people */
    json_decref(object);
}

static void no_value_and_secrets(void **state)
{
    (void)state;
    ctl_answers("{\"item\":\"a\",\"layer\":\"none\",\"category\":null,\"sharing\":\"always\","
                "\"copy\":false,\"device\":null,\"layers\":[]}",
                "{\"item\":\"a\",\"layer\":\"shared\",\"sharing\":\"always\",\"copy\":false,"
                "\"seq\":\"5\",\"time\":\"T\",\"origin\":\"\",\"actor\":null,\"masked\":true,"
                "\"layers\":[]}",
                "{\"item\":\"a\",\"layer\":\"default\",\"sharing\":\"device\",\"copy\":false,"
                "\"seq\":\"5\",\"time\":\"T\",\"origin\":\"\",\"actor\":\"catalogue\","
                "\"value\":\"d\",\"layers\":[{\"layer\":\"shared\",\"there\":true,"
                "\"counts\":false,\"initialised\":null,\"seq\":\"4\",\"origin\":\"\","
                "\"actor\":\"ann\"}]}",
                "404 {\"code\":\"not_found\",\"detail\":\"there is no user 'eve'\"}", NULL);
    assert_int_equal(run_ctl("user", "explain", "zoe", "a", NULL), 0);
    assert_printed("Comes from:  nowhere: there is no value\n");
    assert_int_equal(run_ctl("user", "explain", "zoe", "a", NULL), 0);
    assert_printed("Comes from:  what is shared across all devices\n");
    assert_printed("Value:       (secret)\n");
    assert_int_equal(run_ctl("user", "explain", "zoe", "a", NULL), 0);
    assert_printed("Comes from:  the default for everybody\n");
    assert_printed("is not read");
    assert_int_equal(run_ctl("user", "explain", "eve", "a", NULL), 3);
    assert_said("there is no user 'eve'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CTL_TEST(the_layer_that_is_seen_and_the_others),
        CTL_TEST(no_value_and_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
