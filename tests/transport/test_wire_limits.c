/* tests/transport/test_wire_limits.c - every element of another type, counts that lie, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/died.h"
#include "tests/support/no_memory.h"
#include "tests/transport/read_all.h"
#include "tests/transport/wire_samples.h"

static struct unpacked scratch;
static struct buf made;

static int setup(void **state)
{
    (void)state;
    buf_init(&made, WIRE_MESSAGE_MAX + 64);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_free(&made);
    unpack_close(&scratch);
    return 0;
}

static int read_made(void)
{
    assert_int_equal(buf_error(&made), 0);
    struct err err = {0};
    int rc = read_all(buf_span(&made), &scratch, &err);
    assert_int_equal(err.code, rc);
    buf_reset(&made);
    return rc;
}

/* --- the elements of a sample --- */

/* One msgpack object of a sample: where it lies, and its type as a letter. */
struct place {
    size_t at;
    size_t size;
    char type; /* n(il) t(rue) u(int) s(tr) b(in) a(rray) */
};

enum { PLACES_MAX = 128 };

static size_t find_places(const uint8_t *bytes, size_t at, struct place *places, size_t *count);

static size_t find_elements(const uint8_t *bytes, size_t at, size_t elements, struct place *places,
                            size_t *count)
{
    for (size_t i = 0; i < elements; i++) {
        at = find_places(bytes, at, places, count);
    }
    return at;
}

/* Understands what samples are made of. Returns the end of the object. */
static size_t find_places(const uint8_t *bytes, size_t at, struct place *places, size_t *count)
{
    assert_true(*count < PLACES_MAX);
    struct place *place = &places[(*count)++];
    uint8_t tag = bytes[at];
    size_t end = at + 1;
    if (tag < 0x80) {
        place->type = 'u';
    } else if (tag >= 0x90 && tag < 0xa0) {
        place->type = 'a';
        end = find_elements(bytes, end, tag & 15u, places, count);
    } else if (tag >= 0xa0 && tag < 0xc0) {
        place->type = 's';
        end += tag & 31u;
    } else if (tag == 0xc0) {
        place->type = 'n';
    } else if (tag == 0xc3) {
        place->type = 't';
    } else if (tag == 0xc4) {
        place->type = 'b';
        end += 1u + bytes[end];
    } else {
        assert_true(tag >= 0xcc && tag <= 0xcf);
        place->type = 'u';
        end += (size_t)1 << (tag - 0xcc);
    }
    place->at = at;
    place->size = end - at;
    return end;
}

static size_t places_of(const uint8_t *bytes, size_t size, struct place *places)
{
    size_t count = 0;
    assert_int_equal(find_places(bytes, 0, places, &count), size);
    return count;
}

static const struct {
    char type;
    const char *bytes;
    size_t size;
} replacements[] = {
    {'n', "\xc0", 1},  {'t', "\xc3", 1},      {'u', "\x01", 1}, {'-', "\xff", 1},
    {'s', "\xa1x", 2}, {'b', "\xc4\x01x", 3}, {'a', "\x90", 1}, {'m', "\x80", 1},
};

enum { REPLACEMENTS = sizeof replacements / sizeof replacements[0] };

/* The few elements that may be of two types: a value or nil, a condition or nil. */
static const char *const may_differ = "write/14:b>n write/15:n>u write/18:n>b write/19:u>n "
                                      "page/16:b>n page/23:n>b bag_digest/7:b>n mirror/4:b>n ";

static void test_every_element_of_another_type(void **state)
{
    (void)state;
    char differed[512] = "";
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[SAMPLE_MAX];
        struct place places[PLACES_MAX];
        size_t size = sample_golden(&samples[i], bytes);
        size_t count = places_of(bytes, size, places);
        for (size_t j = 0; j < count * REPLACEMENTS; j++) {
            const struct place *place = &places[j / REPLACEMENTS];
            size_t k = j % REPLACEMENTS;
            if (place->type == replacements[k].type) {
                continue;
            }
            size_t behind = place->at + place->size;
            buf_append(&made, bytes, place->at);
            buf_append(&made, replacements[k].bytes, replacements[k].size);
            buf_append(&made, bytes + behind, size - behind);
            if (read_made() == 0) {
                size_t used = strlen(differed);
                (void)snprintf(differed + used, sizeof differed - used, "%s/%zu:%c>%c ",
                               samples[i].name, j / REPLACEMENTS, place->type,
                               replacements[k].type);
            }
        }
    }
    assert_string_equal(differed, may_differ);
}

