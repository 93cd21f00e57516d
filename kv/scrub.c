/* kv/scrub.c - reading everything again, to see that it is what it was.
 *
 * A bag's row tells count, bytes and digest of its items, and was written with each of them: when
 * the items amount to something else, one of them was lost or spoiled without anybody noticing.
 *
 * A block of bags' rows that can't be read hides its keys too: which bags they were is not known.
 * Such a stretch counts as one wrong bag without a number, and the round goes on behind it.
 */
#include <inttypes.h>

#include "kv/inside.h"

struct scrub {
    struct kv *kv;
    uint64_t bag_id; /* in: the first to look at; out: the one that was, 0 when there was none */
    uint64_t next;   /* where to go on, 0: nowhere */
    size_t read;     /* bytes of rows */
    struct kv_wrong found;
    struct err trouble; /* what could not be read */
};

/* What the items' rows of a bag amount to. */
static int add_up(struct scrub *scrub, struct kv_view *view, struct err *err)
{
    struct kv_key prefix = kv_key_item(scrub->bag_id, span_of(NULL, 0));
    struct kv_scan scan;
    kv_scan_open_cold(&scan, &scrub->kv->store, view->snapshot, &prefix, &prefix);
    int rc = 0;
    for (;;) {
        struct span key;
        struct span bytes;
        struct item_row row;
        rc = kv_scan_row(&scan, &key, &bytes, err);
        if (rc == 0) {
            scrub->read += key.size + bytes.size;
            rc = kv_row_get_item(key, bytes, &row, err);
        }
        if (rc != 0) {
            break;
        }
        if (row.state == ITEM_LIVE) {
            struct span path = kv_key_path(key);
            scrub->found.items++;
            scrub->found.bytes += path.size + row.value.size;
            digest_add(&scrub->found.digest, path, row.seq, row.value);
        }
        kv_scan_step(&scan);
    }
    kv_scan_close(&scan);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The first bag at or behind scrub->bag_id, and what its row says. */
static int find_bag(struct scrub *scrub, struct kv_view *view, struct err *err)
{
    struct kv_key prefix = kv_key_bags();
    struct kv_key from = kv_key_bag(scrub->bag_id);
    struct kv_scan scan;
    kv_scan_open(&scan, &scrub->kv->store, view->snapshot, &prefix, &from, false);
    struct span key;
    struct span row;
    scrub->bag_id = 0;
    scrub->next = 0;
    int rc = kv_scan_row(&scan, &key, &row, err);
    if (rc == 0) {
        scrub->bag_id = kv_key_bag_id(key);
        scrub->next = scrub->bag_id + 1;
        scrub->read += key.size + row.size;
        rc = kv_row_get_bag(key, row, &scrub->found.row, err);
    }
    kv_scan_close(&scan);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* --- rows of bags that can't be read --- */

/* May one go on from `bag_id`? E_CORRUPT: it is damaged there as well. */
static int probe(struct kv *kv, struct kv_view *view, uint64_t bag_id)
{
    struct kv_key prefix = kv_key_bags();
    struct kv_key from = kv_key_bag(bag_id);
    struct kv_scan scan;
    struct span key;
    struct span row;
    kv_scan_open(&scan, &kv->store, view->snapshot, &prefix, &from, false);
    int rc = kv_scan_row(&scan, &key, &row, NULL);
    kv_scan_close(&scan);
    return rc == E_NOT_FOUND ? 0 : rc;
}

/* The first number behind the damage at `from`: in steps that double, then between the last two.
 * Of several damaged stretches near each other it may pass what is between them. 0: it reaches to
 * the end. Errors of probe but E_CORRUPT. */
static int find_end_of_damage(struct scrub *scrub, struct kv_view *view, uint64_t from,
                              uint64_t *end)
{
    uint64_t damaged = from;
    uint64_t step = 1;
    int rc = E_CORRUPT;
    while (rc == E_CORRUPT && step <= UINT64_MAX - damaged) {
        rc = probe(scrub->kv, view, damaged + step);
        if (rc == E_CORRUPT) {
            damaged += step;
            step *= 2;
        }
    }
    if (rc == E_CORRUPT) {
        *end = 0;
        return 0;
    }
    uint64_t sound = damaged + step;
    while (rc == 0 && sound - damaged > 1) {
        uint64_t middle = damaged + (sound - damaged) / 2;
        rc = probe(scrub->kv, view, middle);
        if (rc == 0) {
            sound = middle;
        } else if (rc == E_CORRUPT) {
            damaged = middle;
            rc = 0;
        }
    }
    *end = sound;
    return rc;
}

/* Nothing can be read at `from`: say what is known, and go on behind it. */
static int pass_damage(struct scrub *scrub, struct kv_view *view, uint64_t from)
{
    struct err why = scrub->trouble;
    int rc = find_end_of_damage(scrub, view, from, &scrub->next);
    if (rc != 0) {
        return rc; /* what it was is told as it stands */
    }
    char upto[32] = "the last one";
    if (scrub->next != 0) {
        (void)snprintf(upto, sizeof upto, "%" PRIu64, scrub->next - 1);
    }
    scrub->trouble = (struct err){0};
    (void)err_set(&scrub->trouble, E_CORRUPT, "bags from %" PRIu64 " to %s: %s", from, upto,
                  why.text);
    scrub->found = (struct kv_wrong){.text = scrub->trouble.text};
    return 0;
}

static bool fits(const struct kv_wrong *found)
{
    return found->row.items == found->items && found->row.bytes == found->bytes &&
           digest_equal(&found->row.digest, &found->digest);
}

/* One bag; `found.text` is set when it is wrong. */
static int look_at(struct scrub *scrub, struct err *err)
{
    struct kv_view *view = NULL;
    int rc = kv_view_new(&view, scrub->kv, err);
    if (rc != 0) {
        return rc;
    }
    uint64_t from = scrub->bag_id;
    rc = find_bag(scrub, view, &scrub->trouble);
    if (rc == E_CORRUPT && scrub->bag_id == 0) {
        rc = pass_damage(scrub, view, from);
    } else if (rc == 0 && scrub->bag_id != 0) {
        rc = add_up(scrub, view, &scrub->trouble);
        if (rc == 0 && !fits(&scrub->found)) {
            scrub->found.text = "its items are not those that were written";
        }
    }
    kv_view_free(&view);
    if (rc == E_CORRUPT && scrub->bag_id != 0) {
        scrub->found.text = scrub->trouble.text;
        rc = 0;
    } else if (rc != 0) {
        (void)err_set(err, rc, "%s", scrub->trouble.text);
    }
    scrub->found.bag_id = scrub->bag_id;
    return rc;
}

int kv_scrub(struct kv *kv, uint64_t *next_bag, size_t budget_bytes, uint64_t *checked,
             uint64_t *wrong, kv_wrong_fn *each, void *context, struct err *err)
{
    ASSERT(kv != NULL);
    ASSERT(next_bag != NULL && checked != NULL && wrong != NULL);
    ASSERT(each != NULL);
    for (size_t read = 0;;) {
        struct scrub scrub = {.kv = kv, .bag_id = *next_bag};
        int rc = look_at(&scrub, err);
        if (rc != 0) {
            return rc;
        }
        *checked += scrub.bag_id != 0;
        if (scrub.found.text != NULL) {
            (*wrong)++;
            each(context, &scrub.found);
        }
        *next_bag = scrub.next;
        read += scrub.read;
        if (scrub.next == 0 || read >= budget_bytes) {
            return 0;
        }
    }
}
