/* cli/ctl_list.c - lists that come in pages, and reports of many. */
#include "cli/ctl_list.h"

#include "cli/ctl_target.h"

int ctl_left_out(json_t *report, json_int_t done, struct err *err)
{
    json_t *failed = json_object_get(report, "failed");
    size_t left = json_array_size(json_object_get(report, "missing")) + json_array_size(failed);
    json_t *first = json_array_get(failed, 0);
    const char *reason = json_string_value(json_object_get(first, "reason"));
    const char *code = json_string_value(json_object_get(first, "code"));
    if (left == 0) {
        return 0;
    }
    if (done == 0 && reason != NULL && code != NULL) {
        return err_set(err, err_from_name(code), "%s", reason);
    }
    return err_set(err, E_PARTLY, "%zu of %zu %s left out", left, left + (size_t)done,
                   left == 1 ? "was" : "were");
}

/* One page: its rows to the end of `rows`; what it says is next to `cursor` ("" at the end). */
static int take_page(json_t *page, const char *member, json_t *rows, struct buf *cursor,
                     struct err *err)
{
    const char *next = json_string_value(json_object_get(page, "next"));
    json_t *array = json_object_get(page, member);
    if (!json_is_array(array)) {
        return err_set(err, E_MALFORMED, "the server's answer has no '%s'", member);
    }
    buf_reset(cursor);
    if (next != NULL) {
        ctl_escape(cursor, next);
    }
    return json_array_extend(rows, array) == 0 && buf_error(cursor) == 0
               ? 0
               : err_set(err, E_NOMEM, "out of memory");
}

static int fetch_page(const struct invocation *invocation, const char *target,
                      const struct buf *cursor, json_t **page, struct err *err)
{
    struct buf asked;
    buf_init(&asked, 8192);
    (void)buf_append_span(&asked, span_str(target));
    if (cursor->size > 0) {
        (void)buf_append_span(&asked, SPAN_LITERAL("&cursor="));
        (void)buf_append_span(&asked, buf_span(cursor));
    }
    const char *text = ctl_target(&asked, err);
    int rc = text != NULL ? ctl_ask(invocation, text, NULL, page, err) : E_TOO_LARGE;
    buf_free(&asked);
    return rc;
}

int ctl_list_some(const struct invocation *invocation, const char *target, const char *member,
                  size_t limit, json_t **rows, json_t **last, struct err *err)
{
    struct buf cursor;
    json_t *all = json_array();
    json_t *page = NULL;
    bool more = true;
    int rc = 0;
    buf_init(&cursor, 4096);
    while (more && rc == 0) {
        json_decref(page);
        page = NULL;
        rc = fetch_page(invocation, target, &cursor, &page, err);
        if (rc == 0) {
            rc = take_page(page, member, all, &cursor, err);
        }
        more = cursor.size > 0 && (limit == 0 || json_array_size(all) < limit);
    }
    while (rc == 0 && limit > 0 && json_array_size(all) > limit) {
        (void)json_array_remove(all, json_array_size(all) - 1);
    }
    buf_free(&cursor);
    if (rc != 0) {
        json_decref(all);
        json_decref(page);
        return rc;
    }
    *rows = all;
    if (last != NULL) {
        *last = page;
    } else {
        json_decref(page);
    }
    return 0;
}

int ctl_list(const struct invocation *invocation, const char *target, const char *member,
             json_t **rows, struct err *err)
{
    return ctl_list_some(invocation, target, member, 0, rows, NULL, err);
}

int ctl_list_print(const struct invocation *invocation, const char *target, const char *member,
                   const struct output_column *columns, struct err *err)
{
    enum output_format format;
    json_t *rows = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_list(invocation, target, member, &rows, err);
    }
    if (rc == 0) {
        output_rows(format, columns, rows);
    }
    json_decref(rows);
    return rc;
}