/* Puts the sample with the count of one array changed by `delta`, with `more` behind it. */
static int read_with_count(const uint8_t *bytes, size_t size, const struct place *array, int delta,
                           struct span more)
{
    size_t end = array->at + array->size;
    buf_append(&made, bytes, array->at);
    buf_append_u8(&made, (uint8_t)(bytes[array->at] + delta));
    buf_append(&made, bytes + array->at + 1, array->size - 1);
    buf_append_span(&made, more);
    buf_append(&made, bytes + end, size - end);
    return read_made();
}

static void test_counts_that_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[SAMPLE_MAX];
        struct place places[PLACES_MAX];
        size_t size = sample_golden(&samples[i], bytes);
        size_t count = places_of(bytes, size, places);
        for (size_t j = 0; j < count; j++) {
            if (places[j].type != 'a' || (bytes[places[j].at] & 15) == 15) {
                continue;
            }
            struct span nil = SPAN_LITERAL("\xc0");
            struct span nothing = {NULL, 0};
            assert_int_not_equal(read_with_count(bytes, size, &places[j], 1, nothing), 0);
            assert_int_not_equal(read_with_count(bytes, size, &places[j], -1, nothing), 0);
            assert_int_not_equal(read_with_count(bytes, size, &places[j], 1, nil), 0);
        }
    }
}

/* Without its last field no message, and no element of a list, is whole. */
static void test_last_field_left_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[SAMPLE_MAX];
        struct place places[PLACES_MAX];
        size_t size = sample_golden(&samples[i], bytes);
        size_t count = places_of(bytes, size, places);
        size_t last = 0;
        for (size_t j = 1; j < count; j++) {
            last = places[j].at + places[j].size == size && last == 0 ? j : last;
        }
        if (strcmp(samples[i].name, "bye") == 0) {
            continue; /* its last field is the session number: test_wire has "910b" */
        }
        buf_append_u8(&made, (uint8_t)(bytes[0] - 1));
        buf_append(&made, bytes + 1, places[last].at - 1);
        assert_int_equal(read_made(), E_MALFORMED);
    }
}

/* --- limits: one below, at, one above --- */

struct limit {
    void (*put)(size_t n);
    size_t max;
    int above; /* what one more gives */
};

static const uint8_t filler[WIRE_MESSAGE_MAX];

static struct span text_of(size_t size)
{
    static uint8_t text[1024];
    memset(text, 'x', sizeof text);
    return span_of(text, size);
}

static void begin(enum wire_type type, uint32_t fields)
{
    pack_array(&made, 2 + fields);
    pack_u64(&made, (uint64_t)type);
    pack_u64(&made, type == WIRE_HELLO || type == WIRE_JOIN ? 0 : 1);
}

static void put_pairs(size_t n)
{
    begin(WIRE_FOLLOW, 1);
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        pack_array(&made, 2);
        pack_u64(&made, i);
        pack_u64(&made, i);
    }
}

static void put_ids(size_t n)
{
    begin(WIRE_UNFOLLOW, 1);
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        pack_u64(&made, i);
    }
}

static void put_groups(size_t n)
{
    begin(WIRE_SIGN_IN, 4);
    pack_u64(&made, 1);
    pack_cstr(&made, "ann");
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        pack_cstr(&made, "g");
    }
    pack_u64(&made, 0);
}

static void put_operations(size_t n)
{
    begin(WIRE_WRITE, 2);
    pack_u64(&made, 0);
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        operation_put_empty(&made, i + 1);
    }
}

static void put_outcomes(size_t n)
{
    begin(WIRE_OUTCOME, 1);
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_put_outcome(&made, i, 0, 0, NULL);
    }
}

static void put_owners_named(size_t n, size_t name_size)
{
    begin(WIRE_SIGNED_IN, 4);
    pack_u64(&made, 1);
    pack_u64(&made, 0);
    pack_cstr(&made, "");
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        pack_array(&made, 5);
        pack_u64(&made, i);
        pack_u64(&made, OWNER_USER);
        pack_str(&made, text_of(name_size));
        pack_u64(&made, 0);
        pack_u64(&made, 0);
    }
}

static void put_owners(size_t n)
{
    put_owners_named(n, 1);
}

static void put_owner_name(size_t n)
{
    put_owners_named(1, n);
}

static void put_owners_to_keep(size_t n)
{
    struct span bag = SPAN_LITERAL("\x95\x07\x04\xa1x\x00\x00");
    begin(WIRE_OWNERS, 3);
    pack_u64(&made, 0);
    pack_bool(&made, true);
    pack_array(&made, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        buf_append_span(&made, bag);
    }
}

/* A message of n bytes: the batches are whatever is left. */
static void put_batches_of(size_t n)
{
    enum { AROUND = 9 };
    wire_put_batches(&made, 1, 1, span_of(filler, n - AROUND));
    assert_int_equal(made.size, n);
}

