/* admin/people.h - people of a directory: read from LDIF, CSV or vCard, registered as users, put
 * into address lists.
 *
 * A person is an entry of LDIF whose objectClass is person or one derived from it, a row of CSV, a
 * vCard that is not of a group or a thing. Their name here is uid,
 * else mail, else cn. Passwords are never taken over. Importing again changes nothing that is equal
 * already.
 */
#ifndef KITBAG_ADMIN_PEOPLE_H
#define KITBAG_ADMIN_PEOPLE_H

#include <jansson.h>
#include <stdatomic.h>

#include "admin/backend.h"

enum {
    PEOPLE_MAX = 1000000,
    PEOPLE_MAX_BYTES = 256 << 20,      /* of what is kept of them */
    PEOPLE_VALUE_MAX_BYTES = 16 << 10, /* of one address */
    PEOPLE_FAILURES_MAX = 1000,        /* that are listed; all are counted */
};

/* One person. Texts point into the same block, which is freed with the person. */
struct admin_person {
    uint64_t line;
    const char *name; /* as written */
    const char *folded;
    const char *id;          /* for the path of an address: stable, one segment */
    const char *departments; /* folded, one after the other, each NUL-ended; "" ends them */
    const char *value;       /* the address as JSON; "" when it is too large */
    size_t value_size;
};

/* What was left out. */
struct admin_failures {
    json_t *rows; /* {"line","reason"} */
    uint64_t count;
};
void admin_failures_add(struct admin_failures *failures, uint64_t line, const char *reason);

struct admin_people {
    struct admin_person **all; /* in the file's order, each name once */
    size_t count;
    size_t capacity;
    size_t bytes;
    uint64_t others; /* entries that are no people */
    struct admin_failures failures;
};

enum admin_format { ADMIN_FORMAT_LDIF, ADMIN_FORMAT_CSV, ADMIN_FORMAT_VCARD };
/* "ldif", "csv", "vcard"; false: another text. */
bool admin_format_parse(const char *text, enum admin_format *format);

/* Read all people of the file. `people` is zeroed at first and freed by admin_people_free in any
 * case. E_TOO_LARGE, E_FORMAT, E_CLOSED (`given_up`), E_NOMEM, E_IO. */
MUST_CHECK int admin_people_read(struct admin_people *people, enum admin_format format, int fd,
                                 const atomic_bool *given_up, struct err *err);
void admin_people_free(struct admin_people *people);

struct admin_import {
    const struct admin_backend *backend;
    const char *actor;
    const atomic_bool *given_up;
    bool dry_run;
    /* out */
    uint64_t registered; /* users that were not there */
    uint64_t items;      /* addresses set */
    uint64_t unchanged;  /* people (or addresses) that were as they should be */
};

/* Register everybody; with `colleagues` fill each one's personal address list with the people of
 * the same departments. What the server refuses for one person goes to the failures. Other codes
 * (E_READ_ONLY, E_NOSPACE, E_CLOSED, ...) end it: what was done until then stays. */
MUST_CHECK int admin_people_register(struct admin_import *import, struct admin_people *people,
                                     bool colleagues, struct err *err);
/* Put everybody into the address list of an owner who is there (E_NOT_FOUND). */
MUST_CHECK int admin_people_list(struct admin_import *import, struct admin_people *people,
                                 const struct owner *into, struct err *err);

#endif
