/* cli/ctl_repair.c - kitbagctl journal verify and repair: on the files themselves, without a
 * server.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"
#include "journal/repair.h"

static int journal_dir(const struct invocation *invocation, char dir[PATH_MAX], struct err *err)
{
    int rc = path_join(dir, PATH_MAX, ctl_data_dir(invocation), "journal");
    return rc == 0 ? 0 : err_set(err, rc, "the path of the data folder is too long");
}

static int no_journal(const struct invocation *invocation, struct err *err)
{
    return err_set(err, E_NOT_FOUND, "there is no journal in '%s': is that a server's data folder?",
                   ctl_data_dir(invocation));
}

/* --- verify --- */

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    output_progress("reading the journal", done, total);
}

/* A server that is writing may be met in the middle of a batch: what is damage shows itself at the
 * same place again. */
static int verify(const char *dir, struct verify_report *report, struct err *err)
{
    int rc = journal_verify(dir, report, show_progress, NULL, err);
    for (int i = 0; i < 3 && rc == E_CORRUPT; i++) {
        struct verify_report before = *report;
        *report = (struct verify_report){0};
        rc = journal_verify(dir, report, show_progress, NULL, err);
        if (rc == E_CORRUPT && strcmp(before.file, report->file) == 0 &&
            before.offset == report->offset) {
            break;
        }
    }
    output_progress_end();
    return rc;
}

static const char *tail_words(enum segment_tail tail)
{
    switch (tail) {
    case SEGMENT_TAIL_CLEAN:
        return "a clean stop";
    case SEGMENT_TAIL_OPEN:
        return "open: the server runs, or was killed between two writes";
    case SEGMENT_TAIL_TORN:
        return "a write that was cut short: nobody was told that it was done, the next start "
               "clears it away";
    }
    return "unknown";
}

static int print_report(const struct verify_report *report, enum output_format format,
                        struct err *err)
{
    static const struct output_column columns[] = {
        {"journal", "Journal", false},
        {"first_seq", "First change", false},
        {"last_seq", "Last change", false},
        {"changes", "Changes", false},
        {"batches", "Batches", false},
        {"segments", "Files", false},
        {"bytes", "Bytes", false},
        {"end", "Ends with", false},
        {NULL, NULL, false},
    };
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:s}", "journal", "whole", "first_seq",
                  output_seq(report->first_seq), "last_seq", output_seq(report->last_seq),
                  "changes", (json_int_t)report->changes, "batches", (json_int_t)report->batches,
                  "segments", (json_int_t)report->segments, "bytes", (json_int_t)report->bytes,
                  "end", tail_words(report->tail));
    if (object == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    output_object(format, columns, object);
    json_decref(object);
    return 0;
}

/* What can be recovered of a damaged one: to standard error, since the verb failed. */
static void tell_remedy(const char *dir)
{
    static const struct {
        enum repair_keep keep;
        const char *words, *verb;
    } ways[] = {
        {REPAIR_KEEP_BEFORE, "before the damage", "journal repair"},
        {REPAIR_KEEP_BEHIND, "behind the damage", "journal repair --keep-newest"},
    };
    output_say("Keep a copy of the whole data folder before anything else is done "
               "with it.\n");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct repair_options options = {.keep = ways[i].keep, .dry_run = true};
        struct repair_report report = {0};
        if (journal_repair(dir, &options, &report, NULL) == 0 && report.damaged) {
            output_say("'kitbagctl %s' would keep what is %s: changes %llu to %llu.\n",
                       ways[i].verb, ways[i].words, (unsigned long long)report.kept_first,
                       (unsigned long long)report.kept_last);
        }
    }
}

int ctl_journal_verify(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    char dir[PATH_MAX];
    struct verify_report report = {0};
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = journal_dir(invocation, dir, err);
    }
    if (rc == 0) {
        rc = verify(dir, &report, err);
    }
    if (rc == E_CORRUPT) {
        tell_remedy(dir);
    }
    if (rc == E_NOT_FOUND) {
        return no_journal(invocation, err);
    }
    return rc == 0 ? print_report(&report, format, err) : rc;
}

/* --- repair --- */

