/* tests/admin/catalogue_samples.h - rows of a catalogue in the fleet's bag of the fake server. */
#ifndef KITBAG_TESTS_ADMIN_CATALOGUE_SAMPLES_H
#define KITBAG_TESTS_ADMIN_CATALOGUE_SAMPLES_H

#include "journal/sharing_switch.h"
#include "tests/admin/fake_backend.h"

/* An item of the fleet's bag. */
static inline void sample_fleet(struct fake_backend *server, const char *path,
                                const struct buf *value)
{
    struct operation_write write = {.path = span_str(path), .value = buf_span(value)};
    struct submit submit = {.kind = SUBMIT_WRITE,
                            .create = true,
                            .actor = "catalogue",
                            .owner = {.kind = OWNER_FLEET},
                            .writes = &write,
                            .write_count = 1};
    assert_int_equal(buf_error(value), 0);
    assert_int_equal(fake_submit(server, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
}

static inline void sample_category(struct fake_backend *server, const char *path,
                                   struct category row)
{
    char name[PATH_MAX_BYTES];
    char title_ja[PATH_MAX_BYTES];
    struct buf value;
    (void)snprintf(name, sizeof name, SHARING_CATEGORY "%s", path);
    (void)snprintf(title_ja, sizeof title_ja, "ja %s", path);
    row.title = path;
    row.title_ja = title_ja;
    buf_init(&value, 4096);
    sharing_put_category(&value, &row);
    sample_fleet(server, name, &value);
    buf_free(&value);
}

static inline void sample_flag(struct fake_backend *server, const char *path, bool device,
                               bool copy)
{
    char name[PATH_MAX_BYTES];
    struct buf value;
    (void)snprintf(name, sizeof name, SHARING_FLAG "%s", path);
    buf_init(&value, 64);
    sharing_put_flag(&value, device, copy);
    sample_fleet(server, name, &value);
    buf_free(&value);
}

#endif
