/* tests/fuzz/fuzz_server_records.c - items of the server's bag: devices and join tokens as JSON.
 *
 * The input is [kind, size of path, path, value]: kind 0 is a device and 1 a token under a good
 * path (there is no path in the input then), 2 any path. Whatever it is: reading says 0 or
 * E_MALFORMED with a sentence; what was read is within the limits, and written again it is read as
 * the same. The registry, which follows such items, counts a device that can be read and no other,
 * and forgets it when the item is removed.
 */
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "server/registry.h"
#include "tests/fuzz/fuzz.h"

enum { KINDS = 3, JSON_MAX = 64 << 10, BAG = 1 };

static const uint64_t device_id = 7;

static bool ends(const char *text, size_t size)
{
    return strnlen(text, size) < size;
}

static bool check_device(struct span path, struct span value)
{
    struct device_record record;
    struct device_record again;
    struct err err = {0};
    struct buf out;
    int rc = record_get_device(&record, path, value, &err);
    FUZZ_CHECK(rc == 0 || (rc == E_MALFORMED && err.text[0] != '\0'));
    if (rc != 0) {
        return false;
    }
    FUZZ_CHECK(ends(record.name, sizeof record.name) && ends(record.serial, sizeof record.serial));
    FUZZ_CHECK(ends(record.model, sizeof record.model));
    FUZZ_CHECK(ends(record.software, sizeof record.software));
    buf_init(&out, JSON_MAX);
    record_put_device(&out, &record);
    FUZZ_CHECK(buf_error(&out) == 0);
    FUZZ_CHECK(record_get_device(&again, path, buf_span(&out), &err) == 0);
    FUZZ_CHECK(again.id == record.id && again.removed == record.removed);
    FUZZ_CHECK(again.mirror == record.mirror && again.keep == record.keep);
    FUZZ_CHECK(again.joined_ms == record.joined_ms);
    FUZZ_CHECK(memcmp(again.key, record.key, KEY_SIZE) == 0);
    FUZZ_CHECK(strcmp(again.name, record.name) == 0 && strcmp(again.serial, record.serial) == 0);
    FUZZ_CHECK(strcmp(again.model, record.model) == 0);
    FUZZ_CHECK(strcmp(again.software, record.software) == 0);
    buf_free(&out);
    return !record.removed;
}

static void check_token(struct span path, struct span value)
{
    struct token_record record;
    struct token_record again;
    struct err err = {0};
    struct buf out;
    int rc = record_get_token(&record, path, value, &err);
    FUZZ_CHECK(rc == 0 || (rc == E_MALFORMED && err.text[0] != '\0'));
    if (rc != 0) {
        return;
    }
    buf_init(&out, JSON_MAX);
    record_put_token(&out, &record);
    FUZZ_CHECK(buf_error(&out) == 0);
    FUZZ_CHECK(record_get_token(&again, path, buf_span(&out), &err) == 0);
    FUZZ_CHECK(again.used == record.used && again.device == record.device);
    FUZZ_CHECK(again.expires_ms == record.expires_ms);
    buf_free(&out);
}

static void follow(struct span path, struct span value, bool is_device)
{
    struct registry *registry = NULL;
    struct change change = {.kind = CHANGE_ITEM_SET, .bag_id = BAG, .path = path, .value = value};
    FUZZ_CHECK(registry_new(&registry) == 0);
    registry_apply(registry, &change, BAG);
    FUZZ_CHECK(registry_devices(registry) == is_device);
    registry_apply(registry, &change, BAG); /* the same again is the same */
    FUZZ_CHECK(registry_devices(registry) == is_device);
    change.kind = CHANGE_ITEM_REMOVE;
    registry_apply(registry, &change, BAG);
    FUZZ_CHECK(registry_devices(registry) == 0);
    registry_free(&registry);
}

/* What the registry can't read is logged: it would be millions of lines. */
static void log_nowhere(void)
{
    static int fd = -1;
    if (fd < 0) {
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        FUZZ_CHECK(fd >= 0);
        log_setup(fd, LOG_ERROR);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[KEY_SIZE] = {1, 2, 3};
    char made[RECORD_PATH_MAX];
    log_nowhere();
    if (size < 2) {
        return 0;
    }
    struct span value = span_of(data + 1, size - 1);
    struct span path;
    switch (data[0] % KINDS) {
    case 0:
        path = record_device_path(made, device_id);
        break;
    case 1:
        path = record_token_path(made, key);
        break;
    default:
        path = span_of(data + 2, data[1] < size - 2 ? data[1] : size - 2);
        value = span_of(path.data + path.size, size - 2 - path.size);
        break;
    }
    bool is_device = check_device(path, value);
    check_token(path, value);
    follow(path, value, is_device);
    return 0;
}
