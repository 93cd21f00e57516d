/* tests/journal/test_snapshot_seal.c - passwords, sealed blocks, signatures, fingerprints. */
#include "tests/journal/snapshot_samples.h"

static void the_right_password_opens_it(void **state)
{
    (void)state;
    struct err err = {0};
    struct snapshot_lock lock;
    struct snapshot_cipher cipher = {0};
    struct snapshot_keys keys = {.password = SPAN_LITERAL("correct horse")};
    assert_int_equal(
        snapshot_cipher_make(&cipher, SNAPSHOT_PASSWORD, keys.password, NULL, &lock, &err), 0);
    snapshot_cipher_close(&cipher);
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_PASSWORD, &lock, &keys, &err), 0);
    snapshot_cipher_close(&cipher);

    keys.password = SPAN_LITERAL("correct horsE");
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_PASSWORD, &lock, &keys, &err),
                     E_PASSWORD);
    assert_string_equal(err.text, "the password is another one");
    keys.password = (struct span){NULL, 0};
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_PASSWORD, &lock, &keys, &err),
                     E_PASSWORD);
    assert_string_equal(err.text, "it is sealed with a password: give it");
    assert_null(cipher.context);
}

static void a_machines_own_key_opens_it(void **state)
{
    (void)state;
    struct err err = {0};
    struct snapshot_lock lock;
    struct snapshot_cipher cipher = {0};
    uint8_t key[SNAPSHOT_KEY_SIZE] = {1};
    struct snapshot_keys keys = {.key = key};
    struct span none = {NULL, 0};
    assert_int_equal(snapshot_cipher_make(&cipher, SNAPSHOT_KEY, none, key, &lock, &err), 0);
    snapshot_cipher_close(&cipher);
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_KEY, &lock, &keys, &err), 0);
    snapshot_cipher_close(&cipher);
    key[0] ^= 1;
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_KEY, &lock, &keys, &err), E_PASSWORD);
    keys.key = NULL;
    assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_KEY, &lock, &keys, &err), E_PASSWORD);
    assert_non_null(strstr(err.text, "the machine that made it"));
}

/* A file may not make its reader work for an hour, or take a gigabyte. */
static void what_a_password_may_cost_is_limited(void **state)
{
    (void)state;
    static const struct snapshot_lock locks[] = {
        {.log_n = 9, .r = 8, .p = 1},           {.log_n = 18, .r = 1, .p = 1},
        {.log_n = 64, .r = 8, .p = 1},          {.log_n = 15, .r = 0, .p = 1},
        {.log_n = 15, .r = 17, .p = 1},         {.log_n = 17, .r = 8, .p = 1},
        {.log_n = 15, .r = 8, .p = 0},          {.log_n = 15, .r = 8, .p = 9},
        {.log_n = 15, .r = UINT64_MAX, .p = 1},
    };
    struct snapshot_keys keys = {.password = SPAN_LITERAL("x")};
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        struct err err = {0};
        struct snapshot_cipher cipher = {0};
        assert_int_equal(snapshot_cipher_open(&cipher, SNAPSHOT_PASSWORD, &locks[i], &keys, &err),
                         E_MALFORMED);
        assert_non_null(strstr(err.text, "more memory or time"));
    }
}

