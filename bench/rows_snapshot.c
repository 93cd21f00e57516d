/* bench/rows_snapshot.c - snapshot files: written as an export would, verified, taken by a machine.
 *
 * Files lie in the system's page cache: what is measured is our work and the replica's syncs.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "client/include/kitbag.h"
#include "journal/snapshot.h"

enum { PEOPLE = 500, VALUES = 256 };

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        bench_fail(err->text, NULL);
    }
}

/* Half of each is random, as settings are: names, numbers, and the same words again and again. */
static void make_values(char values[VALUES][VALUE_BYTES + 1])
{
    uint8_t bytes[VALUE_BYTES / 4];
    for (size_t i = 0; i < VALUES; i++) {
        memset(values[i], ' ', VALUE_BYTES);
        memcpy(values[i], "{\"name\":\"", 9);
        random_bytes(bytes, sizeof bytes);
        hex_encode(bytes, sizeof bytes, values[i] + 9);
        values[i][9 + 2 * sizeof bytes] = '"';
        values[i][VALUE_BYTES] = '\0';
    }
}

static void put_people(struct snapshot_writer *writer, size_t items, uint64_t *seq)
{
    static char values[VALUES][VALUE_BYTES + 1];
    struct err err = {0};
    char text[48];
    make_values(values);
    for (uint64_t person = 0; person < PEOPLE; person++) {
        struct snapshot_bag bag = {.bag_id = 1 + person, .last_seq = PEOPLE + items * PEOPLE};
        (void)snprintf(text, sizeof text, "user:person.%d", (int)person);
        must(owner_parse(&bag.owner, text, &err), &err);
        must(snapshot_put_bag(writer, &bag, &err), &err);
        for (size_t i = 0; i < items; i++) {
            struct item_row row = {.state = ITEM_LIVE, .seq = ++*seq, .time_ms = 1700000000000};
            row.value = span_of(values[(i + person) % VALUES], VALUE_BYTES);
            (void)snprintf(text, sizeof text, "address-list/personal/%06zu", i);
            must(snapshot_put_item(writer, span_str(text), &row, &err), &err);
        }
    }
}

static void write_row(const char *path, const char *password, size_t items, const char *name,
                      char fingerprint[SNAPSHOT_FINGERPRINT_MAX])
{
    struct err err = {0};
    struct snapshot_counts counts;
    struct snapshot_writer *writer = NULL;
    uint8_t public_key[SNAPSHOT_KEY_SIZE];
    uint8_t secret[SNAPSHOT_SECRET_SIZE];
    char note[64];
    uint64_t seq = PEOPLE;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || crypto_sign_keypair(public_key, secret) != 0) {
        bench_fail("a snapshot can't be made", NULL);
    }
    snapshot_fingerprint(public_key, fingerprint);
    struct snapshot_header header = {.kind = SNAPSHOT_SERVER,
                                     .name = "bench",
                                     .has_history = true,
                                     .history = "bench",
                                     .seq = PEOPLE + items * PEOPLE};
    const struct snapshot_seal seal = {.secret_key = secret,
                                       .password = span_str(password != NULL ? password : "")};
    uint64_t begin = clock_mono_ns();
    must(snapshot_begin(&writer, fd, path, &header, &seal, &err), &err);
    put_people(writer, items, &seq);
    must(snapshot_end(&writer, &counts, &err), &err);
    double speed = rate(counts.items, begin);
    off_t size = lseek(fd, 0, SEEK_END);
    (void)close(fd);
    (void)snprintf(note, sizeof note, "%llu items, %.0f MB of %.0f",
                   (unsigned long long)counts.items, (double)size / 1e6,
                   (double)counts.bytes / 1e6);
    row_print(name, speed, "/s", TARGET_AT_LEAST, 300000, note);
}

static void verify_row(const char *path)
{
    struct err err = {0};
    struct snapshot_reader *reader = NULL;
    struct snapshot_keys keys = {0};
    struct snapshot_record record = {.type = SNAPSHOT_BAG};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        bench_fail("a snapshot can't be read", NULL);
    }
    uint64_t begin = clock_mono_ns();
    must(snapshot_open(&reader, fd, path, &err), &err);
    must(snapshot_verify(reader, &keys, &err), &err);
    uint64_t items = snapshot_counts(reader)->items;
    double verified = rate(items, begin);
    while (record.type != SNAPSHOT_END) {
        must(snapshot_next(reader, &record, &err), &err);
    }
    row_print("snapshot: verified", verified, "/s", TARGET_NONE, 0, "");
    row_print("snapshot: verified, then read", rate(items, begin), "/s", TARGET_AT_LEAST, 300000,
              "");
    snapshot_close(&reader);
    (void)close(fd);
}

static void import_row(struct bench *bench, const char *path, const char *fingerprint)
{
    char dir[160];
    char note[64];
    struct kb *kb = NULL;
    struct kb_error error = {0};
    struct kb_import_report report;
    (void)snprintf(dir, sizeof dir, "%s/imports", bench->server.dir);
    struct kb_options options = {.size = sizeof options, .data_dir = dir};
    struct kb_import_options import = {.size = sizeof import, .trust = fingerprint};
    if (kb_open(&kb, &options, &error) != 0) {
        bench_fail(error.text, NULL);
    }
    uint64_t begin = clock_mono_ns();
    if (kb_import(kb, path, &import, &report, &error) != 0) {
        bench_fail(error.text, NULL);
    }
    double speed = rate(report.items_taken, begin);
    (void)snprintf(note, sizeof note, "%.1f s", (double)report.items_taken / speed);
    row_print("snapshot: verified, and taken by a machine", speed, "/s", TARGET_AT_LEAST, 300000,
              note);
    kb_close(&kb);
}

void rows_snapshot(struct bench *bench)
{
    char path[160];
    char fingerprint[SNAPSHOT_FINGERPRINT_MAX];
    size_t items = bench->quick ? 200 : 2000;
    (void)snprintf(path, sizeof path, "%s/people.kitbag", bench->server.dir);
    write_row(path, "correct horse", items, "snapshot: written, signed and sealed", fingerprint);
    write_row(path, NULL, items, "snapshot: written and signed, 500 people", fingerprint);
    verify_row(path);
    import_row(bench, path, fingerprint);
    (void)unlink(path);
}
