/* client/kb_import.c - taking a snapshot file: is it whole, who signed it, and may it be taken
 * here?
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/kb_files.h"

/* --- this machine's signature --- */

int client_signer(struct kb *kb, struct sign_pair *out, struct err *err)
{
    return keys_load_sign(kb->dir, out, err);
}

void client_seal_key(const struct sign_pair *signer, uint8_t out[SNAPSHOT_KEY_SIZE])
{
    const struct span pieces[] = {SPAN_LITERAL("kitbag seal of a machine\n"),
                                  span_of(signer->secret_key, sizeof signer->secret_key)};
    sha256(pieces, sizeof pieces / sizeof pieces[0], out);
}

bool client_trusted_signer(struct kb *kb, uint8_t out[KEY_SIZE])
{
    struct buf bytes;
    buf_init(&bytes, KEY_SIZE);
    bool there = replica_note_get(kb->replica, CLIENT_NOTE_TRUSTED, &bytes, NULL) == 0 &&
                 bytes.size == KEY_SIZE;
    if (there) {
        memcpy(out, bytes.data, KEY_SIZE);
    }
    buf_free(&bytes);
    return there;
}

int client_check_token(struct kb *kb, const struct join_token *token, struct err *err)
{
    uint8_t signer[KEY_SIZE];
    bool other = !client_joined(kb) && client_trusted_signer(kb, signer) &&
                 memcmp(signer, token->signing_key, KEY_SIZE) != 0;
    return other ? err_set(err, E_HISTORY,
                           "this machine holds what it took from a file of one server, and the "
                           "token is of another one: join that with a data folder of its own")
                 : 0;
}

/* --- whom to trust --- */

static int not_trusted(const struct client_import *import, const char *trust, bool joined,
                       struct err *err)
{
    const char *seen = import->report->signer;
    if (trust != NULL) {
        return err_set(err, E_SIGNATURE,
                       "'%.60s' is not signed by the key that is to be trusted, but by %s",
                       import->path, seen);
    }
    if (snapshot_header(import->reader)->kind == SNAPSHOT_MACHINE) {
        return err_set(err, E_SIGNATURE,
                       "'%.60s' is signed by another machine: compare its fingerprint, and give it "
                       "with --trust: %s",
                       import->path, seen);
    }
    return err_set(err, E_SIGNATURE,
                   joined ? "'%.60s' is not signed by the server that this machine has joined, but "
                            "by %s"
                          : "'%.60s' is signed by a server that this machine has not joined: "
                            "compare the fingerprint with the server's, and give it with --trust: "
                            "%s",
                   import->path, seen);
}

/* Is it this machine's own key, its server's, or one that it was told to trust? */
static bool is_known(const struct client_import *import, const struct sign_pair *own, bool joined)
{
    struct kb *kb = import->kb;
    const struct snapshot_header *header = snapshot_header(import->reader);
    uint8_t known[KEY_SIZE];
    if (header->kind == SNAPSHOT_MACHINE) {
        return memcmp(header->signer, own->public_key, KEY_SIZE) == 0;
    }
    if (!joined) {
        return client_trusted_signer(kb, known) && memcmp(header->signer, known, KEY_SIZE) == 0;
    }
    (void)pthread_mutex_lock(&kb->lock);
    memcpy(known, kb->identity.signing_key, KEY_SIZE);
    (void)pthread_mutex_unlock(&kb->lock);
    return memcmp(header->signer, known, KEY_SIZE) == 0;
}

static int check_signer(const struct client_import *import, const struct sign_pair *own,
                        const char *trust, struct err *err)
{
    const struct snapshot_header *header = snapshot_header(import->reader);
    bool joined = client_joined(import->kb);
    bool trusted = trust != NULL ? snapshot_fingerprint_is(trust, header->signer)
                                 : is_known(import, own, joined);
    return trusted ? 0 : not_trusted(import, trust, joined, err);
}

/* --- of which history --- */

static int check_history(const struct client_import *import, struct err *err)
{
    struct kb *kb = import->kb;
    struct replica_position position;
    const struct snapshot_header *header = snapshot_header(import->reader);
    int rc = replica_position(kb->replica, &position, err);
    if (rc != 0) {
        return rc;
    }
    if (!position.has_history) { /* joined, and never connected since */
        (void)pthread_mutex_lock(&kb->lock);
        position.has_history = kb->identity.device != 0;
        memcpy(position.history, kb->identity.history, HISTORY_SIZE);
        (void)pthread_mutex_unlock(&kb->lock);
    }
    if (!position.has_history || memcmp(position.history, header->history, HISTORY_SIZE) == 0) {
        return 0;
    }
    return err_set(err, E_HISTORY,
                   "'%.100s' is of another server than what this machine has, or of a time after "
                   "or before its server's data was put back: connect, and take a file that is "
                   "made then",
                   import->path);
}

