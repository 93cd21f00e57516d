/* tests/fuzz/fuzz_client_replica.c - bytes of a replica's file that nobody vouches for.
 *
 * The first byte of the input chooses:
 *
 *   0  the rest is a bag's record, behind its checksum: what is decoded is a bag within the limits
 *   1  the rest is an item's record
 *   2  the rest is a list of changes to a good file (place in 3 bytes, value in 1), which is then
 *      checked like before it is given to LMDB: whole, or damaged, and said so
 */
#include <string.h>

#include "base/file.h"
#include "client/replica_check.h"
#include "client/replica_inside.h"
#include "tests/fuzz/file.h"

enum { MAP_BYTES = 1 << 24, MODES = 3 };

static const char *const tables[TABLES] = {"meta", "bags", "names", "ids", "items", "stage"};

/* --- records --- */

static void check_bag(struct span bytes)
{
    struct replica_bag bag;
    if (!replica_bag_decode(bytes, &bag)) {
        return;
    }
    FUZZ_CHECK(owner_kind_known((uint64_t)bag.owner.kind));
    FUZZ_CHECK(memchr(bag.owner.shown, '\0', sizeof bag.owner.shown) != NULL);
    FUZZ_CHECK(memchr(bag.owner.folded, '\0', sizeof bag.owner.folded) != NULL);
    FUZZ_CHECK(bag.copy <= 1);
    struct record_key key = replica_key_owner(&bag.owner);
    FUZZ_CHECK(key.size <= sizeof key.bytes);
}

static void check_item(struct span bytes)
{
    struct item_row row;
    if (replica_record_item(bytes, &row)) {
        FUZZ_CHECK(row.state == ITEM_LIVE || row.state == ITEM_TOMBSTONE);
        FUZZ_CHECK(row.value.size + ITEM_HEADER == bytes.size);
        FUZZ_CHECK(row.value.size == 0 ||
                   row.value.data + row.value.size == bytes.data + bytes.size);
    }
}

/* --- a file --- */

static void fill(struct replica *replica)
{
    static const uint8_t hash[SHA256_SIZE];
    struct replica_bag bag = {.bag_id = 40, .cursor = 40, .complete = true, .keep = true};
    FUZZ_CHECK(owner_make(&bag.owner, OWNER_USER, span_str("Ann"), 0, NULL) == 0);
    FUZZ_CHECK(replica_bag_add(replica, &bag, NULL) == 0);
    for (uint64_t seq = 41; seq < 141; seq++) {
        char path[32];
        uint64_t bad = 0;
        (void)snprintf(path, sizeof path, "item/%03d", (int)(seq * 37 % 100));
        static const char value[6000] = "long";
        struct change change = {.seq = seq,
                                .kind = CHANGE_ITEM_SET,
                                .bag_id = 40,
                                .prev = seq - 1,
                                .path = span_str(path),
                                .value = span_of(value, seq % 10 == 0 ? sizeof value : 60)};
        FUZZ_CHECK(replica_apply(replica, &change, 1, seq, hash, &bad, NULL, NULL, NULL) == 0);
    }
}

/* A replica's file as it should be, made once. */
static const struct buf *good_file(void)
{
    static struct buf good;
    char folder[] = "/tmp/kitbag-fuzz-XXXXXX";
    char path[64];
    struct replica *replica = NULL;
    if (good.size > 0) {
        return &good;
    }
    buf_init(&good, MAP_BYTES);
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    FUZZ_CHECK(replica_open(&replica, folder, MAP_BYTES, NULL) == 0);
    fill(replica);
    replica_close(&replica);
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    FUZZ_CHECK(file_read(path, &good, NULL) == 0);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    FUZZ_CHECK(rmdir(folder) == 0);
    return &good;
}

/* Where a change of the list is made. */
static size_t place_of(const uint8_t change[4], const struct buf *good)
{
    return ((size_t)change[0] << 16 | (size_t)change[1] << 8 | change[2]) % good->size;
}

static void check_file(struct span changes)
{
    static char path[64];
    static uint8_t *bytes; /* of the file: the good ones, between two inputs */
    const struct buf *good = good_file();
    if (bytes == NULL) {
        int fd = fuzz_file(good->data, good->size);
        bytes = mmap(NULL, good->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        FUZZ_CHECK(bytes != MAP_FAILED);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    for (size_t i = 0; i + 4 <= changes.size; i += 4) {
        bytes[place_of(changes.data + i, good)] = changes.data[i + 3];
    }
    struct err err = {0};
    int rc = replica_check_file(path, tables, TABLES, &err);
    for (size_t i = 0; i + 4 <= changes.size; i += 4) {
        size_t place = place_of(changes.data + i, good);
        bytes[place] = good->data[place];
    }
    FUZZ_CHECK(rc == 0 || (rc == E_CORRUPT && err.text[0] != '\0'));
    FUZZ_CHECK(changes.size >= 4 || rc == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct span rest = span_of(data + 1, size - 1);
    switch (data[0] % MODES) {
    case 0:
        check_bag(rest);
        break;
    case 1:
        check_item(rest);
        break;
    default:
        check_file(rest);
        break;
    }
    return 0;
}
