/* server/records.h - a device, a join token, and whether machines are synchronized, as items of the
 * server's bag.
 *
 *   device/ID                {"name","serial","model","software","key","joined_ms","state",
 *                             "keep","mirror"}
 *                            key: the CURVE public key in hexadecimal; state: "active", "removed";
 *                            keep: what the machine may keep without a sign-in: "signed-in"
 *                            (nothing, as when it is absent), "groups", "everybody"; mirror:
 *                            whether it may have the whole journal (absent: no)
 *   token/HEX(public key)    {"state","expires_ms","device","replaces","keeps_rights","created_ms",
 *                            "by"}
 *                            state: "new", "used" (then device tells by whom); replaces: the
 * machine whose ID and data the new one gets ("": none's), with its rights to keep and to mirror
 * when keeps_rights. What comes after device may be absent
 *   @sync                    {"state","since_ms","by"}
 *                            state: "running", "stopped"; by: who changed it last. Absent:
 *                            running, and nobody ever changed it
 *
 * Pure. Times are numbers (milliseconds since 1970), devices 16 hexadecimal digits.
 */
#ifndef KITBAG_SERVER_RECORDS_H
#define KITBAG_SERVER_RECORDS_H

#include "journal/change.h"
#include "journal/owner.h"
#include "transport/keys.h"
#include "transport/wire.h"

enum { RECORD_PATH_MAX = 80, RECORD_TEXT_MAX = 8192 };

/* Whose bags a machine may keep: each includes the one before. The numbers are the wire's. */
enum device_keep { KEEP_SIGNED_IN, KEEP_GROUPS, KEEP_EVERYBODY };
const char *device_keep_name(enum device_keep keep);
bool device_keep_parse(const char *text, enum device_keep *keep); /* false: it is none */

struct device_record {
    uint64_t id;
    uint8_t key[KEY_SIZE];
    bool removed;
    bool mirror;
    enum device_keep keep;
    uint64_t joined_ms;
    char name[WIRE_LABEL_MAX + 1];
    char serial[WIRE_LABEL_MAX + 1];
    char model[WIRE_LABEL_MAX + 1];
    char software[WIRE_LABEL_MAX + 1];
};

struct token_record {
    uint8_t key[KEY_SIZE]; /* the public half */
    bool used;
    uint64_t expires_ms;
    uint64_t device;   /* when used */
    uint64_t replaces; /* 0: none */
    bool keeps_rights;
    uint64_t created_ms; /* 0: not known */
    char by[ACTOR_MAX_BYTES + 1];
};

/* All zeros: running since ever. */
struct sync_record {
    bool stopped;
    uint64_t since_ms;
    char by[ACTOR_MAX_BYTES + 1];
};
#define RECORD_SYNC_PATH "@sync"

enum record_kind { RECORD_OTHER, RECORD_DEVICE, RECORD_TOKEN };
enum record_kind record_kind(struct span path);

/* The item's path, into RECORD_PATH_MAX bytes. */
struct span record_device_path(char *out, uint64_t device);
struct span record_token_path(char *out, const uint8_t key[KEY_SIZE]);

/* The other way round; false: it is no such path. */
bool record_device_of(struct span path, uint64_t *device);
bool record_token_of(struct span path, uint8_t key[KEY_SIZE]);

/* JSON appended to `out`; errors stay in the buffer. */
void record_put_device(struct buf *out, const struct device_record *record);
void record_put_token(struct buf *out, const struct token_record *record);
void record_put_sync(struct buf *out, const struct sync_record *record);

/* E_MALFORMED with a sentence, E_NOMEM. Fields that this version does not know are fine. */
MUST_CHECK int record_get_device(struct device_record *out, struct span path, struct span value,
                                 struct err *err);
MUST_CHECK int record_get_token(struct token_record *out, struct span path, struct span value,
                                struct err *err);
MUST_CHECK int record_get_sync(struct sync_record *out, struct span value, struct err *err);

#endif
