/* tests/client/test_identity.c - the identity file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "client/identity.h"
#include "tests/support/tmp_folder.h"

struct fixture {
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    struct identity identity;
};

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    tmp_folder_make(f->folder);
    tmp_folder_path(f->path, f->folder, "identity");
    key_pair_make(&f->identity.keys);
    f->identity.has_keys = true;
    f->identity.device = 0x1234;
    random_bytes(f->identity.history, HISTORY_SIZE);
    random_bytes(f->identity.server_key, KEY_SIZE);
    random_bytes(f->identity.signing_key, KEY_SIZE);
    f->identity.address_count = 2;
    (void)snprintf(f->identity.addresses[0], ADDRESS_MAX_BYTES, "one.example:8443");
    (void)snprintf(f->identity.addresses[1], ADDRESS_MAX_BYTES, "[::1]:9");
    (void)snprintf(f->identity.name, sizeof f->identity.name, "copier = 2nd floor");
    f->identity.started = true;
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    struct fixture f;
    struct identity read;
    struct stat file;
    begin(&f);
    assert_int_equal(identity_store(&f.identity, f.path, NULL), 0);
    assert_int_equal(stat(f.path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_int_equal(identity_load(&read, f.path, NULL), 0);
    assert_memory_equal(&read.keys, &f.identity.keys, sizeof read.keys);
    assert_memory_equal(read.history, f.identity.history, HISTORY_SIZE);
    assert_memory_equal(read.server_key, f.identity.server_key, KEY_SIZE);
    assert_memory_equal(read.signing_key, f.identity.signing_key, KEY_SIZE);
    assert_int_equal(read.device, 0x1234);
    assert_int_equal(read.address_count, 2);
    assert_string_equal(read.addresses[1], "[::1]:9");
    assert_string_equal(read.name, "copier = 2nd floor");
    assert_true(read.started && read.has_keys);
    tmp_folder_remove(f.folder);
}

static void no_file_is_a_machine_that_never_joined(void **state)
{
    (void)state;
    struct fixture f;
    struct identity read = {.device = 9};
    begin(&f);
    assert_int_equal(identity_load(&read, f.path, NULL), 0);
    assert_int_equal(read.device, 0);
    assert_false(read.has_keys || read.started);
    /* keys before joining */
    f.identity.device = 0;
    assert_int_equal(identity_store(&f.identity, f.path, NULL), 0);
    assert_int_equal(identity_load(&read, f.path, NULL), 0);
    assert_true(read.has_keys);
    assert_int_equal(read.device, 0);
    tmp_folder_remove(f.folder);
}

static void assert_flip_is_noticed(const struct fixture *f, struct buf *text, size_t at, size_t bit)
{
    struct identity read = {.device = 9};
    struct err err = {0};
    text->data[at] ^= (uint8_t)(1u << bit);
    assert_int_equal(file_replace(f->path, text->data, text->size, 0600, NULL), 0);
    assert_int_equal(identity_load(&read, f->path, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, f->path));
    assert_int_equal(read.device, 9);
    text->data[at] ^= (uint8_t)(1u << bit);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    struct fixture f;
    struct buf text;
    begin(&f);
    buf_init(&text, 100000);
    assert_int_equal(identity_store(&f.identity, f.path, NULL), 0);
    assert_int_equal(file_read(f.path, &text, NULL), 0);
    for (size_t i = 0; i < text.size; i += 3) {
        assert_flip_is_noticed(&f, &text, i, i % 8);
    }
    for (size_t i = text.size - 17; i < text.size; i++) {
        assert_flip_is_noticed(&f, &text, i, 5); /* the checksum in capital letters too */
    }
    for (size_t size = 0; size < text.size; size += 7) {
        struct identity read;
        assert_int_equal(file_replace(f.path, text.data, size, 0600, NULL), 0);
        assert_int_equal(identity_load(&read, f.path, NULL), E_CORRUPT);
    }
    buf_free(&text);
    tmp_folder_remove(f.folder);
}

/* A text with a sum that fits. */
static int load_text(struct fixture *f, const char *text)
{
    struct buf out;
    struct identity read;
    buf_init(&out, 100000);
    (void)buf_printf(&out, "%s", text);
    (void)buf_printf(&out, "sum = %016llx\n", (unsigned long long)hash64(buf_span(&out), 0));
    assert_int_equal(file_replace(f->path, out.data, out.size, 0600, NULL), 0);
    buf_free(&out);
    return identity_load(&read, f->path, NULL);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\nstarted = no\n"), 0);
    assert_int_equal(load_text(&f, "kitbag-identity = 2\nstarted = no\n"), E_FORMAT);
    assert_int_equal(load_text(&f, "started = no\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\nstarted = maybe\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\nwhat = ever\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\nno equals sign\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\nsecret_key = 12\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\ndevice = 0000000000000007\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, "kitbag-identity = 1\ndevice = seven\n"), E_CORRUPT);
    assert_int_equal(load_text(&f, ""), E_CORRUPT);
    char many[4096] = "kitbag-identity = 1\n";
    for (int i = 0; i < TOKEN_ADDRESSES_MAX + 1; i++) {
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "address = a:%d\n", i);
    }
    assert_int_equal(load_text(&f, many), E_CORRUPT);
    tmp_folder_remove(f.folder);
}

static void others_may_not_read_it(void **state)
{
    (void)state;
    struct fixture f;
    struct identity read;
    struct err err = {0};
    begin(&f);
    assert_int_equal(identity_store(&f.identity, f.path, NULL), 0);
    assert_int_equal(chmod(f.path, 0640), 0);
    assert_int_equal(identity_load(&read, f.path, &err), E_PERMISSION);
    assert_non_null(strstr(err.text, "chmod 600"));
    tmp_folder_remove(f.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(no_file_is_a_machine_that_never_joined),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(others_may_not_read_it),
    };
    return cmocka_run_group_tests_name("client/identity", tests, NULL, NULL);
}
