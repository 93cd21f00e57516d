/* tests/transport/test_keys.c - key pairs, Z85, and the server's key files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/io_calls.h"
#include "tests/support/tmp_folder.h"
#include "transport/keys.h"

static char folder[TMP_FOLDER_MAX];
static char dir[TMP_FOLDER_MAX + 8];

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    (void)snprintf(dir, sizeof dir, "%s/keys", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_folder_remove(folder);
    return 0;
}

static void path_of(char *out, const char *name)
{
    (void)snprintf(out, 2 * TMP_FOLDER_MAX, "%s/%s", dir, name);
}

/* The vector of RFC 7748, 6.1: Bob's keys. */
static void test_public_of_secret(void **state)
{
    (void)state;
    static const char secret_hex[] =
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    static const char public_hex[] =
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    uint8_t secret[KEY_SIZE];
    struct key_pair pair;
    assert_int_equal(hex_decode(span_str(secret_hex), secret, KEY_SIZE), 0);
    key_pair_of_secret(&pair, secret);
    char hex[2 * KEY_SIZE + 1];
    hex_encode(pair.public_key, KEY_SIZE, hex);
    assert_string_equal(hex, public_hex);
    assert_memory_equal(pair.secret_key, secret, KEY_SIZE);
}

static void test_pairs_differ(void **state)
{
    (void)state;
    struct key_pair a;
    struct key_pair b;
    key_pair_make(&a);
    key_pair_make(&b);
    assert_memory_not_equal(a.secret_key, b.secret_key, KEY_SIZE);
    assert_memory_not_equal(a.public_key, b.public_key, KEY_SIZE);
    key_pair_of_secret(&b, a.secret_key);
    assert_memory_equal(&a, &b, sizeof a);
    struct sign_pair c;
    struct sign_pair d;
    sign_pair_make(&c);
    sign_pair_make(&d);
    assert_memory_not_equal(c.secret_key, d.secret_key, SIGN_SECRET_SIZE);
    assert_memory_equal(c.secret_key + KEY_SIZE, c.public_key, KEY_SIZE);
}

/* The vector of ZeroMQ's RFC 32, four times over. */
static void test_z85(void **state)
{
    (void)state;
    static const uint8_t word[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
    uint8_t key[KEY_SIZE];
    for (size_t i = 0; i < 4; i++) {
        memcpy(key + i * sizeof word, word, sizeof word);
    }
    char text[KEY_Z85_MAX];
    key_z85(key, text);
    assert_string_equal(text, "HelloWorldHelloWorldHelloWorldHelloWorld");
    uint8_t back[KEY_SIZE] = {0};
    assert_int_equal(key_from_z85(text, back), 0);
    assert_memory_equal(back, key, KEY_SIZE);
    assert_int_equal(key_from_z85("HelloWorld", back), E_INVALID);
    assert_int_equal(key_from_z85("", back), E_INVALID);
    assert_int_equal(key_from_z85("HelloWorldHelloWorldHelloWorldHelloWorldx", back), E_INVALID);
    assert_int_equal(key_from_z85("HelloWorldHelloWorldHelloWorldHello orld", back), E_INVALID);
    assert_int_equal(key_from_z85("HelloWorldHelloWorldHelloWorldHelloWor\xc3\xa9", back),
                     E_INVALID);
    assert_int_equal(key_from_z85("########################################", back), E_INVALID);
}

static void test_wipe(void **state)
{
    (void)state;
    uint8_t secret[5] = {1, 2, 3, 4, 5};
    key_wipe(secret, 4);
    assert_memory_equal(secret, "\0\0\0\0\5", 5);
}

static void load(struct key_pair *curve, struct sign_pair *sign)
{
    struct err err = {0};
    int rc = keys_load_server(dir, curve, sign, &err);
    if (rc != 0) {
        fail_msg("%s", err.text);
    }
}

static void test_made_once_and_kept(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    load(&curve, &sign);
    struct stat info;
    assert_int_equal(stat(dir, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    char path[2 * TMP_FOLDER_MAX];
    path_of(path, "curve.key");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct key_pair again;
    struct sign_pair sign_again;
    load(&again, &sign_again);
    assert_memory_equal(&curve, &again, sizeof curve);
    assert_memory_equal(&sign, &sign_again, sizeof sign);
}

/* The bytes of a key file: two lines of hexadecimal. */
static void test_file_format(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    load(&curve, &sign);
    static const struct {
        const char *name;
    } files[] = {{"curve.key"}, {"sign.key"}};
    for (size_t i = 0; i < 2; i++) {
        char path[2 * TMP_FOLDER_MAX];
        char expected[2 * (2 * KEY_SIZE + 1) + 1];
        path_of(path, files[i].name);
        hex_encode(i == 0 ? curve.secret_key : sign.secret_key, KEY_SIZE, expected);
        expected[64] = '\n';
        hex_encode(i == 0 ? curve.public_key : sign.public_key, KEY_SIZE, expected + 65);
        expected[129] = '\n';
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(file_read(path, &text, NULL), 0);
        assert_int_equal(text.size, 130);
        assert_memory_equal(text.data, expected, 130);
        buf_free(&text);
    }
}

static void expect_failure(int code, const char *file)
{
    struct key_pair curve;
    struct sign_pair sign;
    struct err err = {0};
    memset(&curve, 7, sizeof curve);
    struct key_pair before = curve;
    assert_int_equal(keys_load_server(dir, &curve, &sign, &err), code);
    assert_int_equal(err.code, code);
    if (strstr(err.text, file) == NULL) {
        fail_msg("'%s' does not name %s", err.text, file);
    }
    assert_memory_equal(&curve, &before, sizeof curve);
}

static void test_open_to_others(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    load(&curve, &sign);
    char path[2 * TMP_FOLDER_MAX];
    path_of(path, "sign.key");
    static const mode_t modes[] = {0640, 0604, 0601, 0620};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        expect_failure(E_PERMISSION, "sign.key");
    }
    assert_int_equal(chmod(path, 0600), 0);
    load(&curve, &sign);
}

/* Every byte of either file matters. */
static void test_damage(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    static const char *const names[] = {"curve.key", "sign.key"};
    load(&curve, &sign);
    for (size_t i = 0; i < 2; i++) {
        char path[2 * TMP_FOLDER_MAX];
        struct buf text;
        buf_init(&text, 4096);
        path_of(path, names[i]);
        assert_int_equal(file_read(path, &text, NULL), 0);
        for (size_t at = 0; at < text.size; at += 13) {
            uint8_t good = text.data[at];
            text.data[at] = good == '3' ? '4' : '3';
            assert_int_equal(file_replace(path, text.data, text.size, 0600, NULL), 0);
            expect_failure(E_CORRUPT, names[i]);
            text.data[at] = good;
        }
        static const size_t sizes[] = {0, 1, 65, 129};
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(file_replace(path, text.data, sizes[j], 0600, NULL), 0);
            expect_failure(E_CORRUPT, names[i]);
        }
        (void)buf_printf(&text, "%*s", 4000 - (int)text.size, "");
        assert_int_equal(file_replace(path, text.data, 131, 0600, NULL), 0);
        expect_failure(E_CORRUPT, names[i]);
        assert_int_equal(truncate(path, 1 << 20), 0);
        expect_failure(E_CORRUPT, names[i]);
        assert_int_equal(file_replace(path, text.data, 130, 0600, NULL), 0);
        buf_free(&text);
    }
    load(&curve, &sign);
}

static void test_durable(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    io_calls_start();
    load(&curve, &sign);
    io_calls_stop();
    const char *calls = io_calls_text();
    const char *synced = strstr(calls, "fsync:curve.key.partial");
    assert_non_null(synced);
    assert_non_null(strstr(synced, "rename:curve.key fsync:keys"));
    assert_non_null(strstr(synced, "rename:sign.key fsync:keys"));
}

static void test_no_folder(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/dev/null/no");
    struct key_pair curve;
    struct sign_pair sign;
    struct err err = {0};
    assert_int_not_equal(keys_load_server(dir, &curve, &sign, &err), 0);
    assert_non_null(strstr(err.text, "/dev/null"));
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct key_pair curve;
    struct sign_pair sign;
    load(&curve, &sign);
    for (unsigned nth = 1;; nth++) {
        struct err err = {0};
        fail_alloc_at(nth);
        int rc = keys_load_server(dir, &curve, &sign, &err);
        if (!fail_alloc_stop()) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, E_NOMEM);
        assert_int_equal(err.code, E_NOMEM);
    }
}

