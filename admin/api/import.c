/* admin/api/import.c - uploads of people and addresses. */
#include <string.h>

#include "admin/api/api.h"
#include "admin/people.h"

static int read_format(const struct admin_request *request, enum admin_format *out, struct err *err)
{
    const char *format = admin_query(request, "format");
    if (format != NULL && admin_format_parse(format, out)) {
        return 0;
    }
    return err_set(err, E_INVALID, "'format' has to be ldif, csv or vcard%s%s%s",
                   format != NULL ? ", not '" : "", format != NULL ? format : "",
                   format != NULL ? "'" : "");
}

/* What the audit tells: how much, and into whose list. */
static json_t *told(const struct admin_import *import, const struct admin_people *people,
                    const struct owner *into)
{
    json_t *about =
        json_pack("{s:I, s:I, s:I}", "registered", (json_int_t)import->registered, "item_count",
                  (json_int_t)import->items, "failed", (json_int_t)people->failures.count);
    if (about != NULL && into != NULL) {
        (void)json_object_set_new(about, "target",
                                  json_pack("[s, s]", admin_api_kind(into->kind), into->shown));
    }
    return about;
}

static int report(const struct admin_import *import, const struct admin_people *people,
                  struct admin_response *response, struct err *err)
{
    response->json =
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:O, s:I}", "dry_run", import->dry_run, "registered",
                  (json_int_t)import->registered, "items", (json_int_t)import->items, "unchanged",
                  (json_int_t)import->unchanged, "others", (json_int_t)people->others, "failed",
                  people->failures.rows, "failed_count", (json_int_t)people->failures.count);
    return response->json != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
}

/* `into` NULL: registers people. */
static int import_file(const struct admin_request *request, const struct owner *into,
                       struct admin_response *response, struct err *err)
{
    struct admin_import import = {
        .backend = request->backend, .actor = request->actor, .given_up = request->given_up};
    struct admin_people people = {0};
    bool colleagues = false;
    enum admin_format format = ADMIN_FORMAT_LDIF;
    int rc = read_format(request, &format, err);
    if (rc == 0) {
        rc = admin_query_bool(request, "dry_run", &import.dry_run, err);
    }
    if (rc == 0) {
        rc = admin_query_bool(request, "colleagues", &colleagues, err);
    }
    if (rc == 0) {
        rc = admin_people_read(&people, format, request->file, request->given_up, err);
    }
    if (rc == 0) {
        rc = into != NULL ? admin_people_list(&import, &people, into, err)
                          : admin_people_register(&import, &people, colleagues, err);
    }
    if (rc == 0) {
        rc = report(&import, &people, response, err);
        response->about = told(&import, &people, into);
    } else if (import.registered + import.items > 0) {
        response->about = told(&import, &people, into);
        response->partly = !import.dry_run;
        (void)err_prefix(err, "after %llu users and %llu items",
                         (unsigned long long)import.registered, (unsigned long long)import.items);
    }
    admin_people_free(&people);
    return rc;
}

int admin_api_import(const struct admin_request *request, struct admin_response *response,
                     struct err *err)
{
    return import_file(request, NULL, response, err);
}

int admin_api_address_list(const struct admin_request *request, struct admin_response *response,
                           struct err *err)
{
    struct owner owner = {0};
    int rc = admin_api_owner_of(request, &owner, err);
    return rc == 0 ? import_file(request, &owner, response, err) : rc;
}
