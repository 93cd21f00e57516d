/* journal/owner.h - whose bag it is: a tuple of kind, folded name and device.
 *
 * A tuple is never parsed out of a key. The text form ("user:Ann", "user:Ann/device:00f3…") is for
 * people and programs at the edges only; it is unambiguous because names hold neither '/' nor ':'.
 */
#ifndef KITBAG_JOURNAL_OWNER_H
#define KITBAG_JOURNAL_OWNER_H

#include "base/name.h"

/* Numbers are on disk and on the wire. */
enum owner_kind {
    OWNER_FLEET = 1,  /* read by every device, written by administrators */
    OWNER_SERVER = 2, /* registry, tokens: sent to no device */
    OWNER_GROUP = 3,
    OWNER_USER = 4,
    OWNER_USER_DEVICE = 5, /* one user's items on one device; its parent is the user's bag */
    OWNER_DEVICE = 6,
};

/* Plain data. `shown` is the name as first written, `folded` what is compared; both are empty for
 * kinds without a name. Devices are numbers, written as 16 hexadecimal digits. */
struct owner {
    enum owner_kind kind;
    uint64_t device; /* of OWNER_USER_DEVICE and OWNER_DEVICE, else 0 */
    char shown[NAME_MAX_BYTES + 1];
    char folded[NAME_MAX_BYTES + 1];
};

enum { OWNER_TEXT_MAX = NAME_MAX_BYTES + 64 };

/* An owner with a name (user, group, user-device): folds and checks it. E_NAME, E_INVALID. */
MUST_CHECK int owner_make(struct owner *owner, enum owner_kind kind, struct span shown,
                          uint64_t device, struct err *err);
/* From the text form; E_INVALID (unknown kind; the sentence lists the forms), E_NAME. */
MUST_CHECK int owner_parse(struct owner *owner, const char *text, struct err *err);
/* The text form, NUL-ended, into OWNER_TEXT_MAX bytes. */
void owner_format(const struct owner *owner, char *out);
bool owner_equal(const struct owner *a, const struct owner *b); /* by kind, folded name, device */
bool owner_kind_known(uint64_t kind);

/* "00f3…" (16 digits, lower case, NUL-ended) <-> number. */
enum { DEVICE_TEXT_MAX = 17 };
void device_format(uint64_t device, char *out);
MUST_CHECK int device_parse(const char *text, uint64_t *device, struct err *err);

#endif
