/* cli/kitbag_explain.c - where an item's value comes from: this machine's own, the shared one or a
 * default; what the others are, and who set them.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/output.h"

enum { BAG_TEXT_MAX = 1024, LAYERS = 4, SHARINGS = 3 };

static const char *const layer_names[LAYERS] = {"none", "shared", "device", "default"};
static const char *const layer_words[LAYERS] = {
    "nobody set it, and there is no default", "the value that all machines share",
    "this machine's own value", "the default, because nobody set it"};
static const char *const sharing_names[SHARINGS] = {"always", "shared", "device"};
static const char *const sharing_words[SHARINGS] = {"always shared", "Shared across All Devices",
                                                    "Device-Specific (Not Shared)"};

static int cannot_read(struct err *err)
{
    return err_set(err, E_MALFORMED, "the agent's answer can't be read");
}

static void set_text(json_t *row, const char *key, struct span text)
{
    output_set_bytes(row, key, text.data, text.size);
}

static void set_moment(json_t *row, uint64_t seq, uint64_t time_ms)
{
    char text[CLOCK_TEXT_MAX];
    (void)json_object_set_new(row, "seq", output_seq(seq));
    clock_format(time_ms, text);
    (void)json_object_set_new(row, "time", json_string(text));
}

/* Null for 0: there is no such change. */
static void set_seq_or_null(json_t *row, const char *key, uint64_t seq)
{
    (void)json_object_set_new(row, key, seq != 0 ? output_seq(seq) : json_null());
}

/* One of the layers; `counts`: its value is the one that is seen. */
static void add_layer(json_t *layers, struct walk *fields, const char *name, bool counts)
{
    struct walk found = walk_array(walk_any(fields));
    json_t *row = json_object();
    bool there = walk_bool(&found);
    uint64_t initialised = walk_u64(&found);
    uint64_t seq = walk_u64(&found);
    uint64_t time_ms = walk_u64(&found);
    struct span origin = walk_str(&found);
    uint64_t size = walk_u64(&found);
    if (walk_end(&found, true) != 0) {
        fields->error = E_MALFORMED;
    }
    (void)json_object_set_new(row, "layer", json_string(name));
    (void)json_object_set_new(row, "there", json_boolean(there));
    (void)json_object_set_new(row, "counts", json_boolean(there && counts));
    set_seq_or_null(row, "initialised", initialised);
    if (there) {
        (void)json_object_set_new(row, "size", json_integer((json_int_t)size));
        set_moment(row, seq, time_ms);
        set_text(row, "origin", origin);
    }
    (void)json_array_append_new(layers, row);
}

/* In the order of AGENT_EXPLAIN_FIELDS. */
static int read_explanation(void *context, struct walk *fields, struct err *err)
{
    json_t *row = context;
    json_t *layers = json_array();
    uint64_t layer = walk_u64_max(fields, LAYERS - 1);
    bool pending = walk_bool(fields);
    struct span category = walk_str(fields);
    uint64_t sharing = walk_u64_max(fields, SHARINGS - 1);
    layer = fields->error == 0 ? layer : 0;
    sharing = fields->error == 0 ? sharing : 0;
    (void)json_object_set_new(row, "layer", json_string(layer_names[layer]));
    (void)json_object_set_new(row, "pending", json_boolean(pending));
    (void)json_object_set_new(row, "category", json_null());
    if (category.size > 0) {
        set_text(row, "category", category);
    }
    (void)json_object_set_new(row, "sharing", json_string(sharing_names[sharing]));
    (void)json_object_set_new(row, "copy", json_boolean(walk_bool(fields)));
    set_seq_or_null(row, "sharing_seq", walk_u64(fields));
    uint64_t seq = walk_u64(fields);
    uint64_t time_ms = walk_u64(fields);
    struct span origin = walk_str(fields);
    set_text(row, "device", walk_str(fields));
    if (!walk_nil(fields)) {
        set_text(row, "value", walk_bin(fields));
        set_moment(row, seq, time_ms);
        set_text(row, "origin", origin);
    }
    add_layer(layers, fields, "shared", layer == KB_LAYER_SHARED && !pending);
    add_layer(layers, fields, "device", layer == KB_LAYER_DEVICE && !pending);
    add_layer(layers, fields, "default", layer == KB_LAYER_DEFAULT);
    (void)json_object_set_new(row, "layers", layers);
    return walk_end(fields, true) == 0 ? 0 : cannot_read(err);
}

/* --- for people --- */

static const char *text_of(json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text != NULL ? text : "";
}

