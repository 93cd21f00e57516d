/* client/kb_import_server.c - a file of the server: its bags take the places of this machine's.
 *
 * Each bag is judged and staged as it is read; then all of them take effect with one transaction.
 * Whom the file brings is to be signed in at the server when this machine connects, as people are
 * who sign in while the server is away; then their bags are followed from where the file was.
 *
 * The fleet's bag, when it is in the file, comes first: it says which items such files leave out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "client/kb_files.h"
#include "client/replica_import.h"

static const char GROUP_PREFIX[] = "@group/";

struct taking {
    struct client_import *import;
    struct replica_import *staged; /* NULL: only looking */
    uint64_t device;               /* this machine's; 0: it never joined */
    bool skip;                     /* the bag at hand */
    enum replica_fate fate;
    struct replica_bag here;
    struct sharing sharing; /* of the file's fleet, or */
    bool has_fleet;
    const struct replica_rules *rules; /* of this machine's; NULL: it has none */
    struct due *due;                   /* the user at hand, and their groups */
    struct due_list dues;
    struct noted {
        uint64_t gone; /* a bag that another of its owner takes the place of; 0: none */
        struct owner owner;
    } * noted; /* bags to be told of */
    size_t noted_count, noted_capacity;
};

/* --- which items such files leave out --- */

static bool is_left_out(void *context, const struct owner *owner, struct span path)
{
    (void)owner;
    struct taking *taking = context;
    if (!taking->has_fleet && taking->rules == NULL) {
        return true; /* it is not known: nothing is lost then */
    }
    const struct category *category = taking->has_fleet
                                          ? sharing_find(&taking->sharing, path)
                                          : replica_rules_category(taking->rules, path);
    return category != NULL && (category->secret || !category->exported);
}

static int note_rule(struct taking *taking, const struct snapshot_record *record, struct err *err)
{
    int rc = sharing_put(&taking->sharing, record->path, record->row.seq, record->row.value, err);
    return rc == E_MALFORMED || rc == E_QUOTA ? 0 : rc; /* of a later version: none here */
}

/* --- bags --- */

/* What one user has on one machine is that machine's alone. */
static bool is_for_this_machine(const struct taking *taking, const struct owner *owner)
{
    bool of_a_device = owner->kind == OWNER_USER_DEVICE || owner->kind == OWNER_DEVICE;
    return !of_a_device || (taking->device != 0 && owner->device == taking->device);
}