static void put_labels(size_t n, size_t which)
{
    begin(WIRE_JOIN, 6);
    pack_u64(&made, WIRE_VERSION);
    pack_bin(&made, span_of(filler, 32));
    for (size_t i = 0; i < 4; i++) {
        pack_str(&made, text_of(i == which ? n : 1));
    }
}

static void put_name(size_t n)
{
    put_labels(n, 0);
}

static void put_serial(size_t n)
{
    put_labels(n, 1);
}

static void put_model(size_t n)
{
    put_labels(n, 2);
}

static void put_software(size_t n)
{
    put_labels(n, 3);
}

static void put_sentence(size_t n)
{
    begin(WIRE_ERROR, 3);
    pack_u64(&made, 1);
    pack_str(&made, text_of(n));
    pack_bool(&made, true);
}

static void put_outcome_sentence(size_t n)
{
    begin(WIRE_OUTCOME, 1);
    pack_array(&made, 1);
    pack_array(&made, 4);
    pack_u64(&made, 1);
    pack_u64(&made, 1);
    pack_u64(&made, 1);
    pack_str(&made, text_of(n));
}

/* A message of n bytes: the user's name is whatever is left; whether it is a name is not asked. */
static void put_message_of(size_t n)
{
    enum { AROUND = 11 };
    begin(WIRE_SIGN_IN, 4);
    pack_u64(&made, 1);
    pack_str(&made, span_of(filler, n - AROUND));
    pack_array(&made, 0);
    pack_u64(&made, 0);
    assert_int_equal(made.size, n);
}

/* A message of n msgpack objects. */
static void put_elements(size_t n)
{
    enum { AROUND = 6 };
    begin(WIRE_SIGN_IN, 4);
    pack_u64(&made, 1);
    pack_array(&made, (uint32_t)(n - AROUND - 1));
    for (size_t i = 0; i < n - AROUND - 1; i++) {
        pack_nil(&made);
    }
    pack_array(&made, 0);
    pack_u64(&made, 0);
}

static const struct limit limits[] = {
    {put_pairs, WIRE_BAGS_MAX, E_MALFORMED},
    {put_ids, WIRE_BAGS_MAX, E_MALFORMED},
    {put_groups, WIRE_GROUPS_MAX, E_MALFORMED},
    {put_operations, WIRE_OPS_MAX, E_MALFORMED},
    {put_outcomes, WIRE_OPS_UNANSWERED, E_MALFORMED},
    {put_owners, WIRE_BAGS_MAX, E_MALFORMED},
    {put_owners_to_keep, WIRE_OWNERS_MAX, E_MALFORMED},
    {put_batches_of, WIRE_MESSAGE_MAX, E_TOO_LARGE},
    {put_owner_name, NAME_MAX_BYTES, E_MALFORMED},
    {put_name, WIRE_LABEL_MAX, E_MALFORMED},
    {put_serial, WIRE_LABEL_MAX, E_MALFORMED},
    {put_model, WIRE_LABEL_MAX, E_MALFORMED},
    {put_software, WIRE_LABEL_MAX, E_MALFORMED},
    {put_sentence, WIRE_TEXT_MAX, E_MALFORMED},
    {put_outcome_sentence, WIRE_TEXT_MAX, E_MALFORMED},
    {put_message_of, WIRE_MESSAGE_MAX, E_TOO_LARGE},
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        limits[i].put(limits[i].max - 1);
        assert_int_equal(read_made(), 0);
        limits[i].put(limits[i].max);
        assert_int_equal(read_made(), 0);
        limits[i].put(limits[i].max + 1);
        assert_int_equal(read_made(), limits[i].above);
    }
}

/* Up to the limit the guard lets it through, and the message is refused for its shape. */
static void test_number_of_elements(void **state)
{
    (void)state;
    put_elements(WIRE_ELEMENTS_MAX);
    assert_int_equal(read_made(), E_MALFORMED);
    put_elements(WIRE_ELEMENTS_MAX + 1);
    assert_int_equal(read_made(), E_TOO_LARGE);
}

static void test_texts_are_utf8(void **state)
{
    (void)state;
    for (size_t which = 0; which < 2; which++) {
        begin(WIRE_ERROR, 3);
        pack_u64(&made, 1);
        pack_cstr(&made, which == 0 ? "caf\xc3\xa9\n" : "caf\xe9");
        pack_bool(&made, true);
        assert_int_equal(read_made(), which == 0 ? 0 : E_MALFORMED);
    }
    static const char *const labels[] = {"caf\xc3\xa9", "caf\xe9", "a\nb"};
    for (size_t i = 0; i < 3; i++) {
        begin(WIRE_JOIN, 6);
        pack_u64(&made, WIRE_VERSION);
        pack_bin(&made, span_of(filler, 32));
        pack_cstr(&made, labels[i]);
        pack_cstr(&made, "");
        pack_cstr(&made, "");
        pack_cstr(&made, "");
        assert_int_equal(read_made(), i == 0 ? 0 : E_MALFORMED);
    }
}

