/* admin/api.h - the routes of the HTTP API, whatever socket carries them. */
#ifndef KITBAG_ADMIN_API_H
#define KITBAG_ADMIN_API_H

#include "admin/route.h"

/* Ends with a row whose method is NULL. */
extern const struct admin_route admin_api_routes[];

admin_handler admin_api_status; /* api_status.c */
admin_handler admin_api_owners; /* api_owners.c */
admin_handler admin_api_owner;
admin_handler admin_api_items;
admin_handler admin_api_owners_delete; /* api_delete.c */
admin_handler admin_api_devices;       /* api_devices.c */
admin_handler admin_api_devices_delete;
admin_handler admin_api_enrollments;
admin_handler admin_api_journal_stat; /* api_changes.c */
admin_handler admin_api_changes;
admin_handler admin_api_import; /* api_import.c */
admin_handler admin_api_address_list;

/* --- what several of them need --- */

/* The owner in the path's first two parts: E_INVALID (no such kind), E_NAME. */
MUST_CHECK int admin_api_owner_of(const struct admin_request *request, struct owner *owner,
                                  struct err *err);
const char *admin_api_kind(enum owner_kind kind); /* "user", "group" */
/* "2026-11-22T17:51:37.123Z", or null for 0. */
json_t *admin_api_time(uint64_t ms);
json_t *admin_api_seq(uint64_t seq); /* a string */
/* An array of strings of an object: E_INVALID when it is something else; absent is empty (NULL). */
MUST_CHECK int admin_api_strings(json_t *object, const char *member, size_t max, json_t **out,
                                 struct err *err);
MUST_CHECK int admin_api_bool(json_t *object, const char *member, bool *out, struct err *err);
MUST_CHECK int admin_api_number(json_t *object, const char *member, uint64_t min, uint64_t max,
                                uint64_t *out, struct err *err);
/* Is it a secret, whose value is shown nowhere but on its user's machines? */
bool admin_api_secret(struct span path);
/* `bytes` under "value", or under "value_base64" when they are not UTF-8 text. */
MUST_CHECK int admin_api_put_value(json_t *object, struct span bytes);

#endif