/* --- the file --- */

static void begin_report(const struct client_import *import)
{
    const struct snapshot_header *header = snapshot_header(import->reader);
    struct kb_import_report *report = import->report;
    report->kind = (enum kb_snapshot_kind)header->kind;
    memcpy(report->name, header->name, sizeof report->name);
    snapshot_fingerprint(header->signer, report->signer);
    report->created_ms = header->created_ms;
    report->seq = header->kind == SNAPSHOT_SERVER ? header->seq : 0;
}

static int verify(const struct client_import *import, const struct sign_pair *own,
                  const char *password, struct err *err)
{
    uint8_t key[SNAPSHOT_KEY_SIZE];
    client_seal_key(own, key);
    struct snapshot_keys keys = {.password = span_str(password != NULL ? password : ""),
                                 .key = key};
    int rc = snapshot_verify(import->reader, &keys, err);
    key_wipe(key, sizeof key);
    if (rc == 0) {
        const struct snapshot_counts *counts = snapshot_counts(import->reader);
        import->report->bags = counts->bags;
        import->report->items = counts->items;
        import->report->left_out = counts->left_out;
    }
    return rc;
}

/* Who signed it is told before the rest is looked at: that is what a person has to compare. */
static int judge(const struct client_import *import, const struct kb_import_options *options,
                 struct err *err)
{
    struct sign_pair own;
    const struct snapshot_header *header = snapshot_header(import->reader);
    if (header->kind == SNAPSHOT_OUTBOX) {
        return err_set(err, E_INVALID,
                       "'%.100s' holds writes that wait to be sent: an administrator gives it to "
                       "the server ('kitbagctl import outbox')",
                       import->path);
    }
    begin_report(import);
    int rc = client_signer(import->kb, &own, err);
    rc = rc != 0 ? rc : check_signer(import, &own, options->trust, err);
    rc = rc != 0 ? rc : verify(import, &own, options->password, err);
    key_wipe(&own, sizeof own);
    return rc != 0 || header->kind == SNAPSHOT_MACHINE ? rc : check_history(import, err);
}

/* Two at a time would stage in one place; connected, all would come by itself. */
static int take_from_server(struct client_import *import, struct err *err)
{
    struct kb *kb = import->kb;
    (void)pthread_mutex_lock(&kb->control);
    (void)pthread_mutex_lock(&kb->lock);
    bool connected = kb->network != NULL && kb->live.connected;
    (void)pthread_mutex_unlock(&kb->lock);
    int rc = connected ? err_set(err, E_CONDITION,
                                 "this machine is connected: what is in a file of the server comes "
                                 "by itself. To take it all the same, stop synchronization first")
                       : 0;
    if (rc == 0) {
        struct err resumed = {0};
        bool halted = client_halt(kb);
        rc = client_import_server(import, err);
        if (halted && client_go_on(kb, &resumed) != 0 && rc == 0) {
            rc = err_set(err, resumed.code, "%s", resumed.text);
        }
    }
    (void)pthread_mutex_unlock(&kb->control);
    return rc;
}

static int import_file(struct client_import *import, const struct kb_import_options *options,
                       struct err *err)
{
    int fd = open(import->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* no FIFO */
    if (fd < 0) {
        return err_sys(err, "open", import->path);
    }
    int rc = snapshot_open(&import->reader, fd, import->path, err);
    rc = rc != 0 ? rc : judge(import, options, err);
    if (rc == 0) {
        rc = snapshot_header(import->reader)->kind == SNAPSHOT_SERVER
                 ? take_from_server(import, err)
                 : client_import_machine(import, err);
    }
    snapshot_close(&import->reader);
    (void)close(fd);
    return rc;
}

int kb_import(struct kb *kb, const char *path, const struct kb_import_options *options,
              struct kb_import_report *report, struct kb_error *error)
{
    ASSERT(kb != NULL && path != NULL);
    struct err err = {0};
    struct kb_import_report made = {0};
    const struct kb_import_options defaults = {.size = sizeof defaults};
    if (options == NULL) {
        options = &defaults;
    }
    struct client_import import = {
        .kb = kb, .path = path, .dry_run = options->dry_run, .report = &made};
    int rc = options->size == sizeof *options
                 ? import_file(&import, options, &err)
                 : err_set(&err, E_INVALID, "the options do not have the size of this version's");
    if (rc != 0) {
        err.code = rc;
        return client_fail(error, &err);
    }
    if (report != NULL) {
        *report = made;
    }
    return 0;
}
