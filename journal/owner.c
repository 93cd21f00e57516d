/* journal/owner.c - owners: making, comparing, and the text form of the edges. */
#include "journal/owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

static bool has_name(enum owner_kind kind)
{
    return kind == OWNER_GROUP || kind == OWNER_USER || kind == OWNER_USER_DEVICE;
}

bool owner_kind_known(uint64_t kind)
{
    return kind >= OWNER_FLEET && kind <= OWNER_DEVICE;
}

int owner_make(struct owner *owner, enum owner_kind kind, struct span shown, uint64_t device,
               struct err *err)
{
    ASSERT(owner != NULL);
    if (!has_name(kind)) {
        return err_set(err, E_INVALID, "an owner of kind %d has no name", (int)kind);
    }
    if ((kind == OWNER_USER_DEVICE) != (device != 0)) {
        return err_set(err, E_INVALID, "a device number belongs to a user's items on one device");
    }
    struct owner made = {.kind = kind, .device = device};
    int rc = name_fold(shown, made.folded, err);
    if (rc != 0) {
        return rc;
    }
    ASSERT(shown.size <= NAME_MAX_BYTES);
    memcpy(made.shown, shown.data, shown.size);
    *owner = made;
    return 0;
}

/* "NAME" or, of a user, "NAME/device:ID". */
static int parse_user(struct owner *owner, const char *rest, struct err *err)
{
    const char *slash = strchr(rest, '/');
    if (slash == NULL) {
        return owner_make(owner, OWNER_USER, span_str(rest), 0, err);
    }
    static const char prefix[] = "/device:";
    if (strncmp(slash, prefix, sizeof prefix - 1) != 0) {
        return err_set(err, E_INVALID, "after 'user:NAME' only '/device:ID' may follow");
    }
    uint64_t device = 0;
    int rc = device_parse(slash + sizeof prefix - 1, &device, err);
    if (rc != 0) {
        return rc;
    }
    return owner_make(owner, OWNER_USER_DEVICE, span_of(rest, (size_t)(slash - rest)), device, err);
}

int owner_parse(struct owner *owner, const char *text, struct err *err)
{
    ASSERT(owner != NULL);
    ASSERT(text != NULL);
    if (strcmp(text, "fleet") == 0 || strcmp(text, "server") == 0) {
        *owner = (struct owner){.kind = text[0] == 'f' ? OWNER_FLEET : OWNER_SERVER};
        return 0;
    }
    if (strncmp(text, "user:", 5) == 0) {
        return parse_user(owner, text + 5, err);
    }
    if (strncmp(text, "group:", 6) == 0) {
        return owner_make(owner, OWNER_GROUP, span_str(text + 6), 0, err);
    }
    if (strncmp(text, "device:", 7) == 0) {
        uint64_t device = 0;
        int rc = device_parse(text + 7, &device, err);
        if (rc == 0) {
            *owner = (struct owner){.kind = OWNER_DEVICE, .device = device};
        }
        return rc;
    }
    return err_set(err, E_INVALID,
                   "'%.80s' is no owner: write user:NAME, user:NAME/device:ID, group:NAME, "
                   "device:ID, fleet or server",
                   text);
}

void owner_format(const struct owner *owner, char *out)
{
    ASSERT(owner != NULL);
    ASSERT(out != NULL);
    int length = -1;
    switch (owner->kind) {
    case OWNER_FLEET:
        length = snprintf(out, OWNER_TEXT_MAX, "fleet");
        break;
    case OWNER_SERVER:
        length = snprintf(out, OWNER_TEXT_MAX, "server");
        break;
    case OWNER_GROUP:
        length = snprintf(out, OWNER_TEXT_MAX, "group:%s", owner->shown);
        break;
    case OWNER_USER:
        length = snprintf(out, OWNER_TEXT_MAX, "user:%s", owner->shown);
        break;
    case OWNER_USER_DEVICE:
        length = snprintf(out, OWNER_TEXT_MAX, "user:%s/device:%016" PRIx64, owner->shown,
                          owner->device);
        break;
    case OWNER_DEVICE:
        length = snprintf(out, OWNER_TEXT_MAX, "device:%016" PRIx64, owner->device);
        break;
    }
    ASSERT(length > 0 && length < OWNER_TEXT_MAX);
}

bool owner_equal(const struct owner *a, const struct owner *b)
{
    ASSERT(a != NULL);
    ASSERT(b != NULL);
    return a->kind == b->kind && a->device == b->device && strcmp(a->folded, b->folded) == 0;
}

void device_format(uint64_t device, char *out)
{
    ASSERT(out != NULL);
    uint8_t bytes[8];
    put_be64(bytes, device);
    hex_encode(bytes, sizeof bytes, out);
}

int device_parse(const char *text, uint64_t *device, struct err *err)
{
    ASSERT(text != NULL);
    ASSERT(device != NULL);
    uint8_t bytes[8];
    if (hex_decode(span_str(text), bytes, sizeof bytes) != 0 || get_be64(bytes) == 0) {
        return err_set(err, E_INVALID,
                       "'%.40s' is no device: it is written as 16 hexadecimal digits", text);
    }
    *device = get_be64(bytes);
    return 0;
}
