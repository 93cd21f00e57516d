/* server/show_config.c - settings as lines, or as a document. */
#include "server/show_config.h"

#include <jansson.h>
#include <stdlib.h>

void show_config_text(const struct config *config, const struct config_key *keys, struct buf *out)
{
    for (const struct config_key *key = keys; key->name != NULL; key++) {
        const char *value = config_written(config, key->name);
        buf_printf(out, "%s =%s%s  (%s)\n", key->name, value[0] != '\0' ? " " : "", value,
                   config_origin(config, key->name));
    }
}

int show_config_json(const struct config *config, const struct config_key *keys, struct buf *out,
                     struct err *err)
{
    json_t *rows = json_array();
    int rc = 0;
    for (const struct config_key *key = keys; key->name != NULL && rc == 0; key++) {
        const char *usual = key->default_value != NULL ? key->default_value : "";
        rc = json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "key", key->name,
                                                   "value", config_written(config, key->name),
                                                   "origin", config_origin(config, key->name),
                                                   "default", usual, "help", key->help));
    }
    json_t *document = json_pack("{s:o}", "settings", rows);
    char *text = rc == 0 && document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;
    if (text != NULL) {
        (void)buf_append_span(out, span_str(text));
        (void)buf_append_u8(out, '\n');
    }
    rc = text != NULL ? buf_error(out) : E_INVALID;
    free(text);
    json_decref(document);
    return rc == 0 ? 0 : err_set(err, rc, "a setting is not UTF-8: JSON can't hold it");
}