static size_t index_of(const char *const *names, size_t count, const char *name)
{
    size_t i = 0;
    while (i + 1 < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

/* Who set it; nothing for what is not there. */
static void say_who(json_t *row, const char *device)
{
    const char *origin = json_string_value(json_object_get(row, "origin"));
    if (origin == NULL) {
        return;
    }
    bool here = json_is_true(json_object_get(row, "pending")) ||
                (origin[0] != '\0' && strcmp(origin, device) == 0);
    json_t *who = here                ? json_string("this machine")
                  : origin[0] == '\0' ? json_string("the server or an administrator")
                                      : json_sprintf("machine %s", origin);
    (void)json_object_set_new(row, "who", who);
}

static void say_from(json_t *row)
{
    size_t layer = index_of(layer_names, LAYERS, text_of(row, "layer"));
    bool pending = json_is_true(json_object_get(row, "pending"));
    const char *text = !pending ? layer_words[layer]
                       : layer == KB_LAYER_DEVICE
                           ? "a write of this machine that waits to be sent, "
                             "as its own value"
                           : "a write of this machine that waits to be sent";
    (void)json_object_set_new(row, "from", json_string(text));
}

static void say_sharing(json_t *row)
{
    size_t sharing = index_of(sharing_names, SHARINGS, text_of(row, "sharing"));
    const char *seq = text_of(row, "sharing_seq");
    bool set = sharing != KB_SHARING_ALWAYS && seq[0] != '\0';
    bool copy = json_is_true(json_object_get(row, "copy"));
    (void)json_object_set_new(
        row, "rule",
        json_sprintf(
            "%s%s%s%s", sharing_words[sharing], set ? ", since change " : "", set ? seq : "",
            copy ? "; without a value of its own, a machine sees the shared one of then" : ""));
}

static void say_state(json_t *layer)
{
    const char *state = !json_is_true(json_object_get(layer, "there"))          ? "has none"
                        : json_is_string(json_object_get(layer, "initialised")) ? "was initialised"
                        : json_is_true(json_object_get(layer, "counts"))        ? "is seen"
                                                                                : "is not read";
    (void)json_object_set_new(layer, "state", json_string(state));
}

static void show(json_t *row)
{
    static const struct output_column head[] = {
        {"item", "Item", false},         {"value", "Value", false},  {"from", "From", false},
        {"category", "Category", false}, {"rule", "Sharing", false}, {"who", "Set by", false},
        {"time", "Time", false},         {"seq", "Seq", false},      {NULL, NULL, false}};
    static const struct output_column columns[] = {
        {"layer", "LAYER", false}, {"state", "STATE", false}, {"size", "SIZE", true},
        {"seq", "SEQ", true},      {"time", "TIME", false},   {"who", "SET BY", false},
        {NULL, NULL, false}};
    const char *device = text_of(row, "device");
    json_t *layers = json_object_get(row, "layers");
    size_t i;
    json_t *layer;
    say_from(row);
    say_sharing(row);
    say_who(row, device);
    json_array_foreach(layers, i, layer)
    {
        say_state(layer);
        say_who(layer, device);
    }
    if (strcmp(text_of(row, "seq"), "0") == 0) {
        (void)json_object_del(row, "seq"); /* the server has not given it one */
    }
    output_object(OUTPUT_TABLE, head, row);
    (void)fputc('\n', stdout);
    output_rows(OUTPUT_TABLE, columns, layers);
}

int verb_explain(const struct invocation *invocation, struct err *err)
{
    static const struct output_column none[] = {{NULL, NULL, false}};
    char bag[BAG_TEXT_MAX];
    int next = 0;
    enum output_format format;
    int rc = output_format(invocation, &format, err);
    rc = rc != 0 ? rc : call_bag(invocation, bag, sizeof bag, &next, err);
    if (rc != 0) {
        return rc;
    }
    if (invocation->arg_count != next + 1) {
        return err_set(err, E_USAGE, "usage: kitbag explain USER ITEM, or --bag BAG ITEM");
    }
    struct call call = {.row = read_explanation, .context = json_object()};
    (void)json_object_set_new(call.context, "item", json_string(invocation->args[next]));
    call_begin(&call, "explain", 2);
    pack_cstr(&call.request, bag);
    pack_cstr(&call.request, invocation->args[next]);
    rc = call_run(&call, invocation, err);
    if (rc == 0 && format == OUTPUT_TABLE) {
        show(call.context);
    } else if (rc == 0) {
        output_object(format, none, call.context);
    }
    json_decref(call.context);
    call_close(&call);
    return rc;
}
