/* cli/kitbag_files.c - snapshot files: taking one, making one. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/kitbag_call.h"
#include "cli/kitbag_verbs.h"
#include "cli/output.h"
#include "cli/secret.h"

/* --- what both have --- */

/* The agent, which opens the file, runs in another folder. */
static int existing(const char *path, char out[PATH_MAX], struct err *err)
{
    return realpath(path, out) != NULL ? 0 : err_sys(err, "open", path);
}

static int to_be_made(const char *path, char out[PATH_MAX], struct err *err)
{
    char folder[PATH_MAX];
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = slash != NULL ? (size_t)(slash - path) : 0;
    if (name[0] == '\0' || size >= sizeof parent) {
        return err_set(err, E_USAGE, "'%.200s' is no name for a file", path);
    }
    memcpy(parent, path, size);
    parent[size] = '\0';
    const char *of = slash == NULL ? "." : size == 0 ? "/" : parent;
    if (realpath(of, folder) == NULL) {
        return err_sys(err, "open the folder", of);
    }
    int length = snprintf(out, PATH_MAX, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    return length > 0 && length < PATH_MAX
               ? 0
               : err_set(err, E_USAGE, "the path of '%.200s' is too long", name);
}

static int pack_password(const struct invocation *invocation, struct buf *request, struct err *err)
{
    char password[SECRET_MAX];
    const char *file = invocation_option(invocation, "password-file");
    if (file == NULL) {
        pack_nil(request);
        return 0;
    }
    int rc = secret_from_file(file, password, err);
    if (rc == 0) {
        pack_cstr(request, password);
    }
    secret_wipe(password);
    return rc;
}

/* Nothing of a request that has a password in it stays. */
static void close_call(struct call *call)
{
    if (call->request.data != NULL) {
        explicit_bzero(call->request.data, call->request.capacity);
    }
    call_close(call);
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
    (void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static unsigned long long number(const json_t *object, const char *name)
{
    return (unsigned long long)json_integer_value(json_object_get(object, name));
}

/* --- import --- */

static const char *const kinds[] = {"unknown", "server", "machine", "outbox"};

static json_t *read_import(struct walk *results)
{
    static const char *const names[] = {"bags",        "items", "left_out", "taken",  "users",
                                        "items_taken", "newer", "same",     "skipped"};
    char time[CLOCK_TEXT_MAX];
    json_t *report = json_object();
    uint64_t kind = walk_u64_max(results, 3);
    struct span name = walk_str(results);
    struct span signer = walk_str(results);
    clock_format(walk_u64(results), time);
    (void)json_object_set_new(report, "kind", json_string(kinds[kind]));
    output_set_bytes(report, "name", name.data, name.size);
    output_set_bytes(report, "signer", signer.data, signer.size);
    (void)json_object_set_new(report, "created", json_string(time));
    (void)json_object_set_new(report, "seq", output_seq(walk_u64(results)));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set_number(report, names[i], walk_u64(results));
    }
    return report;
}

static void say_server(const json_t *report, bool dry_run)
{
    (void)fprintf(stderr,
                  "%s: %llu bags of %llu (people: %llu, items: %llu), as they were at change %s "
                  "of '%s' on %s.\n",
                  dry_run ? "This would be taken" : "Taken", number(report, "taken"),
                  number(report, "bags"), number(report, "users"), number(report, "items_taken"),
                  json_string_value(json_object_get(report, "seq")),
                  json_string_value(json_object_get(report, "name")),
                  json_string_value(json_object_get(report, "created")));
    if (number(report, "newer") > 0) {
        (void)fprintf(stderr, "Of %llu bags this machine has a newer copy, which stays.\n",
                      number(report, "newer"));
    }
    if (number(report, "skipped") > 0) {
        (void)fprintf(stderr, "%llu bags are other machines' own, and none of this one's.\n",
                      number(report, "skipped"));
    }
    if (number(report, "left_out") > 0) {
        (void)fprintf(stderr,
                      "%llu items are not in the file: their categories are not exported, or are "
                      "secret and it has no password. They come when this machine connects.\n",
                      number(report, "left_out"));
    }
    if (!dry_run && number(report, "users") > 0) {
        (void)fputs("The people in it can sign in here now.\n", stderr);
    }
}

static int say_machine(const json_t *report, bool dry_run, struct err *err)
{
    (void)fprintf(stderr, "%s: %llu items of %llu bags; %llu are here just so.\n",
                  dry_run ? "This would be written" : "Written", number(report, "items_taken"),
                  number(report, "taken"), number(report, "same"));
    if (number(report, "skipped") == 0) {
        return 0;
    }
    return err_set(err, E_PARTLY,
                   "%llu bags of the file were left alone: they are of people who are not signed "
                   "in here (sign in first, then import the file again) or of another machine",
                   number(report, "skipped"));
}

static int say_import(const struct invocation *invocation, json_t *report, struct err *err)
{
    static const struct output_column columns[] = {{"kind", "Kind", false},
                                                   {"name", "Made by", false},
                                                   {"signer", "Signed by", false},
                                                   {"created", "Made", false},
                                                   {"seq", "As of change", false},
                                                   {"bags", "Bags", false},
                                                   {"items", "Items", false},
                                                   {"left_out", "Not in it", false},
                                                   {"taken", "Taken", false},
                                                   {"users", "People", false},
                                                   {"items_taken", "Items taken", false},
                                                   {"newer", "Newer here", false},
                                                   {"same", "Here already", false},
                                                   {"skipped", "Left alone", false},
                                                   {NULL, NULL, false}};
    enum output_format format;
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc != 0) {
        return rc;
    }
    if (format != OUTPUT_TABLE) {
        output_object(format, columns, report);
    }
    if (strcmp(json_string_value(json_object_get(report, "kind")), "machine") == 0) {
        return say_machine(report, dry_run, err);
    }
    say_server(report, dry_run);
    return 0;
}

int verb_import(const struct invocation *invocation, struct err *err)
{
    char path[PATH_MAX];
    struct call call = {0};
    enum output_format format;
    const char *trust = invocation_option(invocation, "trust");
    int rc = output_format(invocation, &format, err); /* before anything is done */
    rc = rc != 0 ? rc : existing(invocation->args[0], path, err);
    if (rc != 0) {
        return rc;
    }
    call_begin(&call, "import", 4);
    pack_cstr(&call.request, path);
    rc = pack_password(invocation, &call.request, err);
    if (trust != NULL) {
        pack_cstr(&call.request, trust);
    } else {
        pack_nil(&call.request);
    }
    pack_bool(&call.request, invocation_has(invocation, "dry-run"));
    rc = rc != 0 ? rc : call_run(&call, invocation, err);
    if (rc == 0) {
        json_t *report = read_import(&call.end.results);
        rc = call.end.results.error != 0
                 ? err_set(err, E_MALFORMED, "the agent's answer can't be read")
                 : say_import(invocation, report, err);
        json_decref(report);
    }
    close_call(&call);
    return rc;
}

/* --- export --- */

static int say_export(const struct invocation *invocation, struct walk *results, struct err *err)
{
    struct span signer = walk_str(results);
    unsigned long long users = walk_u64(results);
    unsigned long long groups = walk_u64(results);
    unsigned long long items = walk_u64(results);
    unsigned long long left_out = walk_u64(results);
    unsigned long long operations = walk_u64(results);
    unsigned long long bytes = walk_u64(results);
    if (walk_end(results, true) != 0) {
        return err_set(err, E_MALFORMED, "the agent's answer can't be read");
    }
    if (operations > 0) {
        (void)fprintf(stderr,
                      "%llu operations that wait to be sent are in '%s' (%llu bytes). An "
                      "administrator gives it to the server: kitbagctl import outbox FILE. They go "
                      "on waiting here too, and are done once.\n",
                      operations, invocation->args[0], bytes);
    } else {
        (void)fprintf(stderr,
                      "%llu items of %llu people and %llu groups are in '%s' (%llu bytes).\n",
                      items, users, groups, invocation->args[0], bytes);
    }
    if (left_out > 0) {
        (void)fprintf(stderr,
                      "%llu values of secret categories were left out: they need a password "
                      "(--password-file).\n",
                      left_out);
    }
    (void)fprintf(stderr, "Another machine takes it by this one's fingerprint: %.*s\n",
                  (int)signer.size, (const char *)signer.data);
    return 0;
}

int verb_export(const struct invocation *invocation, struct err *err)
{
    char path[PATH_MAX];
    struct call call = {0};
    int rc = to_be_made(invocation->args[0], path, err);
    if (rc != 0) {
        return rc;
    }
    call_begin(&call, "export", 2);
    pack_cstr(&call.request, path);
    rc = pack_password(invocation, &call.request, err);
    rc = rc != 0 ? rc : call_run(&call, invocation, err);
    rc = rc != 0 ? rc : say_export(invocation, &call.end.results, err);
    close_call(&call);
    return rc;
}

int verb_outbox_export(const struct invocation *invocation, struct err *err)
{
    char path[PATH_MAX];
    struct call call = {0};
    int rc = to_be_made(invocation->args[0], path, err);
    if (rc != 0) {
        return rc;
    }
    call_begin(&call, "export-outbox", 1);
    pack_cstr(&call.request, path);
    rc = call_run(&call, invocation, err);
    rc = rc != 0 ? rc : say_export(invocation, &call.end.results, err);
    call_close(&call);
    return rc;
}