/* What has to be known of it when it took effect. */
static int note_bag(struct taking *taking, const struct snapshot_bag *bag, struct err *err)
{
    const struct replica_bag *here = &taking->here;
    bool other = here->local != 0 && here->bag_id != 0 && here->bag_id != bag->bag_id;
    if (!other && bag->owner.kind != OWNER_GROUP) {
        return 0;
    }
    struct noted *noted = array_reserve(taking->noted, &taking->noted_capacity,
                                        taking->noted_count + 1, sizeof *noted);
    if (noted == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    taking->noted = noted;
    noted[taking->noted_count++] =
        (struct noted){.gone = other ? here->bag_id : 0, .owner = bag->owner};
    return 0;
}

/* Whoever is listed at the server, and not on their way out, is signed in there already. */
static bool is_to_be_signed_in(struct taking *taking, const struct snapshot_bag *bag)
{
    struct kb *kb = taking->import->kb;
    if (bag->owner.kind != OWNER_USER || client_keeps(kb, OWNER_USER)) {
        return false;
    }
    bool known = taking->fate == REPLICA_REPLACES && taking->here.keep &&
                 taking->here.bag_id == bag->bag_id && client_is_listed(kb, bag->bag_id);
    return !known && !client_is_due(kb, bag->bag_id);
}

static int judge_bag(struct taking *taking, const struct snapshot_bag *bag, struct err *err)
{
    struct kb_import_report *report = taking->import->report;
    taking->skip = true;
    if (!is_for_this_machine(taking, &bag->owner)) {
        report->skipped++;
        return 0;
    }
    int rc =
        replica_import_judge(taking->import->kb->replica, bag, &taking->fate, &taking->here, err);
    if (rc != 0) {
        return rc;
    }
    taking->skip = taking->fate == REPLICA_IS_THERE || taking->fate == REPLICA_IS_OLDER;
    report->same += taking->fate == REPLICA_IS_THERE ? 1 : 0;
    report->newer += taking->fate == REPLICA_IS_OLDER ? 1 : 0;
    report->taken += taking->skip ? 0 : 1;
    report->users += !taking->skip && bag->owner.kind == OWNER_USER ? 1 : 0;
    return 0;
}

static int begin_bag(struct taking *taking, const struct snapshot_bag *bag, struct err *err)
{
    int rc = judge_bag(taking, bag, err);
    taking->has_fleet = taking->has_fleet || (bag->owner.kind == OWNER_FLEET && !bag->differs);
    if (rc != 0 || taking->skip || taking->staged == NULL) {
        return rc;
    }
    *taking->due = (struct due){.user = bag->owner};
    if (is_to_be_signed_in(taking, bag)) {
        taking->due->bag_id = bag->bag_id;
        taking->due->in = true;
    }
    rc = note_bag(taking, bag, err);
    return rc != 0 ? rc : replica_import_bag(taking->staged, bag, taking->fate, &taking->here, err);
}

/* --- items --- */

/* Which groups a user belongs to is among the items of the user's bag. */
static void note_group(struct taking *taking, const struct snapshot_record *record)
{
    struct kb_groups *groups = &taking->due->groups;
    size_t prefix = sizeof GROUP_PREFIX - 1;
    bool group = record->bag->owner.kind == OWNER_USER && record->row.state == ITEM_LIVE &&
                 record->path.size > prefix && memcmp(record->path.data, GROUP_PREFIX, prefix) == 0;
    if (group && groups->count < KB_GROUPS_MAX &&
        owner_make(&groups->list[groups->count], OWNER_GROUP, record->row.value, 0, NULL) == 0) {
        groups->count++;
    }
}

static int take_item(struct taking *taking, const struct snapshot_record *record, struct err *err)
{
    if (record->bag->owner.kind == OWNER_FLEET && !record->bag->differs) {
        int rc = note_rule(taking, record, err);
        if (rc != 0) {
            return rc;
        }
    }
    if (taking->skip || taking->staged == NULL) {
        return 0;
    }
    note_group(taking, record);
    return replica_import_item(taking->staged, record->path, &record->row, err);
}

static int take_groups(struct taking *taking, struct err *err)
{
    struct buf bytes;
    if (taking->due->groups.count == 0) {
        return 0;
    }
    buf_init(&bytes, KB_GROUPS_MAX * (NAME_MAX_BYTES + 8));
    client_groups_put(&taking->due->groups, &bytes);
    int rc = buf_error(&bytes);
    rc = rc != 0 ? err_set(err, rc, "out of memory")
                 : replica_import_note(taking->staged, CLIENT_NOTE_GROUPS, buf_span(&bytes), err);
    buf_free(&bytes);
    return rc;
}

static int end_bag(struct taking *taking, const struct snapshot_bag *bag, struct err *err)
{
    if (taking->skip) {
        return 0;
    }
    taking->import->report->items_taken += bag->items;
    if (taking->staged == NULL) {
        return 0;
    }
    int rc = take_groups(taking, err);
    rc = rc != 0 ? rc : replica_import_bag_end(taking->staged, bag, err);
    return rc != 0 || !taking->due->in ? rc : client_dues_put(&taking->dues, taking->due, err);
}

/* The whole file, once: what it would do, and with `staged` all that can be done before. */
static int go_through(struct taking *taking, struct err *err)
{
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    int rc = 0;
    while (rc == 0) {
        rc = snapshot_next(taking->import->reader, &record, err);
        if (rc != 0 || record.type == SNAPSHOT_END) {
            return rc;
        }
        if (record.type == SNAPSHOT_BAG) {
            rc = begin_bag(taking, record.bag, err);
        } else if (record.type == SNAPSHOT_ITEM) {
            rc = take_item(taking, &record, err);
        } else {
            rc = end_bag(taking, record.bag, err);
        }
    }
    return rc;
}

/* Nothing of it is newer than what is here: that is no file for this machine. */
static int check_news(const struct client_import *import, struct err *err)
{
    const struct kb_import_report *report = import->report;
    if (report->taken > 0 || report->newer == 0) {
        return 0;
    }
    return err_set(err, E_CONDITION,
                   "'%.100s' is older than what this machine has: it is as of change %llu, and "
                   "nothing in it is newer here",
                   import->path, (unsigned long long)report->seq);
}

/* --- taking it --- */

/* A machine that never joined belongs to whose file it took: a token of another server is none for
 * it. */
static int commit(struct taking *taking, struct err *err)
{
    struct buf dues;
    const struct snapshot_header *header = snapshot_header(taking->import->reader);
    struct replica_position position = {.has_history = true, .seq = header->seq};
    memcpy(position.history, header->history, HISTORY_SIZE);
    memcpy(position.hash, header->hash, SHA256_SIZE);
    buf_init(&dues, CLIENT_DUES_BYTES_MAX + 8);
    int rc = client_dues_bytes(&taking->dues, &dues, err);
    if (rc == 0) {
        const struct replica_note notes[] = {
            {CLIENT_NOTE_DUES, buf_span(&dues)},
            {CLIENT_NOTE_TRUSTED, span_of(header->signer, KEY_SIZE)}};
        rc = replica_import_commit(&taking->staged, &position, notes, taking->device != 0 ? 1 : 2,
                                   err);
    }
    buf_free(&dues);
    return rc;
}

static int stage_and_commit(struct taking *taking, struct err *err)
{
    struct kb *kb = taking->import->kb;
    int rc = replica_import_begin(kb->replica, client_wall_ms(kb), is_left_out, taking,
                                  &taking->staged, err);
    rc = rc != 0 ? rc : go_through(taking, err);
    rc = rc != 0 ? rc : check_news(taking->import, err);
    if (rc == 0 && taking->import->report->taken > 0) {
        rc = commit(taking, err);
    }
    replica_import_abort(&taking->staged);
    return rc;
}

/* Writes that were taken up and that the file has are let go of; who watches reads again. */
static void tell(struct taking *taking)
{
    struct kb *kb = taking->import->kb;
    struct client_settled settled = {0};
    for (size_t i = 0; i < taking->noted_count; i++) {
        if (taking->noted[i].gone != 0) {
            outbox_hide(kb->outbox, taking->noted[i].gone);
        }
    }
    /* What can't be settled now is when the folder is opened, or the bag moves. */
    (void)!client_settle_passed(kb, &settled, NULL);
    hub_tell_users(kb->hub);
    for (size_t i = 0; i < taking->noted_count; i++) {
        if (taking->noted[i].owner.kind == OWNER_GROUP) {
            client_tell(kb, &taking->noted[i].owner, (struct span){NULL, 0}, 0);
        }
    }
}

static int take(struct taking *taking, struct err *err)
{
    struct kb *kb = taking->import->kb;
    int rc = client_dues_begin(kb, &taking->dues, err);
    if (rc != 0) {
        return rc;
    }
    client_tell_damage(kb, replica_rules_take(kb->replica, &taking->rules, NULL));
    rc = stage_and_commit(taking, err);
    replica_rules_put_back(kb->replica, &taking->rules);
    client_dues_end(kb, &taking->dues);
    if (rc == 0 && taking->import->report->taken > 0) {
        tell(taking);
    }
    return rc;
}

static int only_look(struct taking *taking, struct err *err)
{
    int rc = go_through(taking, err);
    return rc != 0 ? rc : check_news(taking->import, err);
}

int client_import_server(struct client_import *import, struct err *err)
{
    struct taking taking = {.import = import, .device = client_device(import->kb)};
    taking.due = calloc(1, sizeof *taking.due);
    if (taking.due == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = import->dry_run ? only_look(&taking, err) : take(&taking, err);
    sharing_free(&taking.sharing);
    free(taking.noted);
    free(taking.due);
    return rc;
}
