/* server/seeding.c - what the bag has and the catalogue has not, and the other way round. */
#include "server/seeding.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "server/rows.h"

/* What is to be written. */
struct seeding {
    const struct catalogue *catalogue;
    bool *same; /* of each of its items: the bag has it so */
    struct arena paths;
    struct operation_write *writes;
    size_t count;
    size_t capacity;
};

static int add(struct seeding *seeding, const struct operation_write *write)
{
    struct operation_write *writes = array_reserve(seeding->writes, &seeding->capacity,
                                                   seeding->count + 1, sizeof *seeding->writes);
    if (writes == NULL) {
        return E_NOMEM;
    }
    seeding->writes = writes;
    writes[seeding->count++] = *write;
    return 0;
}

/* An item that the bag has. */
static int compare(void *context, struct span path, const struct item_row *row, struct err *err)
{
    struct seeding *seeding = context;
    size_t at = 0;
    if (catalogue_find(seeding->catalogue, path, &at)) {
        seeding->same[at] = span_equal(catalogue_at(seeding->catalogue, at)->value, row->value);
        return 0;
    }
    struct operation_write gone = {.remove = true};
    if (!arena_copy(&seeding->paths, path, &gone.path) || add(seeding, &gone) != 0) {
        return err_set(err, E_NOMEM, "the catalogue: out of memory");
    }
    return 0;
}

static int find_differences(struct seeding *seeding, struct kv *kv, uint64_t fleet_bag,
                            struct err *err)
{
    int rc = rows_each(kv, fleet_bag, SPAN_LITERAL(SHARING_CATEGORY), compare, seeding, err);
    if (rc == 0) {
        rc = rows_each(kv, fleet_bag, SPAN_LITERAL(SHARING_DEFAULT), compare, seeding, err);
    }
    for (size_t i = 0; i < catalogue_count(seeding->catalogue) && rc == 0; i++) {
        const struct catalogue_item *item = catalogue_at(seeding->catalogue, i);
        const struct operation_write write = {.path = item->path, .value = item->value};
        if (!seeding->same[i] && add(seeding, &write) != 0) {
            rc = err_set(err, E_NOMEM, "the catalogue: out of memory");
        }
    }
    return rc;
}

static int commit(struct committer *committer, const struct seeding *seeding, struct err *err)
{
    struct submit submit = {
        .kind = SUBMIT_WRITE,
        .actor = SEEDING_ACTOR,
        .owner.kind = OWNER_FLEET,
        .writes = seeding->writes,
        .write_count = seeding->count,
    };
    int rc = committer_submit(committer, &submit, NULL, 0);
    committer_commit(committer);
    committer_deliver(committer);
    return rc == 0 ? 0 : err_set(err, E_NOMEM, "the catalogue: out of memory");
}

int seeding_run(struct committer *committer, const struct catalogue *catalogue, size_t *changes,
                struct err *err)
{
    ASSERT(committer != NULL && catalogue != NULL);
    struct seeding seeding = {.catalogue = catalogue};
    seeding.same = calloc(catalogue_count(catalogue) + 1, sizeof *seeding.same);
    if (seeding.same == NULL) {
        return err_set(err, E_NOMEM, "the catalogue: out of memory");
    }
    committer_commit(committer);
    committer_settle(committer);
    int rc =
        find_differences(&seeding, committer_kv(committer), committer_fleet_bag(committer), err);
    if (rc == 0 && seeding.count > 0) {
        rc = commit(committer, &seeding, err);
    }
    if (changes != NULL) {
        *changes = seeding.count;
    }
    arena_free(&seeding.paths);
    free(seeding.writes);
    free(seeding.same);
    return rc;
}

void seeding_answered(const struct reply *reply)
{
    ASSERT(reply != NULL);
    if (reply->code != 0) {
        log_event(LOG_WARNING, "server", "catalogue.not_committed", "code=%s text=%s",
                  err_name(reply->code), LOG_Q(reply->text != NULL ? reply->text : ""));
    } else if (reply->seq != 0) {
        log_event(LOG_INFO, "server", "catalogue.committed", "seq=%" PRIu64, reply->seq);
    }
}
