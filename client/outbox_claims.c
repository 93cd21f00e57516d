/* client/outbox_claims.c - which writes a policy of joining has to judge. */
#include "client/outbox_claims.h"

#include <stdlib.h>
#include <string.h>

#include "client/outbox_inside.h"

uint64_t outbox_newest(struct outbox *outbox)
{
    ASSERT(outbox != NULL);
    (void)pthread_mutex_lock(&outbox->lock);
    uint64_t newest = outbox->next_id - 1;
    (void)pthread_mutex_unlock(&outbox->lock);
    return newest;
}

static bool is_claimed(const struct outbox *outbox, const struct entry *entry,
                       enum outbox_claimed which, uint64_t upto)
{
    if (entry->kind != OPERATION_WRITE || entry->id == 0 || entry->id > upto) {
        return false;
    }
    if (which == OUTBOX_MET) {
        return entry->state == OUTBOX_REFUSED && entry->code == E_BAG_EXISTS;
    }
    return entry->state == OUTBOX_PENDING && entry->bag_id != 0 && entry->made_id == 0 &&
           entry->number > outbox->sent_max && outbox_is_durable(outbox, entry);
}

/* --- whose --- */

static int by_key(const void *a, const void *b)
{
    const struct entry *const *left = a;
    const struct entry *const *right = b;
    return strcmp((*left)->key, (*right)->key);
}

/* With the lock: the entries in question, in order of ids; to be freed. */
static int collect(const struct outbox *outbox, enum outbox_claimed which, uint64_t upto,
                   const char *key, const struct entry ***list, size_t *count)
{
    size_t found = 0;
    for (const struct entry *e = outbox->first; e != NULL; e = e->next) {
        found += is_claimed(outbox, e, which, upto) && (key == NULL || strcmp(e->key, key) == 0);
    }
    *count = 0;
    *list = found > 0 ? calloc(found, sizeof *list[0]) : NULL;
    if (found > 0 && *list == NULL) {
        return E_NOMEM;
    }
    for (const struct entry *e = outbox->first; e != NULL && *count < found; e = e->next) {
        if (is_claimed(outbox, e, which, upto) && (key == NULL || strcmp(e->key, key) == 0)) {
            (*list)[(*count)++] = e;
        }
    }
    return 0;
}

static int copy_owners(const struct entry **entries, size_t count, struct owner **list,
                       size_t *owners)
{
    struct owner *made = calloc(count, sizeof *made);
    if (made == NULL) {
        return E_NOMEM;
    }
    *owners = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(entries[i]->key, entries[i - 1]->key) != 0) {
            int rc = owner_parse(&made[(*owners)++], entries[i]->text, NULL);
            ASSERT(rc == 0); /* it was made by owner_format */
        }
    }
    *list = made;
    return 0;
}

int outbox_claimants(struct outbox *outbox, enum outbox_claimed which, uint64_t upto,
                     struct owner **list, size_t *count, struct err *err)
{
    ASSERT(outbox != NULL && list != NULL && count != NULL);
    const struct entry **entries = NULL;
    size_t entry_count = 0;
    *list = NULL;
    *count = 0;
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = collect(outbox, which, upto, NULL, &entries, &entry_count);
    if (rc == 0 && entry_count > 0) {
        qsort(entries, entry_count, sizeof *entries, by_key);
        rc = copy_owners(entries, entry_count, list, count);
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    free(entries);
    return rc == 0 ? 0 : err_set(err, rc, "out of memory");
}

/* --- what --- */

/* A write in an entry, and which one was later. */
struct place {
    const struct entry *entry;
    const struct overlay_write *write;
    size_t order;
};

static int by_path(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    int order = span_compare(left->write->path, right->write->path);
    return order != 0 ? order : left->order < right->order ? -1 : left->order > right->order;
}

static int find_places(const struct entry **entries, size_t count, struct place **list,
                       size_t *places)
{
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        room += entries[i]->write_count;
    }
    *places = 0;
    *list = calloc(room + 1, sizeof **list);
    if (*list == NULL) {
        return E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < entries[i]->write_count; w++, (*places)++) {
            (*list)[*places] = (struct place){entries[i], &entries[i]->writes[w], *places};
        }
    }
    qsort(*list, *places, sizeof **list, by_path);
    return 0;
}

