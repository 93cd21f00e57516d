/* admin/api/categories.c - the catalogue: which categories there are, and how each is shared now.
 */
#include "admin/api/sharing.h"

json_t *admin_api_category(const struct category *category)
{
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "path", category->path, "class",
                     sharing_class_name(category->class), "titles", "en", category->title, "ja",
                     category->title_ja);
}

const char *admin_api_sharing_name(const struct category *category)
{
    return category == NULL || !category->has_flag ? "always"
           : category->device                      ? "device"
                                                   : "shared";
}

/* Who set the flag, and when; null when it was never set, or the journal does not tell any more. */
static int put_origin(struct journal *journal, json_t *row, uint64_t seq, struct err *err)
{
    struct past_change made = {0};
    int rc = seq != 0 ? journal_change_at(journal, seq, &made, err) : E_NOT_FOUND;
    bool told = rc == 0;
    if (rc != 0 && rc != E_TOO_OLD && rc != E_NOT_FOUND) {
        return rc;
    }
    json_t *members =
        json_pack("{s:o, s:o, s:o}", "since_seq", seq != 0 ? admin_api_seq(seq) : json_null(),
                  "since", admin_api_time(told ? made.change.time_ms : 0), "by",
                  told ? admin_api_text(made.change.actor) : json_null());
    rc = members != NULL && json_object_update(row, members) == 0 ? 0 : E_NOMEM;
    json_decref(members);
    past_change_free(&made);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}

int admin_api_category_row(struct journal *journal, const struct category *category, json_t **out,
                           struct err *err)
{
    json_t *row = admin_api_category(category);
    json_t *members = json_pack(
        "{s:b, s:s, s:b, s:b, s:b, s:s, s:I, s:I}", "flag", category->has_flag, "sharing",
        admin_api_sharing_name(category), "copy", category->copy, "exported", category->exported,
        "secret", category->secret, "kind", sharing_kind_name(category->kind), "value_max",
        (json_int_t)category->value_max, "count_max", (json_int_t)category->count_max);
    int rc = row != NULL && members != NULL && json_object_update(row, members) == 0
                 ? put_origin(journal, row, category->flag_seq, err)
                 : err_set(err, E_NOMEM, "out of memory");
    json_decref(members);
    if (rc != 0) {
        json_decref(row);
        return rc;
    }
    *out = row;
    return 0;
}

int admin_api_category_rows(const struct admin_request *request,
                            const struct admin_catalogue *catalogue, bool flags, json_t **out,
                            struct err *err)
{
    const struct sharing *sharing = &catalogue->sharing;
    const struct category *category = sharing_next(sharing, NULL);
    json_t *rows = json_array();
    int rc = 0;
    for (; category != NULL && rc == 0; category = sharing_next(sharing, category)) {
        json_t *row = NULL;
        if (category->has_flag || !flags) {
            rc = admin_api_category_row(request->backend->journal, category, &row, err);
            rc = rc == 0 && json_array_append_new(rows, row) != 0
                     ? err_set(err, E_NOMEM, "out of memory")
                     : rc;
        }
    }
    if (rc != 0) {
        json_decref(rows);
        return rc;
    }
    *out = rows;
    return 0;
}

int admin_api_categories(const struct admin_request *request, struct admin_response *response,
                         struct err *err)
{
    struct admin_catalogue catalogue = {0};
    json_t *rows = NULL;
    int rc = admin_catalogue_read(&catalogue, request->backend->kv, NULL, err);
    if (rc == 0) {
        rc = admin_api_category_rows(request, &catalogue, false, &rows, err);
    }
    if (rc == 0) {
        response->json = json_pack("{s:O}", "categories", rows);
        rc = response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(rows);
    admin_catalogue_free(&catalogue);
    return rc;
}
