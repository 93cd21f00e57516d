/* client/agent_files.c - the verbs of snapshot files. */
#include <limits.h>
#include <string.h>

#include "client/agent_inside.h"
#include "journal/snapshot.h"

enum { PATH_ROOM = PATH_MAX + 2, PASSWORD_ROOM = SNAPSHOT_PASSWORD_MAX + 2 };

int call_import(struct call *call)
{
    char path[PATH_ROOM];
    char password[PASSWORD_ROOM];
    char trust[SNAPSHOT_FINGERPRINT_MAX + 2];
    struct kb_import_report report = {.bags = 0};
    struct kb_import_options options = {.size = sizeof options};
    call_text(call, path, sizeof path);
    options.password = call_optional(call, password, sizeof password) ? password : NULL;
    options.trust = call_optional(call, trust, sizeof trust) ? trust : NULL;
    options.dry_run = walk_bool(&call->arguments);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_import(call->kb, path, &options, &report, &call->error);
    if (rc == 0) {
        const uint64_t numbers[] = {
            report.created_ms, report.seq,   report.bags,    report.items,
            report.left_out,   report.taken, report.users,   report.items_taken,
            report.newer,      report.same,  report.skipped,
        };
        size_t count = sizeof numbers / sizeof numbers[0];
        struct buf *out = call_results(call, 3 + (uint32_t)count);
        pack_u64(out, (uint64_t)report.kind);
        pack_cstr(out, report.name);
        pack_cstr(out, report.signer);
        for (size_t i = 0; i < count; i++) {
            pack_u64(out, numbers[i]);
        }
    }
    key_wipe(password, sizeof password);
    return rc;
}

static int export_results(struct call *call, int rc, const struct kb_export_report *report)
{
    if (rc == 0) {
        struct buf *out = call_results(call, 7);
        pack_cstr(out, report->signer);
        pack_u64(out, report->users);
        pack_u64(out, report->groups);
        pack_u64(out, report->items);
        pack_u64(out, report->left_out);
        pack_u64(out, report->operations);
        pack_u64(out, report->bytes);
    }
    return rc;
}

int call_export(struct call *call)
{
    char path[PATH_ROOM];
    char password[PASSWORD_ROOM];
    struct kb_export_report report = {.items = 0};
    struct kb_export_options options = {.size = sizeof options};
    call_text(call, path, sizeof path);
    options.password = call_optional(call, password, sizeof password) ? password : NULL;
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_export(call->kb, path, &options, &report, &call->error);
    key_wipe(password, sizeof password);
    return export_results(call, rc, &report);
}

int call_export_outbox(struct call *call)
{
    char path[PATH_ROOM];
    struct kb_export_report report = {.items = 0};
    call_text(call, path, sizeof path);
    int rc = call_taken(call);
    rc = rc != 0 ? rc : kb_export_outbox(call->kb, path, &report, &call->error);
    return export_results(call, rc, &report);
}
