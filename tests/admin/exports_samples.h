/* tests/admin/exports_samples.h - exports of a fake server, with a time of the test's own. */
#ifndef KITBAG_TESTS_ADMIN_EXPORTS_SAMPLES_H
#define KITBAG_TESTS_ADMIN_EXPORTS_SAMPLES_H

#include "tests/admin/fake_backend.h"

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/exports.h"

enum { SAMPLE_KEEP_MS = 900000, SAMPLE_TEXT_MAX = 64 << 10 };

static struct {
    struct fake_backend fake;
    struct admin_exports *exports;
    struct clock_fake time;
    struct clock clock;
    uint8_t public_key[SNAPSHOT_KEY_SIZE];
    uint8_t secret_key[SNAPSHOT_SECRET_SIZE];
    char dir[TMP_FOLDER_MAX];
    char text[SAMPLE_TEXT_MAX]; /* what was read last */
} sample;

static inline void sample_put_category(const char *path, bool exported, bool secret)
{
    char item[128];
    struct category row = {.path = path,
                           .path_size = strlen(path),
                           .exported = exported,
                           .secret = secret,
                           .title = "t",
                           .title_ja = "t"};
    struct buf value;
    buf_init(&value, 1024);
    sharing_put_category(&value, &row);
    (void)snprintf(item, sizeof item, SHARING_CATEGORY "%s", path);
    struct operation_write write = {.path = span_str(item), .value = buf_span(&value)};
    struct submit submit = {.kind = SUBMIT_WRITE,
                            .create = true,
                            .actor = "admin",
                            .owner = {.kind = OWNER_FLEET},
                            .writes = &write,
                            .write_count = 1};
    assert_int_equal(fake_submit(&sample.fake, &submit, 1, NULL), 0);
    assert_int_equal(submit.code, 0);
    buf_free(&value);
}

/* Ann and Bob, the group "sales", and a catalogue with what is secret and what is not exported. */
static inline void sample_people(void)
{
    sample_put_category("keychain", true, true);
    sample_put_category("copy/previous", false, false);
    (void)fake_put(&sample.fake, "user:Ann", "copy/default", "2-sided");
    (void)fake_put(&sample.fake, "user:Ann", "copy/previous/1", "draft");
    (void)fake_put(&sample.fake, "user:Ann", "keychain/mail", "ann's secret");
    (void)fake_put(&sample.fake, "user:Ann", "address-list/personal/bob",
                   "{\"name\":\"Bob\",\"kana\":\"\",\"mail\":[\"bob@example.org\"],\"fax\":[],"
                   "\"telephone\":[\"+49 30 1\"],\"organization\":\"\",\"department\":\"\","
                   "\"title\":\"\"}");
    (void)fake_put(&sample.fake, "user:Bob", "language", "en");
    (void)fake_put(&sample.fake, "group:sales", "address-list/group/zoe", "{\"name\":\"Zoe\"}");
}

static inline struct admin_exports_options sample_options(void)
{
    return (struct admin_exports_options){.dir = sample.dir,
                                          .name = "kitbag.example.org",
                                          .secret_key = sample.secret_key,
                                          .clock = &sample.clock,
                                          .keep_ms = SAMPLE_KEEP_MS,
                                          .users_max = 3,
                                          .groups_max = 1,
                                          .settle_ms = 10};
}

static inline int sample_open(void **state)
{
    (void)state;
    fake_open(&sample.fake);
    sample.time.wall_ms = 1700000000000;
    sample.time.mono_ms = 1000;
    sample.clock = clock_of_fake(&sample.time);
    assert_int_equal(crypto_sign_keypair(sample.public_key, sample.secret_key), 0);
    tmp_folder_path(sample.dir, sample.fake.folder, "exports");
    const struct admin_exports_options options = sample_options();
    assert_int_equal(admin_exports_start(&sample.exports, &options, NULL), 0);
    sample_people();
    return 0;
}

