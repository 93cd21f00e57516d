/* cli/ctl_config.c - kitbagctl config: the server's settings, checked, and where they came from.
 *
 * The server's program reads them, as it would at its start, and says what it found: it is the one
 * that knows. So it has to be on this machine; it need not run.
 */
#include <string.h>

#include "cli/ctl_kitbagd.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

enum { WORDS_MAX = 10 };

static int ask_program(const struct invocation *invocation, json_t **settings, struct err *err)
{
    const char *words[WORDS_MAX] = {"kitbagd", "--show-config", "--output", "json"};
    size_t count = 4;
    static const char *const passed[][2] = {{"data", "--data"}, {"config", "--config"}};
    for (size_t i = 0; i < 2; i++) {
        const char *value = invocation_option(invocation, passed[i][0]);
        if (value != NULL) {
            words[count++] = passed[i][1];
            words[count++] = value;
        }
    }
    json_t *document = NULL;
    int rc = ctl_kitbagd(words, &document, err);
    json_t *rows = json_object_get(document, "settings");
    if (rc == 0 && !json_is_array(rows)) {
        rc = err_set(err, E_MALFORMED,
                     "kitbagd said what is not a list of settings: is it of another version?");
    }
    if (rc == 0) {
        *settings = json_incref(rows);
    }
    json_decref(document);
    return rc;
}

static int begin(const struct invocation *invocation, enum output_format *format, json_t **settings,
                 struct err *err)
{
    int rc = output_format(invocation, format, err);
    if (rc == 0 && invocation_has(invocation, "server")) {
        rc = err_set(err, E_USAGE,
                     "the configuration is looked at on the server's machine: run this there, "
                     "without --server");
    }
    return rc == 0 ? ask_program(invocation, settings, err) : rc;
}

int ctl_config_show(const struct invocation *invocation, struct err *err)
{
    static const struct output_column all[] = {
        {"key", "KEY", false},
        {"value", "VALUE", false},
        {"origin", "ORIGIN", false},
        {NULL, NULL, false},
    };
    static const struct output_column without_origin[] = {
        {"key", "KEY", false},
        {"value", "VALUE", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *settings = NULL;
    int rc = begin(invocation, &format, &settings, err);
    if (rc == 0) {
        output_rows(format, invocation_has(invocation, "origin") ? all : without_origin, settings);
    }
    json_decref(settings);
    return rc;
}

int ctl_config_check(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"valid", "Valid", false},
        {"settings", "Settings", true},
        {"set", "Not default", true},
        {NULL, NULL, false},
    };
    enum output_format format;
    json_t *settings = NULL;
    json_int_t set = 0;
    size_t i;
    json_t *row;
    int rc = begin(invocation, &format, &settings, err);
    json_array_foreach(settings, i, row)
    {
        const char *origin = json_string_value(json_object_get(row, "origin"));
        set += origin != NULL && strcmp(origin, "default") != 0;
    }
    json_t *result = json_pack("{s:b, s:I, s:I}", "valid", true, "settings",
                               (json_int_t)json_array_size(settings), "set", set);
    if (rc == 0 && result == NULL) {
        rc = err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        output_object(format, columns, result);
    }
    json_decref(result);
    json_decref(settings);
    return rc;
}