static void put_texts(const char *shown, const char *sentence)
{
    begin(WIRE_SIGNED_IN, 4);
    pack_u64(&made, 1);
    pack_u64(&made, 0);
    pack_cstr(&made, sentence);
    pack_array(&made, 1);
    pack_array(&made, 5);
    pack_u64(&made, 1);
    pack_u64(&made, OWNER_USER);
    pack_cstr(&made, shown);
    pack_u64(&made, 0);
    pack_u64(&made, 0);
}

static void test_texts_in_lists_are_utf8(void **state)
{
    (void)state;
    put_texts("caf\xc3\xa9", "");
    assert_int_equal(read_made(), 0);
    put_texts("caf\xe9", "");
    assert_int_equal(read_made(), E_MALFORMED);
    put_texts("ann", "caf\xe9");
    assert_int_equal(read_made(), E_MALFORMED);
    for (int good = 0; good < 2; good++) {
        begin(WIRE_OUTCOME, 1);
        pack_array(&made, 1);
        pack_array(&made, 4);
        pack_u64(&made, 1);
        pack_u64(&made, 1);
        pack_u64(&made, 1);
        pack_cstr(&made, good == 1 ? "caf\xc3\xa9" : "caf\xe9");
        assert_int_equal(read_made(), good == 1 ? 0 : E_MALFORMED);
    }
}

static void read_past_the_end(void *context)
{
    (void)wire_group_at(context, 1);
}

static void test_index_past_the_end(void **state)
{
    (void)state;
    struct wire_message message;
    put_groups(1);
    assert_int_equal(wire_decode(buf_span(&made), &scratch, &message, NULL), 0);
    assert_true(died(read_past_the_end, &message.sign_in.groups));
    buf_reset(&made);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct unpacked fresh = {0};
    struct wire_message message = {.session = 77};
    struct err err = {0};
    put_elements(WIRE_ELEMENTS_MAX);
    if (!no_memory_begin()) {
        skip();
    }
    int rc = wire_decode(buf_span(&made), &fresh, &message, &err);
    no_memory_end();
    assert_int_equal(rc, E_NOMEM);
    assert_int_equal(err.code, E_NOMEM);
    assert_int_equal(message.session, 77);
    unpack_close(&fresh);
    buf_reset(&made);
}

/* Elements behind the sentence: nothing, or the three of one that is split. */
static void test_outcomes_that_are_split(void **state)
{
    (void)state;
    static const struct {
        uint64_t code, seq, device_bag, shared_seq, device_seq;
        uint32_t size;
        int rc;
    } cases[] = {
        {0, 100, 300, 90, 100, 7, 0},
        {0, 100, 300, 0, 100, 7, 0},
        {0, 100, 0, 90, 0, 7, 0},
        {0, 100, 0, 0, 0, 7, 0},
        {4, 100, 300, 90, 100, 7, E_MALFORMED},  /* of a refusal */
        {0, 100, 0, 90, 100, 7, E_MALFORMED},    /* a seq in no bag */
        {0, 100, 300, 90, 0, 7, E_MALFORMED},    /* a bag at no seq */
        {0, 100, 300, 101, 100, 7, E_MALFORMED}, /* beyond the operation */
        {0, 100, 300, 90, 101, 7, E_MALFORMED},
        {0, 100, 300, 90, 100, 6, E_MALFORMED},
        {0, 100, 300, 90, 100, 8, E_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire_begin_outcome(&made, 1, 1);
        pack_array(&made, cases[i].size);
        pack_u64(&made, 5);
        pack_u64(&made, cases[i].code);
        pack_u64(&made, cases[i].seq);
        pack_cstr(&made, "");
        pack_u64(&made, cases[i].device_bag);
        pack_u64(&made, cases[i].shared_seq);
        if (cases[i].size > 6) {
            pack_u64(&made, cases[i].device_seq);
        }
        if (cases[i].size > 7) {
            pack_nil(&made);
        }
        assert_int_equal(read_made(), cases[i].rc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_that_are_split),
        cmocka_unit_test(test_every_element_of_another_type),
        cmocka_unit_test(test_counts_that_lie),
        cmocka_unit_test(test_last_field_left_out),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_number_of_elements),
        cmocka_unit_test(test_texts_are_utf8),
        cmocka_unit_test(test_texts_in_lists_are_utf8),
        cmocka_unit_test(test_index_past_the_end),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
