/* cli/ctl_item.c - kitbagctl user|group set, unset, restore: an administrator changes items. */
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "cli/ctl_http.h"
#include "cli/ctl_list.h"
#include "cli/ctl_owner.h"
#include "cli/ctl_target.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "cli/value.h"

enum { TARGET_MAX_BYTES = 4096 };

/* --- set and unset --- */

static int put_target(const struct invocation *invocation, const struct ctl_kind *kind,
                      struct buf *buf)
{
    ctl_owner_target(buf, kind, invocation->args[0]);
    (void)buf_append_span(buf, SPAN_LITERAL("/items/"));
    ctl_escape(buf, invocation->args[1]);
    (void)buf_printf(buf, "?dry_run=%d", invocation_has(invocation, "dry-run"));
    ctl_put_query(buf, "device", invocation_option(invocation, "device"));
    return 0;
}

static int check_seq(const char *text, struct err *err)
{
    return text == NULL || (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
               ? 0
               : err_set(err, E_USAGE, "--if-seq takes a seq (0: there is none yet), not '%s'",
                         text);
}

static int write_item(const struct invocation *invocation, const struct ctl_kind *kind,
                      const char *method, struct span value, struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false}, {"item", "Item", false},        {"change", "Change", false},
        {"size", "Bytes", false},      {"old_seq", "Replaced", false}, {"seq", "Seq", false},
        {NULL, NULL, false},
    };
    enum output_format format;
    struct buf buf;
    json_t *answer = NULL;
    buf_init(&buf, TARGET_MAX_BYTES);
    int rc = output_format(invocation, &format, err);
    struct ctl_request request = {
        .method = method, .bytes = value, .if_match = invocation_option(invocation, "if-seq")};
    if (rc == 0) {
        rc = check_seq(request.if_match, err);
    }
    if (rc == 0) {
        rc = put_target(invocation, kind, &buf);
    }
    if (rc == 0) {
        request.target = ctl_target(&buf, err);
        rc = request.target != NULL ? ctl_send(invocation, &request, &answer, err) : E_TOO_LARGE;
    }
    if (rc == 0) {
        output_object(format, columns + (invocation_has(invocation, "dry-run") ? 0 : 1), answer);
    }
    json_decref(answer);
    buf_free(&buf);
    return rc;
}

static int set(const struct invocation *invocation, const struct ctl_kind *kind, struct err *err)
{
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    int rc = invocation->arg_count > 2 ? value_read(invocation->args[2], &value, err)
                                       : value_read_input(&value, err);
    if (rc == E_TOO_LARGE) {
        rc = err_set(err, rc, "a value is at most 1 MiB (%d bytes)", VALUE_MAX_BYTES);
    }
    if (rc == 0) {
        rc = write_item(invocation, kind, "PUT", buf_span(&value), err);
    }
    buf_free(&value);
    return rc;
}

/* --- restore --- */

static int put_texts(const struct invocation *invocation, const struct ctl_kind *kind,
                     json_t *names, json_t *items, struct err *err)
{
    const char *item;
    for (int i = 0; i < invocation->arg_count; i++) {
        if (json_array_append_new(names, json_string(invocation->args[i])) != 0) {
            return err_set(err, E_NAME, "the %s's name '%s' is not UTF-8 text", kind->one,
                           invocation->args[i]);
        }
    }
    for (size_t i = 0; (item = invocation_option_at(invocation, "item", i)) != NULL; i++) {
        if (json_array_append_new(items, json_string(item)) != 0) {
            return err_set(err, E_PATH, "the item's path '%s' is not UTF-8 text", item);
        }
    }
    return 0;
}

/* The moment as it was given, one that counts from now made a time. */
static int put_moment(const struct invocation *invocation, json_t *body, struct err *err)
{
    const char *at = invocation_option(invocation, "at");
    char time[CLOCK_TEXT_MAX];
    if (at == NULL) {
        return 0;
    }
    int rc = ctl_moment(at, "at", time, &at, err);
    return rc != 0 ? rc
           : json_object_set_new(body, "at", json_string(at)) == 0
               ? 0
               : err_set(err, E_USAGE, "--at '%s' is not UTF-8 text", at);
}