/* The journal is the server's while it runs. */
static int lock_folder(const struct invocation *invocation, int *lock, struct err *err)
{
    const char *dir = ctl_data_dir(invocation);
    char path[PATH_MAX];
    if (path_join(path, sizeof path, dir, "journal") != 0 || access(path, F_OK) != 0) {
        return no_journal(invocation, err);
    }
    *lock = dir_lock(dir, err);
    if (*lock == E_BUSY) {
        return err_set(err, E_BUSY,
                       "a server runs with the data folder '%s': stop it first, its journal is "
                       "its own",
                       dir);
    }
    return *lock < 0 ? *lock : 0;
}

static json_t *document(const struct repair_report *report, bool dry_run)
{
    bool some = report->kept_last >= report->kept_first;
    json_t *json = json_pack("{s:b, s:b}", "dry_run", dry_run, "damaged", report->damaged);
    if (json == NULL || !report->damaged) {
        return json;
    }
    json_t *members =
        json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:s}", "file", report->file,
                  "offset", (json_int_t)report->offset, "fault", report->what, "kept_first",
                  some ? output_seq(report->kept_first) : json_null(), "kept_last",
                  some ? output_seq(report->kept_last) : json_null(), "lost_first",
                  output_seq(report->lost_first), "lost_last", output_seq(report->lost_last),
                  "moved_files", (json_int_t)report->moved_files, "moved_bytes",
                  (json_int_t)report->moved_bytes, "moved_to", report->moved_to);
    (void)json_object_update(json, members);
    json_decref(members);
    return json;
}

static int print_repair(const struct repair_report *report, bool dry_run, enum output_format format,
                        struct err *err)
{
    static const struct output_column columns[] = {
        {"dry_run", "Dry run", false},
        {"damaged", "Damaged", false},
        {"file", "File", false},
        {"offset", "Offset", false},
        {"fault", "Fault", false},
        {"kept_first", "First change kept", false},
        {"kept_last", "Last change kept", false},
        {"lost_first", "First change lost", false},
        {"lost_last", "Last change lost", false},
        {"moved_files", "Files moved", false},
        {"moved_bytes", "Bytes moved", false},
        {"moved_to", "Moved to", false},
        {NULL, NULL, false},
    };
    json_t *json = document(report, dry_run);
    if (json == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    output_object(format, columns + (dry_run ? 0 : 1), json);
    json_decref(json);
    return 0;
}

static int confirm(const struct invocation *invocation, const char *dir,
                   const struct repair_options *options, struct err *err)
{
    struct repair_options look = *options;
    struct repair_report report = {0};
    char text[320];
    look.dry_run = true;
    int rc = journal_repair(dir, &look, &report, err);
    if (rc != 0 || !report.damaged) {
        return rc;
    }
    (void)snprintf(text, sizeof text,
                   "Changes %llu to %llu will be lost to this journal (their bytes are moved to "
                   "journal.damaged). Is there a copy of the data folder, and shall it go on?",
                   (unsigned long long)report.lost_first, (unsigned long long)report.lost_last);
    return command_confirm(invocation, text, err) ? 0 : err->code;
}

static int repair(const struct invocation *invocation, const char *dir,
                  struct repair_report *report, struct err *err)
{
    struct repair_options options = {
        .keep = invocation_has(invocation, "keep-newest") ? REPAIR_KEEP_BEHIND : REPAIR_KEEP_BEFORE,
        .dry_run = invocation_has(invocation, "dry-run"),
    };
    int lock = -1;
    int rc = lock_folder(invocation, &lock, err);
    if (rc != 0) {
        return rc;
    }
    if (!options.dry_run && !invocation_has(invocation, "yes")) {
        rc = confirm(invocation, dir, &options, err);
    }
    if (rc == 0) {
        rc = journal_repair(dir, &options, report, err);
    }
    (void)close(lock); /* gives the folder back */
    return rc;
}

int ctl_journal_repair(const struct invocation *invocation, struct err *err)
{
    enum output_format format;
    char dir[PATH_MAX];
    struct repair_report report = {0};
    bool dry_run = invocation_has(invocation, "dry-run");
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = journal_dir(invocation, dir, err);
    }
    if (rc == 0) {
        rc = repair(invocation, dir, &report, err);
    }
    if (rc == 0) {
        rc = print_repair(&report, dry_run, format, err);
    }
    if (rc == 0 && report.damaged && !dry_run) {
        output_say("Start the server, and look at 'kitbagctl journal verify' and "
                   "'kitbagctl device ls': machines that have seen what was lost say "
                   "diverged.\n");
    }
    return rc;
}
