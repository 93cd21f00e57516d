/* admin/compare.c - walking two sorted lists side by side. */
#include "admin/compare.h"

const char *admin_difference_name(enum admin_difference difference)
{
    switch (difference) {
    case ADMIN_ADDED:
        return "added";
    case ADMIN_CHANGED:
        return "changed";
    case ADMIN_REMOVED:
        break;
    }
    return "removed";
}

void admin_compare_close(struct admin_compare *compare)
{
    admin_past_close(&compare->from);
    admin_past_close(&compare->to);
}

void admin_compare_seek(struct admin_compare *compare, struct span after)
{
    if (compare->from != NULL) {
        admin_past_seek(compare->from, after);
    }
    if (compare->to != NULL) {
        admin_past_seek(compare->to, after);
    }
    compare->have_from = false;
    compare->have_to = false;
}

static int fetch(struct admin_past *side, struct admin_past_item *item, bool *have, struct err *err)
{
    if (side == NULL || *have) {
        return 0;
    }
    int rc = admin_past_next(side, item, err);
    *have = rc == 0;
    return rc == E_NOT_FOUND ? 0 : rc;
}

static bool same(const struct admin_past_item *one, const struct admin_past_item *other)
{
    return one->seq == other->seq || span_equal(one->value, other->value);
}

int admin_compare_next(struct admin_compare *compare, struct admin_compare_row *out,
                       struct err *err)
{
    ASSERT(compare != NULL && out != NULL);
    for (;;) {
        int rc = fetch(compare->from, &compare->from_item, &compare->have_from, err);
        if (rc == 0) {
            rc = fetch(compare->to, &compare->to_item, &compare->have_to, err);
        }
        if (rc != 0) {
            return rc;
        }
        if (!compare->have_from && !compare->have_to) {
            return E_NOT_FOUND;
        }
        int order = !compare->have_from ? 1
                    : !compare->have_to
                        ? -1
                        : span_compare(compare->from_item.path, compare->to_item.path);
        compare->have_from = compare->have_from && order > 0;
        compare->have_to = compare->have_to && order < 0;
        if (order == 0 && same(&compare->from_item, &compare->to_item)) {
            continue;
        }
        *out = (struct admin_compare_row){
            .difference = order > 0   ? ADMIN_ADDED
                          : order < 0 ? ADMIN_REMOVED
                                      : ADMIN_CHANGED,
            .path = order > 0 ? compare->to_item.path : compare->from_item.path,
            .from = order <= 0 ? &compare->from_item : NULL,
            .to = order >= 0 ? &compare->to_item : NULL,
        };
        return 0;
    }
}
