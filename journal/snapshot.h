/* journal/snapshot.h - snapshot files (*.kitbag): bags or waiting operations, signed, and sealed
 * with a password if wished.
 *
 * Written once, from front to back, into any descriptor; verified whole (signature, checksums,
 * counts, sizes) before the first record is used. Memory is flat: one block of records at a time.
 * The bytes are described at the head of snapshot_format.c and in docs/snapshot-format.md.
 *
 * Keeps true:
 *   - What a reader hands out was covered by the signature, also when the file is changed while it
 *     is read: the end is told only when the bytes were those that were verified.
 *   - A block never unpacks to more than SNAPSHOT_BLOCK_MAX bytes, a file not to more than its
 *     reader allows.
 *   - Values of secret categories are in the file only when it is sealed.
 *
 * A writer or reader is its caller's alone; any thread. Calls block on the disk, and on scrypt
 * (about 0.2 s and 32 MiB) where there is a password.
 */
#ifndef KITBAG_JOURNAL_SNAPSHOT_H
#define KITBAG_JOURNAL_SNAPSHOT_H

#include "journal/apply.h"
#include "journal/operation.h"

enum {
    SNAPSHOT_KEY_SIZE = 32,    /* Ed25519 public key; also the key of a seal without password */
    SNAPSHOT_SECRET_SIZE = 64, /* Ed25519 secret key, as libsodium has it */
    SNAPSHOT_PROOF_SIZE = 32,
    SNAPSHOT_BLOCK_MAX = 4 << 20,
    SNAPSHOT_PASSWORD_MAX = 1024,  /* bytes; 1 at least */
    SNAPSHOT_FINGERPRINT_MAX = 96, /* "AB:CD:...": 32 bytes, with the NUL */
};

/* Numbers are on disk. */
enum snapshot_kind {
    SNAPSHOT_SERVER = 1,  /* bags as they were at the server at one seq */
    SNAPSHOT_MACHINE = 2, /* what a client machine held: comes back as new writes */
    SNAPSHOT_OUTBOX = 3,  /* what waits in a client machine's outbox, for the server */
};

/* What was chosen; bits, for people to read. */
enum snapshot_scope {
    SNAPSHOT_PERSONAL = 1, /* personal setting information */
    SNAPSHOT_GROUPS = 2,   /* user group address lists */
    SNAPSHOT_ALL = 4,      /* of everybody */
};

enum snapshot_sealing {
    SNAPSHOT_OPEN = 0,     /* anybody reads it; secret categories are left out */
    SNAPSHOT_PASSWORD = 1, /* AES-256-GCM under a key made of a password by scrypt */
    SNAPSHOT_KEY = 2,      /* the same under a key of the writer's own: for what stays with it */
};

/* Who made it, and of what. Readable without the password. Plain data. */
struct snapshot_header {
    enum snapshot_kind kind;
    uint64_t created_ms;               /* since 1970 */
    char name[256];                    /* of the server or machine, as people know it; may be "" */
    uint64_t device;                   /* MACHINE, OUTBOX: which one; 0: it never joined */
    uint8_t signer[SNAPSHOT_KEY_SIZE]; /* by the writer: the public half of the signing key */
    bool has_proof; /* that the device's own key vouches for `signer`: transport/keys.h */
    uint8_t proof[SNAPSHOT_PROOF_SIZE];
    bool has_history; /* SERVER: always. MACHINE, OUTBOX: when it ever heard of one */
    uint8_t history[HISTORY_SIZE];
    uint64_t seq; /* SERVER: all bags are as of this one. Else the newest that it saw */
    uint8_t hash[SHA256_SIZE]; /* chained hash of the journal at `seq`; zeros: not known */
    uint32_t scope;            /* enum snapshot_scope */
    uint64_t writer;           /* OUTBOX: whose operations they are */
    enum snapshot_sealing sealing;
};

/* What is in it. Known at the end of writing, and by a reader after snapshot_verify. */
struct snapshot_counts {
    uint64_t users, groups; /* bags of these kinds */
    uint64_t bags;          /* all */
    uint64_t items;         /* live ones */
    uint64_t removed;       /* tombstones, of differences */
    uint64_t left_out;      /* items that were not taken, secret ones and others */
    uint64_t secrets;       /* of these, the secret ones */
    uint64_t operations;
    uint64_t bytes;       /* of paths and values of live items, and of operations */
    struct digest digest; /* of all live items (journal/digest.h) */
};

/* A bag in it. */
struct snapshot_bag {
    struct owner owner; /* never OWNER_SERVER */
    uint64_t bag_id;    /* MACHINE: 0 when no server knows it */
    uint64_t parent;    /* of a user's bag on one device: the user's bag_id, when it is known */
    uint64_t last_seq;  /* MACHINE: the cursor, 0 when it is not known */
    bool differs;       /* a difference: what is newer than `since`, with tombstones */
    uint64_t since;
    /* Set by the reader in SNAPSHOT_BAG_END. */
    uint64_t items;       /* in the file, live ones */
    uint64_t left_out;    /* not in the file */
    uint64_t complete_to; /* all of the bag up to here is in the file: last_seq, or what came
                             before the oldest item that is not */
};

/* --- writing --- */

/* Of each item: does it go into the file? */
enum snapshot_choice {
    SNAPSHOT_TAKE,
    SNAPSHOT_SECRET, /* of a secret category: only when the file is sealed */
    SNAPSHOT_LEAVE,  /* of a category that is not exported */
};
typedef enum snapshot_choice snapshot_choose_fn(void *context, const struct owner *owner,
                                                struct span path);

