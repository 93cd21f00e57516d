/* tests/journal/snapshot_samples.h - snapshot files for tests, in memory. */
#ifndef KITBAG_TESTS_JOURNAL_SNAPSHOT_SAMPLES_H
#define KITBAG_TESTS_JOURNAL_SNAPSHOT_SAMPLES_H

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/snapshot_seal.h"

#define SAMPLE_NAME "people.kitbag"

static const uint8_t SAMPLE_SEED[32] = {1, 2, 3, 4, 5};

/* The public half is the signer of samples. */
static inline void sample_keys(uint8_t public_key[32], uint8_t secret[64])
{
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret, SAMPLE_SEED), 0);
}

static inline struct snapshot_header sample_header(enum snapshot_kind kind)
{
    struct snapshot_header header = {.kind = kind,
                                     .created_ms = 1700000000123,
                                     .name = "the server",
                                     .has_history = true,
                                     .history = "0123456789abcde",
                                     .seq = 1000,
                                     .scope = SNAPSHOT_PERSONAL | SNAPSHOT_GROUPS};
    memset(header.hash, 0xbb, sizeof header.hash);
    if (kind != SNAPSHOT_SERVER) {
        header.device = 5;
        header.writer = 77;
    }
    return header;
}

static inline struct snapshot_bag sample_bag(const char *text, uint64_t bag_id, uint64_t last_seq)
{
    struct snapshot_bag bag = {.bag_id = bag_id, .last_seq = last_seq};
    assert_int_equal(owner_parse(&bag.owner, text, NULL), 0);
    return bag;
}

static inline struct item_row sample_row(uint64_t seq, const char *value)
{
    return (struct item_row){.state = ITEM_LIVE,
                             .seq = seq,
                             .time_ms = 1700000000000 + seq,
                             .origin = 5,
                             .value = span_str(value)};
}

static inline int sample_fd(void)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Is it below "secret/" or "left/"? */
static inline enum snapshot_choice sample_choose(void *context, const struct owner *owner,
                                                 struct span path)
{
    (void)context;
    (void)owner;
    return path.size > 7 && memcmp(path.data, "secret/", 7) == 0 ? SNAPSHOT_SECRET
           : path.size > 5 && memcmp(path.data, "left/", 5) == 0 ? SNAPSHOT_LEAVE
                                                                 : SNAPSHOT_TAKE;
}

static inline struct snapshot_writer *sample_begin(int fd, const struct snapshot_header *header,
                                                   const char *password)
{
    uint8_t public_key[32];
    uint8_t secret[64];
    struct snapshot_writer *writer = NULL;
    sample_keys(public_key, secret);
    struct snapshot_seal seal = {.secret_key = secret, .choose = sample_choose};
    seal.password = password != NULL ? span_str(password) : (struct span){NULL, 0};
    assert_int_equal(snapshot_begin(&writer, fd, SAMPLE_NAME, header, &seal, NULL), 0);
    return writer;
}

static inline void sample_put(struct snapshot_writer *writer, const char *path, uint64_t seq,
                              const char *value)
{
    struct item_row row = sample_row(seq, value);
    assert_int_equal(snapshot_put_item(writer, span_str(path), &row, NULL), 0);
}

/* Two people and a group: five items, a secret, and one of a category that is not exported. */
static inline struct snapshot_counts sample_write(int fd, const char *password)
{
    struct snapshot_header header = sample_header(SNAPSHOT_SERVER);
    struct snapshot_writer *writer = sample_begin(fd, &header, password);
    struct snapshot_counts counts;
    struct snapshot_bag bag = sample_bag("user:Ann", 7, 900);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    sample_put(writer, "copy/default", 800, "two sides");
    sample_put(writer, "fax", 9, "");
    sample_put(writer, "left/timeline", 850, "yesterday");
    sample_put(writer, "secret/key", 600, "hunter2");
    bag = sample_bag("group:sales", 11, 500);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    sample_put(writer, "address-list/group/1", 500, "{\"name\":\"Bo\"}");
    bag = sample_bag("user:Änn", 12, 1000);
    assert_int_equal(snapshot_put_bag(writer, &bag, NULL), 0);
    sample_put(writer, "a", 20, "1");
    sample_put(writer, "a/b", 1000, "2");
    assert_int_equal(snapshot_end(&writer, &counts, NULL), 0);
    assert_null(writer);
    return counts;
}

static inline size_t sample_size(int fd)
{
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    return (size_t)info.st_size;
}

/* To be freed. */
static inline uint8_t *sample_bytes(int fd, size_t *size)
{
    *size = sample_size(fd);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, *size, 0), *size);
    return bytes;
}

/* `fd` holds these bytes from now on. */
static inline void sample_set(int fd, const uint8_t *bytes, size_t size)
{
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
}

/* Opens, verifies, closes; the code of what failed. */
static inline int sample_judge(int fd, const struct snapshot_keys *keys, struct err *err)
{
    struct snapshot_reader *reader = NULL;
    int rc = snapshot_open(&reader, fd, SAMPLE_NAME, err);
    rc = rc != 0 ? rc : snapshot_verify(reader, keys, err);
    snapshot_close(&reader);
    return rc;
}

#endif
