/* tests/journal/rows.h - comparing rows field by field: their padding may hold anything. */
#ifndef KITBAG_TESTS_JOURNAL_ROWS_H
#define KITBAG_TESTS_JOURNAL_ROWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/apply.h"

static inline void assert_same_owner(const struct owner *a, const struct owner *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->device, b->device);
    assert_string_equal(a->shown, b->shown);
    assert_string_equal(a->folded, b->folded);
}

static inline void assert_same_bag(const struct bag_row *a, const struct bag_row *b)
{
    assert_int_equal(a->exists, b->exists);
    assert_int_equal(a->bag_id, b->bag_id);
    assert_int_equal(a->parent, b->parent);
    assert_int_equal(a->last_seq, b->last_seq);
    assert_int_equal(a->items, b->items);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->purged_to, b->purged_to);
    assert_true(digest_equal(&a->digest, &b->digest));
    assert_same_owner(&a->owner, &b->owner);
}

static inline void assert_same_item(const struct item_row *a, const struct item_row *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->conflict, b->conflict);
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->origin, b->origin);
    assert_true(span_equal(a->value, b->value));
}

#endif