/* All borrowed until snapshot_begin returned, but `context`, used until the end. */
struct snapshot_seal {
    const uint8_t *secret_key;  /* SNAPSHOT_SECRET_SIZE bytes */
    struct span password;       /* empty: none */
    const uint8_t *key;         /* SNAPSHOT_KEY_SIZE bytes to seal with; NULL: none */
    snapshot_choose_fn *choose; /* NULL: take everything */
    void *context;
};

struct snapshot_writer;

/* Begin a file at the descriptor's position (a pipe is fine too).
 *
 *   fd      borrowed until the end; not synced: whoever needs the file durable does that
 *   name    of the file, for sentences; copied
 *   header  kind, created_ms, name, device, proof, history, seq, hash, scope and writer are the
 *           caller's; signer and sealing are set here. Copied
 *
 * E_INVALID (a password that is too long), E_NOMEM, E_NOSPACE, E_IO, E_SYSTEM. */
MUST_CHECK int snapshot_begin(struct snapshot_writer **out, int fd, const char *name,
                              const struct snapshot_header *header,
                              const struct snapshot_seal *seal, struct err *err);

/* A bag begins; the one before has ended by it. Its items follow in strict order of their paths.
 * The fleet's bag, when it is to be in the file, comes first: its rules say how to read others.
 * Errors of this and the next two: E_NOMEM, E_NOSPACE, E_IO, E_SYSTEM; then only snapshot_abort. */
MUST_CHECK int snapshot_put_bag(struct snapshot_writer *writer, const struct snapshot_bag *bag,
                                struct err *err);
/* ITEM_LIVE; in a difference ITEM_TOMBSTONE too. The writer asks `choose` itself. */
MUST_CHECK int snapshot_put_item(struct snapshot_writer *writer, struct span path,
                                 const struct item_row *row, struct err *err);
/* Something of the bag at hand that is newer than `seq` is not put, and is none of what `choose`
 * tells of: items that a fence made void, or that were not in the file which this one is made of.
 * Whoever has the bag from this file then asks for what came since. */
void snapshot_complete_to(struct snapshot_writer *writer, uint64_t seq);
/* OUTBOX: one operation, in order of numbers; `bytes` as journal/operation.h has them. */
MUST_CHECK int snapshot_put_operation(struct snapshot_writer *writer, uint64_t number,
                                      struct span bytes, struct err *err);

/* Writes the end and the signature, and frees the writer, whatever comes of it. `counts` may be
 * NULL. */
MUST_CHECK int snapshot_end(struct snapshot_writer **writer, struct snapshot_counts *counts,
                            struct err *err);
/* Frees a writer whose file is to be thrown away. Accepts NULL. */
void snapshot_abort(struct snapshot_writer **writer);

/* --- reading --- */

struct snapshot_reader;

/* Read the header of a regular file; nothing of it is vouched for before snapshot_verify. `fd` is
 * borrowed until the close, `name` copied. E_MALFORMED (no snapshot, cut short, altered), E_FORMAT
 * (a newer version made it), E_IO, E_NOMEM. */
MUST_CHECK int snapshot_open(struct snapshot_reader **out, int fd, const char *name,
                             struct err *err);
const struct snapshot_header *snapshot_header(const struct snapshot_reader *reader);

/* What the caller brings. Borrowed for the call. */
struct snapshot_keys {
    struct span password; /* for SNAPSHOT_PASSWORD; empty: none */
    const uint8_t *key;   /* for SNAPSHOT_KEY; NULL: none */
    uint64_t bytes_max;   /* of all blocks unpacked; 0: SNAPSHOT_BYTES_MAX */
};
#define SNAPSHOT_BYTES_MAX (UINT64_C(64) << 30)

/* Read the whole file and check it: the signature by header.signer (whom the caller trusts, or
 * not), each checksum, each record, the counts and the digest. Memory stays flat. E_MALFORMED
 * (with what is wrong), E_SIGNATURE, E_PASSWORD, E_TOO_LARGE (it would unpack to more than is
 * allowed), E_FORMAT, E_PATH and E_NAME (of a record), E_IO, E_NOMEM. */
MUST_CHECK int snapshot_verify(struct snapshot_reader *reader, const struct snapshot_keys *keys,
                               struct err *err);
/* After snapshot_verify. */
const struct snapshot_counts *snapshot_counts(const struct snapshot_reader *reader);

enum snapshot_type {
    SNAPSHOT_BAG,       /* `bag`, without what only its end tells */
    SNAPSHOT_ITEM,      /* `bag`, `path`, `row` */
    SNAPSHOT_BAG_END,   /* `bag`, all of it */
    SNAPSHOT_OPERATION, /* `number`, `bytes` */
    SNAPSHOT_END,       /* and what was told is what was verified */
};
struct snapshot_record {
    enum snapshot_type type;
    const struct snapshot_bag *bag; /* borrowed until the next call, as is all the rest */
    struct span path;
    struct item_row row;
    uint64_t number;
    struct span bytes;
};
/* The next record; after snapshot_verify, which leaves the reader before the first one.
 * E_MALFORMED: the file was changed since, and what was told is to be thrown away. E_IO, E_NOMEM.
 */
MUST_CHECK int snapshot_next(struct snapshot_reader *reader, struct snapshot_record *out,
                             struct err *err);
/* Before the first record again. */
void snapshot_rewind(struct snapshot_reader *reader);
/* Wipes its keys. Accepts NULL. */
void snapshot_close(struct snapshot_reader **reader);

/* --- whose signature --- */

/* "AB:CD:..." of the SHA-256 of a signer's key: what people compare, and give with --trust. */
void snapshot_fingerprint(const uint8_t signer[SNAPSHOT_KEY_SIZE],
                          char out[SNAPSHOT_FINGERPRINT_MAX]);
/* Is this it? With or without colons, any case. */
bool snapshot_fingerprint_is(const char *text, const uint8_t signer[SNAPSHOT_KEY_SIZE]);

#endif
