/* tests/admin/past_fixture.h - a bag at a moment as one line of text: "a=1 b=2". */
#ifndef KITBAG_TESTS_ADMIN_PAST_FIXTURE_H
#define KITBAG_TESTS_ADMIN_PAST_FIXTURE_H

#include "admin/past.h"
#include "tests/admin/fake_fixture.h"

/* The code of what failed, or 0. Hidden items stand in brackets. */
static inline int past_line(const char *owner, uint64_t seq, bool hidden, char *out, size_t room)
{
    struct kv_view *view = NULL;
    struct owner whose;
    struct admin_past_bag bag = {0};
    struct admin_past *past = NULL;
    struct admin_past_item item;
    assert_int_equal(owner_parse(&whose, owner, NULL), 0);
    assert_int_equal(kv_view_new(&view, fake.backend.kv, NULL), 0);
    int rc = admin_past_bag(&fake.backend, view, &whose, seq, &bag, NULL);
    struct admin_past_options options = {.backend = &fake.backend,
                                         .view = view,
                                         .bag = &bag,
                                         .seq = seq,
                                         .values = true,
                                         .about = true,
                                         .hidden = hidden};
    rc = rc == 0 ? admin_past_open(&past, &options, NULL) : rc;
    out[0] = '\0';
    while (rc == 0 && (rc = admin_past_next(past, &item, NULL)) == 0) {
        size_t used = strlen(out);
        assert_int_equal(item.size, item.value.size);
        (void)snprintf(out + used, room - used, "%s%s%.*s=%.*s%s", used > 0 ? " " : "",
                       item.hidden ? "(" : "", (int)item.path.size, (const char *)item.path.data,
                       (int)item.value.size, (const char *)item.value.data, item.hidden ? ")" : "");
    }
    admin_past_close(&past);
    kv_view_free(&view);
    return rc == E_NOT_FOUND && bag.row.exists ? 0 : rc;
}

static inline void assert_past(const char *owner, uint64_t seq, const char *wanted)
{
    char line[4096];
    int rc = past_line(owner, seq, false, line, sizeof line);
    if (rc != 0) {
        fail_msg("%s after %llu: %s", owner, (unsigned long long)seq, err_name(rc));
    }
    assert_string_equal(line, wanted);
}

/* All rows of deleted bags go, as after the undo horizon. */
static inline void clean_all(void)
{
    bool more = true;
    while (more) {
        assert_int_equal(kv_clean(fake.backend.kv, UINT64_MAX, 1000, &more, NULL), 0);
    }
}

#endif