static int make_body(const struct invocation *invocation, const struct ctl_kind *kind, json_t **out,
                     struct err *err)
{
    json_t *names = json_array();
    json_t *items = json_array();
    int rc = put_texts(invocation, kind, names, items, err);
    json_t *body = json_pack("{s:O, s:O}", kind->member, names, "items", items);
    if (rc == 0) {
        rc = body != NULL ? put_moment(invocation, body, err)
                          : err_set(err, E_NOMEM, "out of memory");
    }
    json_decref(names);
    json_decref(items);
    *out = body;
    return rc;
}

static int ask_restore(const struct invocation *invocation, json_t *body, bool dry_run,
                       json_t **report, struct err *err)
{
    if (json_object_set_new(body, "dry_run", json_boolean(dry_run)) != 0) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    return ctl_ask(invocation, "/api/v1/owners/restore", body, report, err);
}

static long long number(json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

/* The moment that the preview found is the one that is gone back to. */
static int confirm(const struct invocation *invocation, json_t *body, struct err *err)
{
    char text[320];
    json_t *preview = NULL;
    int rc = ask_restore(invocation, body, true, &preview, err);
    if (rc == 0 && json_array_size(json_object_get(preview, "failed")) == 0) {
        long long sets = number(preview, "change_sets");
        (void)snprintf(text, sizeof text,
                       "%lld items will be set, %lld changed and %lld removed (%lld bytes)%s, as "
                       "they were after change %s. Go on?",
                       number(preview, "set"), number(preview, "changed"),
                       number(preview, "removed"), number(preview, "bytes"),
                       sets > 1 ? ", in several steps" : "",
                       json_string_value(json_object_get(preview, "at")));
        rc = command_confirm(invocation, text, err) ? 0 : err->code;
    }
    json_decref(preview);
    return rc;
}

static int finish(json_t *report, const struct ctl_kind *kind, bool dry_run,
                  enum output_format format, struct err *err)
{
    const struct output_column columns[] = {
        {"dry_run", "Dry run", false}, {kind->member, "Restored", true},
        {"at", "As of", true},         {"set", "Items set", true},
        {"changed", "Changed", true},  {"removed", "Removed", true},
        {"bytes", "Bytes", true},      {"change_sets", "Change sets", true},
        {"seq", "Seq", true},          {NULL, NULL, false},
    };
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(report, "failed"), i, row)
    {
        const char *item = json_string_value(json_object_get(row, "item"));
        output_say("%s '%s'%s%s: %s\n", kind->one, json_string_value(json_object_get(row, "name")),
                   item != NULL ? ", " : "", item != NULL ? item : "",
                   json_string_value(json_object_get(row, "reason")));
    }
    if (number(report, "change_sets") > 1) {
        output_say("It took %lld change sets: machines may have seen a part of it.\n",
                   number(report, "change_sets"));
    }
    bool done = number(report, kind->member) > 0 || number(report, "change_sets") > 0;
    if (done) {
        output_object(format, columns + (dry_run ? 0 : 1), report);
    }
    json_int_t whole = number(report, kind->member);
    return ctl_left_out(report, done && whole == 0 ? 1 : whole, err);
}

static int restore(const struct invocation *invocation, const struct ctl_kind *kind,
                   struct err *err)
{
    enum output_format format;
    json_t *body = NULL;
    json_t *report = NULL;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = make_body(invocation, kind, &body, err);
    }
    if (rc == 0 && !dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, body, err);
    }
    if (rc == 0) {
        rc = ask_restore(invocation, body, dry_run, &report, err);
    }
    if (rc == 0) {
        rc = finish(report, kind, dry_run, format, err);
    }
    json_decref(body);
    json_decref(report);
    return rc;
}

int ctl_user_set(const struct invocation *invocation, struct err *err)
{
    return set(invocation, &ctl_user_kind, err);
}

int ctl_group_set(const struct invocation *invocation, struct err *err)
{
    return set(invocation, &ctl_group_kind, err);
}

int ctl_user_unset(const struct invocation *invocation, struct err *err)
{
    return write_item(invocation, &ctl_user_kind, "DELETE", span_of(NULL, 0), err);
}

int ctl_group_unset(const struct invocation *invocation, struct err *err)
{
    return write_item(invocation, &ctl_group_kind, "DELETE", span_of(NULL, 0), err);
}

int ctl_user_restore(const struct invocation *invocation, struct err *err)
{
    return restore(invocation, &ctl_user_kind, err);
}

int ctl_group_restore(const struct invocation *invocation, struct err *err)
{
    return restore(invocation, &ctl_group_kind, err);
}