static inline int sample_close(void **state)
{
    (void)state;
    admin_exports_stop(&sample.exports);
    assert_null(sample.exports);
    fake_close(&sample.fake);
    return 0;
}

#define EXPORTS_TEST(test) cmocka_unit_test_setup_teardown(test, sample_open, sample_close)

/* "user:ann group:sales"; "": all. */
static inline int sample_prepare(const char *names, struct admin_export_order *order,
                                 struct admin_export *out, struct err *err)
{
    static struct owner owners[16];
    char text[256];
    char *rest = NULL;
    order->owners = owners;
    order->owner_count = 0;
    order->all = names[0] == '\0';
    order->actor = "admin";
    (void)snprintf(text, sizeof text, "%s", names);
    for (char *name = strtok_r(text, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        assert_int_equal(owner_parse(&owners[order->owner_count++], name, NULL), 0);
    }
    return admin_exports_prepare(sample.exports, &sample.fake.backend, order, out, err);
}

/* Both kinds, without a password. */
static inline struct admin_export sample_prepared(const char *names)
{
    struct admin_export_order order = {.form = {.personal = true, .groups = true}};
    struct admin_export out;
    struct err err = {0};
    if (sample_prepare(names, &order, &out, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return out;
}

/* What is in a snapshot file, "user:Ann copy/default=2-sided user:Bob language=en" (bags that are
 * differences with "+"), without the fleet's; into sample.text. */
static inline const char *sample_read_snapshot(int fd, const char *password)
{
    struct snapshot_reader *reader = NULL;
    struct err err = {0};
    const struct snapshot_keys keys = {.password = span_str(password)};
    if (snapshot_open(&reader, fd, "the test's file", &err) != 0 ||
        snapshot_verify(reader, &keys, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_memory_equal(snapshot_header(reader)->signer, sample.public_key, SNAPSHOT_KEY_SIZE);
    struct snapshot_record record = {0};
    size_t used = 0;
    sample.text[0] = '\0';
    while (record.type != SNAPSHOT_END) {
        assert_int_equal(snapshot_next(reader, &record, &err), 0);
        char *at = sample.text + used;
        size_t room = sizeof sample.text - used;
        char owner[OWNER_TEXT_MAX];
        if (record.type == SNAPSHOT_END || record.bag->owner.kind == OWNER_FLEET) {
            continue;
        }
        if (record.type == SNAPSHOT_BAG) {
            owner_format(&record.bag->owner, owner);
            (void)snprintf(at, room, "%s%s%s", used > 0 ? " " : "", owner,
                           record.bag->differs ? "+" : "");
        } else if (record.type == SNAPSHOT_ITEM) {
            bool live = record.row.state == ITEM_LIVE;
            (void)snprintf(at, room, " %.*s%s%.*s", (int)record.path.size,
                           (const char *)record.path.data, live ? "=" : " removed",
                           (int)record.row.value.size,
                           live ? (const char *)record.row.value.data : "");
        }
        used += strlen(at);
    }
    snapshot_close(&reader);
    return sample.text;
}

static inline const char *sample_snapshot(const char *id, const char *password)
{
    struct admin_export export;
    int fd = -1;
    assert_int_equal(admin_exports_open(sample.exports, id, &export, &fd, NULL), 0);
    (void)sample_read_snapshot(fd, password);
    (void)close(fd);
    return sample.text;
}

/* A list as text, into sample.text. */
static inline const char *sample_list(const char *id, bool group, enum admin_format format)
{
    static atomic_bool given_up;
    uint64_t count = 0;
    uint64_t size = 0;
    int fd = -1;
    struct err err = {0};
    const struct admin_export_lists lists = {
        .group = group, .format = format, .given_up = &given_up, .addresses = &count};
    if (admin_exports_addresses(sample.exports, id, &lists, &fd, &size, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_true(size < sizeof sample.text);
    assert_int_equal(pread(fd, sample.text, size, 0), size);
    sample.text[size] = '\0';
    (void)close(fd);
    return sample.text;
}

#endif
