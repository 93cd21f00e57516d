/* server/manifest.h - what a backup is, and what it consists of: the file manifest.json in it.
 *
 *   {"format": 1, "server", "version", "time_ms", "history", "seq", "hash", "floor", "users",
 *    "groups", "items", "removals", "files": [{"path", "size", "sha256", "source"}], "digest"}
 *
 *   server    the server's public signing key: whose backup it is, over all histories
 *   history, seq, hash   the position that it brings back; floor: the first change it holds
 *   users, groups, items   how many there were
 *   removals  the name of the file beside the backup's folder that tells what was removed since
 *   source    what the file was linked or copied from, "inode-mtime" of one that never changes;
 *             "" of others. An equal one of the next backup has the same content
 *   digest    SHA-256 over all of this but itself, so that damage to the manifest is noticed
 *
 * Numbers that may be large are strings. A backup is whole when its manifest is there: it is
 * written last, before the backup gets its name.
 */
#ifndef KITBAG_SERVER_MANIFEST_H
#define KITBAG_SERVER_MANIFEST_H

#include <limits.h>

#include "base/hash.h"
#include "journal/lineage.h"
#include "transport/keys.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_SOURCE_MAX = 48,
    MANIFEST_VERSION_MAX = 64,
    MANIFEST_FILES_MAX = 1000000,
};
#define MANIFEST_NAME     "manifest.json"
#define MANIFEST_REMOVALS "removals"

struct manifest_file {
    char *path; /* "journal/00000000000000000001.kbj"; owned */
    uint64_t size;
    uint8_t sha256[SHA256_SIZE];
    char source[MANIFEST_SOURCE_MAX];
};

/* Zeroed before its first use; freed by manifest_free. */
struct manifest {
    uint8_t server[KEY_SIZE];
    char version[MANIFEST_VERSION_MAX];
    uint64_t time_ms;
    uint8_t history[HISTORY_SIZE];
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    uint64_t floor;
    uint64_t users;
    uint64_t groups;
    uint64_t items;
    struct manifest_file *files;
    size_t count;
    size_t capacity;
};

void manifest_free(struct manifest *manifest);

/* One more file, without what is told of it: a pointer that lives until the next call. Files are
 * added in order of their paths. E_NOMEM. */
MUST_CHECK int manifest_add(struct manifest *manifest, const char *path, struct manifest_file **out,
                            struct err *err);
/* NULL: there is none. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path);
uint64_t manifest_bytes(const struct manifest *manifest); /* of all files */

/* Write DIR/manifest.json, durable. E_NOMEM, E_NOSPACE, E_IO... */
MUST_CHECK int manifest_write(const struct manifest *manifest, const char *dir, struct err *err);
/* Read it. E_NOT_FOUND (the folder holds none: it is no backup, or not a whole one), E_CORRUPT,
 * E_FORMAT (a newer program made it); each names the file. Paths were looked at: none leads out of
 * the backup. */
MUST_CHECK int manifest_read(struct manifest *out, const char *dir, struct err *err);

#endif
