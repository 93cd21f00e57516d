/* client/kb_files.h - what kb_import and kb_export have in common: this machine's signature, and
 * files on their way in.
 *
 *   kb_import.c          opening a file, whom to trust, which history it is of
 *   kb_import_server.c   a file of the server
 *   kb_import_machine.c  a file of a machine
 *   kb_export.c          files of this machine
 */
#ifndef KITBAG_CLIENT_KB_FILES_H
#define KITBAG_CLIENT_KB_FILES_H

#include "client/kb_inside.h"
#include "journal/snapshot.h"

/* The machine's signing key, made at first need; to be wiped with key_wipe. */
MUST_CHECK int client_signer(struct kb *kb, struct sign_pair *out, struct err *err);
/* The key under which it seals what stays with it. */
void client_seal_key(const struct sign_pair *signer, uint8_t out[SNAPSHOT_KEY_SIZE]);
/* The header of a file that this machine makes now. */
MUST_CHECK int client_file_header(struct kb *kb, const struct sign_pair *signer,
                                  enum snapshot_kind kind, struct snapshot_header *out,
                                  struct err *err);

/* A file that was verified, and whose signer is trusted. */
struct client_import {
    struct kb *kb;
    struct snapshot_reader *reader;
    const char *path;
    bool dry_run;
    struct kb_import_report *report;
};
/* The network does not run. */
MUST_CHECK int client_import_server(struct client_import *import, struct err *err);
MUST_CHECK int client_import_machine(struct client_import *import, struct err *err);

/* Of a machine that never joined: whose key it was told to trust with a file; false: nobody's. */
bool client_trusted_signer(struct kb *kb, uint8_t out[KEY_SIZE]);
#define CLIENT_NOTE_TRUSTED "trusted"
/* Before joining: what came from a server's file goes on with that server alone. E_HISTORY. */
MUST_CHECK int client_check_token(struct kb *kb, const struct join_token *token, struct err *err);

#endif