/* What the writer had seen of the bag. */
static int read_seen(const struct entry *entry, uint64_t *seen)
{
    struct unpacked unpacked = {0};
    struct operation operation = {0};
    int rc = unpack_open(&unpacked, span_of(entry->bytes, entry->size), OUTBOX_ELEMENTS_MAX);
    rc = rc != 0 ? rc : operation_decode(&unpacked.root, &operation, NULL);
    *seen = rc == 0 ? operation.seen : 0;
    unpack_close(&unpacked);
    return rc;
}

static int copy_claim(const struct place *place, uint64_t seen, struct outbox_claim *out)
{
    const struct overlay_write *write = place->write;
    *out = (struct outbox_claim){.size = write->value.size,
                                 .removed = write->remove,
                                 .time_ms = place->entry->time_ms,
                                 .seen = seen,
                                 .order = place->order};
    out->path = span_dup(write->path);
    out->value = span_dup(write->value);
    if (out->path == NULL || out->value == NULL) {
        free(out->path);
        free(out->value);
        return E_NOMEM;
    }
    return 0;
}

/* Did this machine write to it again since? */
static bool is_replaced(const struct outbox *outbox, const struct place *place, uint64_t upto)
{
    const struct overlay_write *newest =
        client_overlay_find(outbox->overlay, place->entry->key, place->write->path);
    return newest != NULL && ((const struct entry *)newest->entry)->id > upto;
}

static int copy_claims(const struct outbox *outbox, const struct place *places, size_t count,
                       bool met, uint64_t upto, struct outbox_claims *out)
{
    int rc = 0;
    out->list = calloc(count + 1, sizeof *out->list);
    if (out->list == NULL) {
        return E_NOMEM;
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        bool newest =
            i + 1 == count || span_compare(places[i].write->path, places[i + 1].write->path) != 0;
        if (newest && !is_replaced(outbox, &places[i], upto)) {
            uint64_t seen = 0;
            rc = met ? 0 : read_seen(places[i].entry, &seen);
            rc = rc != 0 ? rc : copy_claim(&places[i], seen, &out->list[out->count]);
            out->count += rc == 0 ? 1 : 0;
        }
    }
    return rc;
}

static int copy_ids(const struct entry **entries, size_t count, struct outbox_claims *out)
{
    out->ids = calloc(count + 1, sizeof *out->ids);
    if (out->ids == NULL) {
        return E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        out->ids[i] = entries[i]->id;
    }
    out->id_count = count;
    return 0;
}

/* The owner as entries name it. */
static void make_key(const struct owner *owner, char out[OWNER_TEXT_MAX])
{
    struct owner folded = *owner;
    memcpy(folded.shown, owner->folded, sizeof folded.shown);
    owner_format(&folded, out);
}

int outbox_claims(struct outbox *outbox, enum outbox_claimed which, const struct owner *owner,
                  uint64_t upto, struct outbox_claims *out, struct err *err)
{
    ASSERT(outbox != NULL && owner != NULL && out != NULL);
    const struct entry **entries = NULL;
    struct place *places = NULL;
    size_t entry_count = 0;
    size_t place_count = 0;
    char key[OWNER_TEXT_MAX];
    *out = (struct outbox_claims){0};
    make_key(owner, key);
    (void)pthread_mutex_lock(&outbox->lock);
    int rc = collect(outbox, which, upto, key, &entries, &entry_count);
    rc = rc != 0 ? rc : find_places(entries, entry_count, &places, &place_count);
    rc = rc != 0 ? rc : copy_claims(outbox, places, place_count, which == OUTBOX_MET, upto, out);
    rc = rc != 0 ? rc : copy_ids(entries, entry_count, out);
    (void)pthread_mutex_unlock(&outbox->lock);
    free(places);
    free(entries);
    return rc == 0 ? 0
                   : err_set(err, rc, "what joining has to judge can't be read from the outbox");
}

void outbox_claims_free(struct outbox_claims *claims)
{
    if (claims == NULL) {
        return;
    }
    for (size_t i = 0; i < claims->count; i++) {
        free(claims->list[i].path);
        free(claims->list[i].value);
    }
    free(claims->list);
    free(claims->ids);
    *claims = (struct outbox_claims){0};
}