/* A machine's folder is there already; its key is made once. */
static void test_signing_key_of_a_machine(void **state)
{
    (void)state;
    char path[2 * TMP_FOLDER_MAX];
    struct sign_pair one;
    struct sign_pair two;
    struct err err = {0};
    assert_int_equal(dir_make(dir, 0700, NULL), 0);
    assert_int_equal(keys_load_sign(dir, &one, &err), 0);
    assert_int_equal(keys_load_sign(dir, &two, &err), 0);
    assert_memory_equal(&one, &two, sizeof one);
    path_of(path, "sign.key");
    tmp_folder_write(path, "nothing");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(keys_load_sign(dir, &two, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "not taken for its own any more"));
}

static void test_both_sides_work_out_one_proof(void **state)
{
    (void)state;
    struct key_pair machine;
    struct key_pair server;
    struct key_pair other;
    struct sign_pair sign;
    uint8_t one[KEY_PROOF_SIZE];
    uint8_t two[KEY_PROOF_SIZE];
    key_pair_make(&machine);
    key_pair_make(&server);
    key_pair_make(&other);
    sign_pair_make(&sign);
    const uint8_t *signer = sign.public_key;
    assert_int_equal(key_vouch(machine.secret_key, server.public_key, 5, signer, one), 0);
    assert_int_equal(key_vouch(server.secret_key, machine.public_key, 5, signer, two), 0);
    assert_memory_equal(one, two, sizeof one);
    assert_int_equal(key_vouch(server.secret_key, machine.public_key, 6, signer, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    assert_int_equal(key_vouch(server.secret_key, other.public_key, 5, signer, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    assert_int_equal(key_vouch(other.secret_key, machine.public_key, 5, signer, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    sign.public_key[0] ^= 1;
    assert_int_equal(key_vouch(server.secret_key, machine.public_key, 5, signer, two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    const uint8_t none[KEY_SIZE] = {0};
    assert_int_equal(key_vouch(server.secret_key, none, 5, signer, two), E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_of_secret),
        cmocka_unit_test(test_pairs_differ),
        cmocka_unit_test(test_z85),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test_setup_teardown(test_made_once_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_to_others, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_durable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signing_key_of_a_machine, setup, teardown),
        cmocka_unit_test(test_both_sides_work_out_one_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
