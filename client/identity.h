/* client/identity.h - who this machine is, and which server it belongs to: DIR/identity.
 *
 * A text of "name = value" lines, replaced as a whole and durably (0600: it holds the machine's
 * secret key); its last line is a checksum of all before it. Keys are in hexadecimal. No sentence
 * here holds a secret.
 */
#ifndef KITBAG_CLIENT_IDENTITY_H
#define KITBAG_CLIENT_IDENTITY_H

#include "journal/change.h"
#include "transport/token.h"

struct identity {
    bool has_keys; /* made before the first JOIN is sent */
    struct key_pair keys;
    uint64_t device;               /* 0: never joined */
    uint8_t history[HISTORY_SIZE]; /* that it joined */
    uint8_t server_key[KEY_SIZE];
    uint8_t signing_key[KEY_SIZE];
    size_t address_count;
    char addresses[TOKEN_ADDRESSES_MAX][ADDRESS_MAX_BYTES + 1];
    char name[256];
    bool started; /* it is to be connected */
};

/* A file that is not there is a machine that never joined. E_CORRUPT names the file and the
 * remedy; E_FORMAT: a newer version wrote it; E_PERMISSION also when others may read it. */
MUST_CHECK int identity_load(struct identity *out, const char *path, struct err *err);
MUST_CHECK int identity_store(const struct identity *identity, const char *path, struct err *err);
/* Overwrites the secret. */
void identity_wipe(struct identity *identity);

#endif
