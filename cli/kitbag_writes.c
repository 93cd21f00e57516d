/* cli/kitbag_writes.c - writing: set, rm, apply. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/name.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/value.h"

enum { BAG_TEXT_MAX = 1024, WAIT_DEFAULT_MS = 10000, WAIT_MAX_MS = 3600000 };
enum { APPLY_FILE_MAX = 16 << 20 };

/* The two arguments that all writes end with: if_seq or nil, wait_ms. */
static int pack_write_options(const struct invocation *invocation, struct buf *request,
                              struct err *err)
{
    const char *if_seq = invocation_option(invocation, "if-seq");
    const char *wait = invocation_option(invocation, "wait");
    uint64_t wait_ms = wait != NULL ? WAIT_DEFAULT_MS : 0;
    if (if_seq == NULL) {
        pack_nil(request);
    } else {
        char *end = NULL;
        errno = 0;
        unsigned long long seq = strtoull(if_seq, &end, 10);
        if (errno != 0 || *end != '\0' || end == if_seq || if_seq[0] == '-') {
            return err_set(err, E_USAGE, "--if-seq takes a seq, or 0 for \"not there\", not '%s'",
                           if_seq);
        }
        pack_u64(request, seq);
    }
    if (wait != NULL && wait[0] != '\0' &&
        (clock_parse_duration(wait, &wait_ms) != 0 || wait_ms > WAIT_MAX_MS)) {
        return err_set(err, E_USAGE, "--wait takes a time such as --wait=10s, at most 1h");
    }
    pack_u64(request, wait_ms);
    return 0;
}

static int finish(struct call *call, const struct invocation *invocation, struct err *err)
{
    int rc = pack_write_options(invocation, &call->request, err);
    if (rc == 0) {
        rc = call_run(call, invocation, err);
    }
    call_close(call);
    return rc;
}

int verb_set(const struct invocation *invocation, struct err *err)
{
    char bag[BAG_TEXT_MAX];
    int next = 0;
    int rc = call_bag(invocation, bag, sizeof bag, &next, err);
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count != next + 2) {
        return err_set(err, E_USAGE,
                       "usage: kitbag set USER ITEM VALUE|@FILE|-, or --bag BAG ITEM VALUE");
    }
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    rc = value_read(invocation->args[next + 1], &value, err);
    if (rc == E_TOO_LARGE) {
        rc = err_set(err, rc, "a value is at most 1 MiB (%d bytes)", VALUE_MAX_BYTES);
    }
    if (rc == 0) {
        struct call call = {0};
        call_begin(&call, "set", 5);
        pack_cstr(&call.request, bag);
        pack_cstr(&call.request, invocation->args[next]);
        pack_bin(&call.request, buf_span(&value));
        rc = finish(&call, invocation, err);
    }
    buf_free(&value);
    return rc;
}

int verb_rm(const struct invocation *invocation, struct err *err)
{
    char bag[BAG_TEXT_MAX];
    int next = 0;
    int rc = call_bag(invocation, bag, sizeof bag, &next, err);
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count != next + 1) {
        return err_set(err, E_USAGE, "usage: kitbag rm USER ITEM, or --bag BAG ITEM");
    }
    struct call call = {0};
    call_begin(&call, "rm", 4);
    pack_cstr(&call.request, bag);
    pack_cstr(&call.request, invocation->args[next]);
    return finish(&call, invocation, err);
}

/* A text is written as it is, null removes, anything else is written as its JSON. */
static int pack_json_writes(struct buf *request, json_t *object, struct err *err)
{
    const char *item;
    json_t *value;
    pack_array(request, (uint32_t)json_object_size(object));
    json_object_foreach(object, item, value)
    {
        pack_array(request, 2);
        pack_cstr(request, item);
        if (json_is_null(value)) {
            pack_nil(request);
        } else if (json_is_string(value)) {
            pack_bin(request, span_of(json_string_value(value), json_string_length(value)));
        } else {
            char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            if (text == NULL) {
                return err_set(err, E_NOMEM, "out of memory");
            }
            pack_bin(request, span_str(text));
            free(text);
        }
    }
    return 0;
}

static int load_object(const char *file, json_t **out, struct err *err)
{
    struct buf bytes;
    json_error_t why;
    buf_init(&bytes, APPLY_FILE_MAX);
    int rc = strcmp(file, "-") == 0 ? value_read_input(&bytes, err) : file_read(file, &bytes, err);
    if (rc == 0) {
        *out = json_loadb((const char *)bytes.data, bytes.size,
                          JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
        if (*out == NULL) {
            rc = err_set(err, E_INVALID, "%s line %d: %s", file, why.line, why.text);
        } else if (!json_is_object(*out) || json_object_size(*out) == 0) {
            rc = err_set(err, E_INVALID,
                         "%s: a JSON object with at least one \"item\": value is needed", file);
        }
    }
    buf_free(&bytes);
    return rc;
}

int verb_apply(const struct invocation *invocation, struct err *err)
{
    char bag[BAG_TEXT_MAX];
    int next = 0;
    json_t *object = NULL;
    struct call call = {0};
    int rc = call_bag(invocation, bag, sizeof bag, &next, err);
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count != next + 1) {
        return err_set(err, E_USAGE, "usage: kitbag apply USER FILE, or --bag BAG FILE");
    }
    rc = load_object(invocation->args[next], &object, err);
    if (rc == 0) {
        call_begin(&call, "apply", 4);
        pack_cstr(&call.request, bag);
        rc = pack_json_writes(&call.request, object, err);
    }
    if (rc == 0) {
        rc = finish(&call, invocation, err);
    } else {
        call_close(&call);
    }
    json_decref(object);
    return rc;
}
