/* tests/client/file_samples.h - snapshot files in a folder, made by a server of the test's own. */
#ifndef KITBAG_TESTS_CLIENT_FILE_SAMPLES_H
#define KITBAG_TESTS_CLIENT_FILE_SAMPLES_H

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/kb_files.h"
#include "tests/client/kb_samples.h"

#define FILE_HISTORY "0123456789abcde"
#define FILE_SECRET  "secret/"

/* `who`: each number is another server. */
static inline struct sign_pair file_signer(uint8_t who)
{
    struct sign_pair pair;
    const uint8_t seed[32] = {who};
    assert_int_equal(crypto_sign_seed_keypair(pair.public_key, pair.secret_key, seed), 0);
    return pair;
}

static inline void file_fingerprint(uint8_t who, char out[SNAPSHOT_FINGERPRINT_MAX])
{
    struct sign_pair pair = file_signer(who);
    snapshot_fingerprint(pair.public_key, out);
}

/* A file being written at "<folder>/people.kitbag". */
struct file {
    char path[TMP_FOLDER_MAX];
    int fd;
    struct snapshot_writer *writer;
};

struct file_form {
    uint8_t who;
    enum snapshot_kind kind;
    uint64_t seq;
    const char *password;
    const char *history; /* NULL: FILE_HISTORY */
};

static inline enum snapshot_choice file_choose(void *context, const struct owner *owner,
                                               struct span path)
{
    (void)context;
    (void)owner;
    size_t size = sizeof FILE_SECRET - 1;
    return path.size > size && memcmp(path.data, FILE_SECRET, size) == 0 ? SNAPSHOT_SECRET
                                                                         : SNAPSHOT_TAKE;
}

static inline void file_begin(struct file *file, const char *folder, struct file_form form)
{
    struct sign_pair signer = file_signer(form.who);
    struct snapshot_header header = {.kind = form.kind != 0 ? form.kind : SNAPSHOT_SERVER,
                                     .created_ms = 1700000000000,
                                     .name = "the server",
                                     .has_history = true,
                                     .seq = form.seq != 0 ? form.seq : 1000};
    const char *history = form.history != NULL ? form.history : FILE_HISTORY;
    memcpy(header.history, history, HISTORY_SIZE);
    memset(header.hash, 0xbb, sizeof header.hash);
    tmp_folder_path(file->path, folder, "people.kitbag");
    (void)unlink(file->path);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file->fd >= 0);
    const struct snapshot_seal seal = {.secret_key = signer.secret_key,
                                       .password =
                                           span_str(form.password != NULL ? form.password : ""),
                                       .choose = file_choose};
    assert_int_equal(snapshot_begin(&file->writer, file->fd, file->path, &header, &seal, NULL), 0);
}

static inline void file_bag(struct file *file, const char *owner, uint64_t bag_id,
                            uint64_t last_seq)
{
    struct snapshot_bag bag = {.bag_id = bag_id, .last_seq = last_seq};
    assert_int_equal(owner_parse(&bag.owner, owner, NULL), 0);
    assert_int_equal(snapshot_put_bag(file->writer, &bag, NULL), 0);
}

static inline void file_item(struct file *file, const char *path, uint64_t seq, const char *value)
{
    struct item_row row = {
        .state = ITEM_LIVE, .seq = seq, .time_ms = seq, .value = span_str(value)};
    assert_int_equal(snapshot_put_item(file->writer, span_str(path), &row, NULL), 0);
}

static inline void file_end(struct file *file)
{
    assert_int_equal(snapshot_end(&file->writer, NULL, NULL), 0);
    assert_int_equal(close(file->fd), 0);
}

/* Ann with two items and a secret, Bo with one, the group sales. */
static inline void file_of_people(struct file *file, const char *folder, struct file_form form)
{
    file_begin(file, folder, form);
    file_bag(file, "user:Ann", 7, 900);
    file_item(file, "@group/sales", 8, "Sales");
    file_item(file, "copy", 800, "two sides");
    file_item(file, "fax", 900, "fine");
    file_item(file, FILE_SECRET "key", 600, "hunter2");
    file_bag(file, "group:Sales", 11, 500);
    file_item(file, "address-list/group/1", 500, "Bo");
    file_bag(file, "user:Bo", 12, 13);
    file_item(file, "copy", 13, "one side");
    file_end(file);
}

static inline int take_file(struct machine *machine, const char *path, const char *trust,
                            struct kb_import_report *report, struct kb_error *error)
{
    struct kb_import_options options = {.size = sizeof options, .trust = trust};
    return kb_import(machine->kb, path, &options, report, error);
}

/* What the machine is when it has joined the server `who`, and is stopped. */
static inline void machine_of(struct machine *machine, uint8_t who)
{
    char path[TMP_FOLDER_MAX];
    struct sign_pair signer = file_signer(who);
    struct identity identity = {.has_keys = true,
                                .device = 5,
                                .history = FILE_HISTORY,
                                .address_count = 1,
                                .addresses = {"127.0.0.1:1"},
                                .name = "Printer"};
    const uint8_t secret[KEY_SIZE] = {who, 1};
    struct key_pair server;
    key_pair_make(&identity.keys);
    key_pair_of_secret(&server, secret);
    memcpy(identity.server_key, server.public_key, KEY_SIZE);
    memcpy(identity.signing_key, signer.public_key, KEY_SIZE);
    kb_close(&machine->kb);
    tmp_folder_path(path, machine->dir, "identity");
    assert_int_equal(identity_store(&identity, path, NULL), 0);
    machine_open(machine);
}

#endif
