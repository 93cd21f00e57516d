/* tests/client/sharing_samples.h - items of the fleet's bag in a replica: categories, flags,
 * defaults, fences. Include it behind cmocka.
 */
#ifndef KITBAG_TESTS_CLIENT_SHARING_SAMPLES_H
#define KITBAG_TESTS_CLIENT_SHARING_SAMPLES_H

#include <stdio.h>

#include "client/replica.h"

enum { FLEET = 9 };

/* The fleet's change at `seq`, behind the one at `prev`. */
static inline void fleet_item(struct replica *replica, const char *prefix, const char *path,
                              struct span value, uint64_t seq, uint64_t prev)
{
    static const uint8_t hash[SHA256_SIZE] = {7};
    char whole[PATH_MAX_BYTES + 1];
    (void)snprintf(whole, sizeof whole, "%s%s", prefix, path);
    struct change change = {.seq = seq,
                            .time_ms = 1000 + seq,
                            .kind = CHANGE_ITEM_SET,
                            .bag_id = FLEET,
                            .prev = prev,
                            .path = span_str(whole),
                            .value = value};
    uint64_t bad = 0;
    assert_int_equal(replica_apply(replica, &change, 1, seq, hash, &bad, NULL, NULL, NULL), 0);
}

static inline void fleet_category(struct replica *replica, const char *path, uint64_t value_max,
                                  uint64_t seq, uint64_t prev)
{
    const struct category row = {.class = SHARING_DEFAULT_SETTINGS,
                                 .has_flag = true,
                                 .value_max = value_max,
                                 .title = "T",
                                 .title_ja = "T"};
    struct buf value;
    buf_init(&value, 1000);
    sharing_put_category(&value, &row);
    fleet_item(replica, SHARING_CATEGORY, path, buf_span(&value), seq, prev);
    buf_free(&value);
}

static inline void fleet_flag(struct replica *replica, const char *path, bool device, bool copy,
                              uint64_t seq, uint64_t prev)
{
    struct buf value;
    buf_init(&value, 100);
    sharing_put_flag(&value, device, copy);
    fleet_item(replica, SHARING_FLAG, path, buf_span(&value), seq, prev);
    buf_free(&value);
}

static inline void fleet_default(struct replica *replica, const char *path, const char *value,
                                 uint64_t seq, uint64_t prev)
{
    fleet_item(replica, SHARING_DEFAULT, path, span_str(value), seq, prev);
}

/* `path`: "shared/CATEGORY" or "device/CATEGORY". */
static inline void fleet_fence(struct replica *replica, const char *path, uint64_t seq,
                               uint64_t prev)
{
    struct buf value;
    const struct fence fence = {0};
    buf_init(&value, 100);
    fence_put_value(&value, &fence);
    fleet_item(replica, "@fence/", path, buf_span(&value), seq, prev);
    buf_free(&value);
}

#endif
