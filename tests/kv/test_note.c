/* tests/kv/test_note.c - notes: kept beside the state, as long as it is flushed. */
#include "tests/kv/state.h"

#include "tests/support/fail_alloc.h"

static void put(struct state *state, const char *name, const char *text)
{
    assert_int_equal(kv_note_put(state->kv, name, span_str(text), NULL), 0);
}

/* NULL: there is none. */
static const char *get(struct state *state, const char *name)
{
    static char text[64];
    struct buf bytes;
    buf_init(&bytes, sizeof text - 1);
    (void)buf_append_u8(&bytes, 'x'); /* it is replaced */
    int rc = kv_note_get(state->kv, name, &bytes, NULL);
    assert_true(rc == 0 || rc == E_NOT_FOUND);
    if (rc == 0 && bytes.size > 0) {
        memcpy(text, bytes.data, bytes.size);
    }
    text[rc == 0 ? bytes.size : 0] = '\0';
    buf_free(&bytes);
    return rc == 0 ? text : NULL;
}

struct list {
    char text[256];
    int code;
};

static int add(void *context, const char *name, struct span bytes, struct err *err)
{
    (void)err;
    struct list *list = context;
    size_t size = strlen(list->text);
    (void)snprintf(list->text + size, sizeof list->text - size, "%s=%.*s ", name, (int)bytes.size,
                   (const char *)bytes.data);
    return list->code;
}

static void notes_are_kept_until_a_crash(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    assert_null(get(&state, "device/1"));
    put(&state, "device/1", "one");
    put(&state, "", "no name");
    put(&state, "empty", "");
    assert_string_equal(get(&state, "device/1"), "one");
    assert_string_equal(get(&state, ""), "no name");
    assert_string_equal(get(&state, "empty"), "");
    put(&state, "device/1", "two");
    state_reopen(&state, true);
    assert_string_equal(get(&state, "device/1"), "two");
    put(&state, "device/1", "three");
    put(&state, "device/2", "new");
    assert_int_equal(kv_note_remove(state.kv, "empty", NULL), 0);
    assert_int_equal(kv_note_remove(state.kv, "never", NULL), 0);
    assert_null(get(&state, "empty"));
    state_reopen(&state, false); /* as after a crash */
    assert_string_equal(get(&state, "device/1"), "two");
    assert_null(get(&state, "device/2"));
    assert_string_equal(get(&state, "empty"), "");
    state_close(&state);
}

static void notes_are_listed_by_prefix(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    (void)state_create(&state, "user:Ann", 0); /* other rows lie around them */
    put(&state, "b/2", "2");
    put(&state, "b/1", "1");
    put(&state, "a", "0");
    put(&state, "c", "3");
    struct list list = {0};
    assert_int_equal(kv_notes(state.kv, "b/", add, &list, NULL), 0);
    assert_string_equal(list.text, "b/1=1 b/2=2 ");
    list = (struct list){0};
    assert_int_equal(kv_notes(state.kv, "", add, &list, NULL), 0);
    assert_string_equal(list.text, "a=0 b/1=1 b/2=2 c=3 ");
    list = (struct list){0};
    assert_int_equal(kv_notes(state.kv, "d", add, &list, NULL), 0);
    assert_string_equal(list.text, "");
    list.code = E_QUOTA;
    assert_int_equal(kv_notes(state.kv, "b", add, &list, NULL), E_QUOTA);
    assert_string_equal(list.text, "b/1=1 ");
    state_close(&state);
}

static void notes_have_limits(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    static const uint8_t bytes[KV_NOTE_MAX_BYTES + 1];
    char name[KV_NOTE_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct buf out;
    struct list list = {0};
    buf_init(&out, KV_NOTE_MAX_BYTES);
    assert_int_equal(kv_note_put(state.kv, name, span_str(""), NULL), E_INVALID);
    assert_int_equal(kv_note_get(state.kv, name, &out, NULL), E_INVALID);
    assert_int_equal(kv_note_remove(state.kv, name, NULL), E_INVALID);
    assert_int_equal(kv_notes(state.kv, name, add, &list, NULL), E_INVALID);
    name[KV_NOTE_NAME_MAX] = '\0';
    put(&state, name, "x");
    assert_string_equal(get(&state, name), "x");
    assert_int_equal(kv_note_remove(state.kv, name, NULL), 0);
    assert_null(get(&state, name));

    struct span most = span_of(bytes, KV_NOTE_MAX_BYTES);
    assert_int_equal(kv_note_put(state.kv, "n", span_of(bytes, sizeof bytes), NULL), E_INVALID);
    assert_int_equal(kv_note_put(state.kv, "n", most, NULL), 0);
    assert_int_equal(kv_note_get(state.kv, "n", &out, NULL), 0);
    assert_true(span_equal(buf_span(&out), most));
    buf_free(&out);
    buf_init(&out, KV_NOTE_MAX_BYTES - 1);
    struct err err = {0};
    assert_int_equal(kv_note_get(state.kv, "n", &out, &err), E_TOO_LARGE);
    assert_string_not_equal(err.text, "");
    buf_free(&out);
    state_close(&state);
}

static void no_memory_is_an_error(void **unused)
{
    (void)unused;
    struct state state;
    state_open(&state);
    fail_alloc_at(1);
    assert_int_equal(kv_note_put(state.kv, "n", span_str("x"), NULL), E_NOMEM);
    assert_true(fail_alloc_stop());
    assert_null(get(&state, "n"));
    state_close(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_are_kept_until_a_crash),
        cmocka_unit_test(notes_are_listed_by_prefix),
        cmocka_unit_test(notes_have_limits),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
