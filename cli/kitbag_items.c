/* cli/kitbag_items.c - reading: get, ls, watch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/name.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/output.h"

enum { BAG_TEXT_MAX = 1024 };

static int cannot_read(struct err *err)
{
    return err_set(err, E_MALFORMED, "the agent's answer can't be read");
}

/* --- get --- */

static int keep_value(void *context, struct walk *fields, struct err *err)
{
    struct buf *value = context;
    struct span bytes = walk_bin(fields);
    if (walk_end(fields, true) != 0) {
        return cannot_read(err);
    }
    return buf_append_span(value, bytes);
}

int verb_get(const struct invocation *invocation, struct err *err)
{
    char bag[BAG_TEXT_MAX];
    int next = 0;
    int rc = call_bag(invocation, bag, sizeof bag, &next, err);
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count != next + 1) {
        return err_set(err, E_USAGE, "usage: kitbag get USER ITEM, or --bag BAG ITEM");
    }
    struct buf value;
    buf_init(&value, VALUE_MAX_BYTES);
    struct call call = {.row = keep_value, .context = &value};
    call_begin(&call, "get", 2);
    pack_cstr(&call.request, bag);
    pack_cstr(&call.request, invocation->args[next]);
    rc = call_run(&call, invocation, err);
    if (rc == 0) {
        if (value.size > 0) {
            (void)fwrite(value.data, 1, value.size, stdout);
        }
        if (isatty(STDOUT_FILENO)) {
            (void)fputc('\n', stdout);
        }
    }
    call_close(&call);
    buf_free(&value);
    return rc;
}

/* --- ls --- */

struct listing {
    json_t *rows;
    bool values;
};

static void set_time(json_t *row, uint64_t time_ms)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(time_ms, text);
    (void)json_object_set_new(row, "time", json_string(text));
}

static int add_item(void *context, struct walk *fields, struct err *err)
{
    struct listing *listing = context;
    struct span path = walk_str(fields);
    struct span bytes = walk_bin(fields);
    uint64_t seq = walk_u64(fields);
    uint64_t time_ms = walk_u64(fields);
    bool pending = walk_bool(fields);
    if (walk_end(fields, true) != 0) {
        return cannot_read(err);
    }
    json_t *row = json_object();
    output_set_bytes(row, "item", path.data, path.size);
    (void)json_object_set_new(row, "size", json_integer((json_int_t)bytes.size));
    (void)json_object_set_new(row, "seq", output_seq(seq));
    set_time(row, time_ms);
    (void)json_object_set_new(row, "pending", json_boolean(pending));
    if (listing->values) {
        output_set_bytes(row, "value", bytes.data, bytes.size);
    }
    return json_array_append_new(listing->rows, row) == 0 ? 0
                                                          : err_set(err, E_NOMEM, "out of memory");
}

int verb_ls(const struct invocation *invocation, struct err *err)
{
    static const struct output_column all[] = {
        {"item", "ITEM", false}, {"size", "SIZE", true},        {"seq", "SEQ", true},
        {"time", "TIME", false}, {"pending", "PENDING", false}, {"value", "VALUE", false},
        {NULL, NULL, false}};
    struct output_column columns[sizeof all / sizeof all[0]];
    char bag[BAG_TEXT_MAX];
    int next = 0;
    enum output_format format;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = call_bag(invocation, bag, sizeof bag, &next, err);
    }
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count > next + 1) {
        return err_set(err, E_USAGE, "usage: kitbag ls USER [PREFIX], or --bag BAG [PREFIX]");
    }
    struct listing listing = {json_array(), invocation_has(invocation, "values")};
    memcpy(columns, all, sizeof columns);
    if (!listing.values) {
        columns[5].key = NULL;
    }
    struct call call = {.row = add_item, .context = &listing};
    call_begin(&call, "ls", 2);
    pack_cstr(&call.request, bag);
    pack_cstr(&call.request, invocation->arg_count > next ? invocation->args[next] : "");
    rc = call_run(&call, invocation, err);
    if (rc == 0) {
        output_rows(format, columns, listing.rows);
    }
    json_decref(listing.rows);
    call_close(&call);
    return rc;
}

/* --- watch --- */

static int show_change(void *context, struct walk *fields, struct err *err)
{
    static const struct output_column columns[] = {
        {"time", "TIME", false}, {"what", "WHAT", false},   {"bag", "BAG", false},
        {"item", "ITEM", false}, {"value", "VALUE", false}, {NULL, NULL, false}};
    const enum output_format *format = context;
    struct span bag = walk_str(fields);
    bool whole = walk_nil(fields);
    struct span item = whole ? (struct span){0} : walk_str(fields);
    bool removed = walk_bool(fields);
    bool none = walk_nil(fields);
    struct span bytes = none ? (struct span){0} : walk_bin(fields);
    uint64_t seq = walk_u64(fields);
    if (walk_end(fields, true) != 0) {
        return cannot_read(err);
    }
    if (bag.size == 0) { /* the watch has begun: nothing is missed from here */
        return 0;
    }
    json_t *row = json_object();
    set_time(row, clock_wall_ms(&clock_system));
    const char *what = whole ? "read-again" : removed ? "removed" : "set";
    (void)json_object_set_new(row, "what", json_string(what));
    output_set_bytes(row, "bag", bag.data, bag.size);
    if (!whole) {
        output_set_bytes(row, "item", item.data, item.size);
    }
    if (!whole && !removed) {
        output_set_bytes(row, "value", bytes.data, bytes.size);
    }
    (void)json_object_set_new(row, "seq", output_seq(seq));
    output_row(*format, columns, row);
    json_decref(row);
    /* a reader that went away ends the watch */
    return ferror(stdout) != 0 ? err_set(err, E_IO, "standard output was closed") : 0;
}

int verb_watch(const struct invocation *invocation, struct err *err)
{
    char bag[BAG_TEXT_MAX];
    int next = 0;
    enum output_format format;
    bool all = invocation->arg_count == 0 && !invocation_has(invocation, "bag");
    int rc = output_format(invocation, &format, err);
    if (rc == 0 && !all) {
        rc = call_bag(invocation, bag, sizeof bag, &next, err);
    }
    if (rc != 0) {
        return rc;
    }
    struct call call = {.row = show_change, .context = &format};
    call_begin(&call, "watch", 1);
    if (all) {
        pack_nil(&call.request);
    } else {
        pack_cstr(&call.request, bag);
    }
    rc = call_run(&call, invocation, err);
    call_close(&call);
    return rc;
}