static void a_block_opens_in_its_place_alone(void **state)
{
    (void)state;
    struct snapshot_lock lock;
    struct snapshot_cipher cipher = {0};
    const uint8_t key[SNAPSHOT_KEY_SIZE] = {1};
    struct span none = {NULL, 0};
    struct span head = SPAN_LITERAL("head");
    uint8_t sealed[5 + SNAPSHOT_TAG_SIZE];
    uint8_t bytes[sizeof sealed];
    assert_int_equal(snapshot_cipher_make(&cipher, SNAPSHOT_KEY, none, key, &lock, NULL), 0);
    memcpy(sealed, "value", 5);
    snapshot_seal_block(&cipher, 3, head, sealed, 5);
    assert_memory_not_equal(sealed, "value", 5);

    memcpy(bytes, sealed, sizeof bytes);
    assert_int_equal(snapshot_open_block(&cipher, 3, head, bytes, sizeof bytes), 0);
    assert_memory_equal(bytes, "value", 5);
    memcpy(bytes, sealed, sizeof bytes);
    assert_int_equal(snapshot_open_block(&cipher, 4, head, bytes, sizeof bytes), E_MALFORMED);
    memcpy(bytes, sealed, sizeof bytes);
    assert_int_equal(snapshot_open_block(&cipher, 3, SPAN_LITERAL("heat"), bytes, sizeof bytes),
                     E_MALFORMED);
    for (size_t i = 0; i < sizeof sealed; i++) {
        memcpy(bytes, sealed, sizeof bytes);
        bytes[i] ^= 1;
        assert_int_equal(snapshot_open_block(&cipher, 3, head, bytes, sizeof bytes), E_MALFORMED);
    }
    memcpy(bytes, sealed, sizeof bytes);
    assert_int_equal(snapshot_open_block(&cipher, 3, head, bytes, SNAPSHOT_TAG_SIZE - 1),
                     E_MALFORMED);
    snapshot_cipher_close(&cipher);
}

static void a_signature_is_of_one_key_and_one_text(void **state)
{
    (void)state;
    uint8_t signer[32];
    uint8_t secret[64];
    uint8_t of_secret[32];
    uint8_t hash[SHA256_SIZE] = {9};
    uint8_t signature[SNAPSHOT_SIGNATURE_SIZE];
    sample_keys(signer, secret);
    snapshot_public_key(secret, of_secret);
    assert_memory_equal(of_secret, signer, sizeof signer);
    snapshot_sign(secret, hash, signature);
    assert_true(snapshot_signature_holds(signer, hash, signature));
    hash[31] ^= 1;
    assert_false(snapshot_signature_holds(signer, hash, signature));
    hash[31] ^= 1;
    signature[63] ^= 1;
    assert_false(snapshot_signature_holds(signer, hash, signature));
    signature[63] ^= 1;
    signer[0] ^= 1;
    assert_false(snapshot_signature_holds(signer, hash, signature));
}

static void fingerprints_are_compared_as_people_type_them(void **state)
{
    (void)state;
    uint8_t signer[32];
    uint8_t secret[64];
    char text[SNAPSHOT_FINGERPRINT_MAX];
    char plain[SNAPSHOT_FINGERPRINT_MAX];
    sample_keys(signer, secret);
    snapshot_fingerprint(signer, text);
    assert_int_equal(strlen(text), 95);
    assert_true(snapshot_fingerprint_is(text, signer));
    size_t size = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at != ':') {
            plain[size++] = (char)(*at >= 'A' ? *at + 32 : *at);
        }
    }
    plain[size] = '\0';
    assert_int_equal(size, 64);
    assert_true(snapshot_fingerprint_is(plain, signer));
    plain[63] = plain[63] == '0' ? '1' : '0';
    assert_false(snapshot_fingerprint_is(plain, signer));
    plain[63] = '\0';
    assert_false(snapshot_fingerprint_is(plain, signer));
    assert_false(snapshot_fingerprint_is("", signer));
    text[94] = '\0';
    assert_false(snapshot_fingerprint_is(text, signer));
    snapshot_fingerprint(signer, text);
    char longer[SNAPSHOT_FINGERPRINT_MAX + 2];
    (void)snprintf(longer, sizeof longer, "%s0", text);
    assert_false(snapshot_fingerprint_is(longer, signer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_opens_it),
        cmocka_unit_test(a_machines_own_key_opens_it),
        cmocka_unit_test(what_a_password_may_cost_is_limited),
        cmocka_unit_test(a_block_opens_in_its_place_alone),
        cmocka_unit_test(a_signature_is_of_one_key_and_one_text),
        cmocka_unit_test(fingerprints_are_compared_as_people_type_them),
    };
    return cmocka_run_group_tests_name("journal/snapshot_seal", tests, NULL, NULL);
}
