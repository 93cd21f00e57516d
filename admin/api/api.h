/* admin/api/api.h - the routes of the HTTP API, whatever socket carries them. */
#ifndef KITBAG_ADMIN_API_H
#define KITBAG_ADMIN_API_H

#include "admin/board.h"
#include "admin/catalogue.h"
#include "admin/devices.h"
#include "admin/past.h"
#include "admin/route.h"

/* Ends with a row whose method is NULL. */
extern const struct admin_route admin_api_routes[];

admin_handler admin_api_session_begin; /* session.c */
admin_handler admin_api_session;
admin_handler admin_api_session_end;
admin_handler admin_api_session_password;
admin_handler admin_api_accounts; /* accounts.c */
admin_handler admin_api_accounts_add;
admin_handler admin_api_accounts_change;
admin_handler admin_api_accounts_delete;
admin_handler admin_api_tokens; /* tokens.c */
admin_handler admin_api_tokens_add;
admin_handler admin_api_tokens_delete;
admin_handler admin_api_audit;  /* audit.c */
admin_handler admin_api_status; /* status.c */
admin_handler admin_api_status_samples;
admin_handler admin_api_owners; /* owners.c */
admin_handler admin_api_owner;
admin_handler admin_api_items; /* items.c */
admin_handler admin_api_item;
admin_handler admin_api_item_put; /* item_write.c */
admin_handler admin_api_item_delete;
admin_handler admin_api_history;        /* history.c */
admin_handler admin_api_diff;           /* diff.c */
admin_handler admin_api_owners_deleted; /* owners_deleted.c */
admin_handler admin_api_device_users;   /* device_users.c */
admin_handler admin_api_owner_devices;  /* owner_devices.c */
admin_handler admin_api_owners_restore; /* restore.c */
admin_handler admin_api_owners_delete;  /* delete.c */
admin_handler admin_api_devices;        /* devices.c */
admin_handler admin_api_device;         /* device.c */
admin_handler admin_api_device_patch;
admin_handler admin_api_devices_delete; /* devices.c */
admin_handler admin_api_enrollments;    /* enrollments.c */
admin_handler admin_api_enrollments_list;
admin_handler admin_api_enrollments_delete;
admin_handler admin_api_sync; /* sync.c */
admin_handler admin_api_sync_put;
admin_handler admin_api_changes; /* changes.c */
admin_handler admin_api_log;     /* log.c */
admin_handler admin_api_livez;   /* health.c */
admin_handler admin_api_readyz;
admin_handler admin_api_metrics;
admin_handler admin_api_openapi;      /* openapi.c */
admin_handler admin_api_journal_stat; /* journal.c */
admin_handler admin_api_history_fork;
admin_handler admin_api_clock_confirm;
admin_handler admin_api_backups, admin_api_backups_make, admin_api_backups_forget;
admin_handler admin_api_restore_status, admin_api_restore_confirm;
admin_handler admin_api_exports; /* exports.c */
admin_handler admin_api_exports_prepare;
admin_handler admin_api_exports_delete;
admin_handler admin_api_export;
admin_handler admin_api_export_shape;
admin_handler admin_api_export_snapshot;
admin_handler admin_api_export_addresses;
admin_handler admin_api_fences; /* fences.c */
admin_handler admin_api_fences_set;
admin_handler admin_api_fences_lift;
admin_handler admin_api_categories; /* categories.c */
admin_handler admin_api_sharing;    /* sharing.c */
admin_handler admin_api_sharing_put;
admin_handler admin_api_sharing_undo;
admin_handler admin_api_explain; /* explain.c */
admin_handler admin_api_import;  /* import.c */
admin_handler admin_api_address_list;

/* --- what several of them need --- */

/* The owner in the path's first two parts, and with the parameter `device` what the user has on
 * that machine alone: E_INVALID (no such kind, no device), E_NAME. */
MUST_CHECK int admin_api_owner_of(const struct admin_request *request, struct owner *owner,
                                  struct err *err);
const char *admin_api_kind(enum owner_kind kind); /* "user", "group" */
/* The moment of a parameter (see moment.h), never within a change set; ADMIN_PAST_NOW when it was
 * not given. Of a time before everything it is E_NOT_FOUND. */
MUST_CHECK int admin_api_moment(const struct admin_request *request, const char *parameter,
                                uint64_t *seq, struct err *err);
/* The same of `from`, for what is read backwards: the first seq that counts, 0 for all. What was
 * written at that very moment does; what is older than the journal begins with the journal. */
MUST_CHECK int admin_api_from(const struct admin_request *request, uint64_t *seq, struct err *err);
/* Of a code of the past: an answer that is E_TOO_OLD tells the oldest seq. Returns the code. */
int admin_api_past_code(const struct admin_request *request, struct admin_response *response,
                        int code);
/* A machine as lists show it (new, in *out). */
MUST_CHECK int admin_api_device_row(const struct admin_request *request, struct kv_view *view,
                                    const struct admin_device *device, json_t **out,
                                    struct err *err);
/* What holds the limits where they are: an array (new). */
json_t *admin_api_retention(const struct server_status *status);
/* An item with all that is told of it, as a row of a list (new; NULL: out of memory). */
json_t *admin_api_item_row(const struct admin_catalogue *catalogue, enum owner_kind kind,
                           const struct admin_past_item *item, bool values);
const char *admin_api_change_kind(enum change_kind kind); /* "item.set" */
/* The status as the board keeps it: a document on one line. */
MUST_CHECK int admin_api_status_text(const struct admin_board_facts *facts, struct buf *out,
                                     struct err *err);
double admin_api_round(double value); /* to a tenth; not negative */
/* "2026-11-22T17:51:37.123Z", or null for 0. */
json_t *admin_api_time(uint64_t ms);
json_t *admin_api_seq(uint64_t seq);      /* a string */
json_t *admin_api_text(struct span text); /* that is known to be UTF-8; it may be empty */
/* A body {"ids": [...], "dry_run": false}, with `member` for "ids": at least one and at most `max`.
 * `thing` is one of them, for the sentence that there is none. Whoever asked frees `body`, also
 * when it failed. E_MALFORMED, E_INVALID. */
struct admin_api_named {
    json_t *body;
    json_t *names; /* the body's array */
    bool dry_run;
};
MUST_CHECK int admin_api_named(const struct admin_request *request, const char *member, size_t max,
                               const char *thing, struct admin_api_named *out, struct err *err);
/* An array of strings of an object: E_INVALID when it is something else; absent is empty (NULL). */
MUST_CHECK int admin_api_strings(json_t *object, const char *member, size_t max, json_t **out,
                                 struct err *err);
/* Append a name to those that the audit is to tell, unless there are ADMIN_API_TOLD_MAX already. */
enum { ADMIN_API_TOLD_MAX = 20 };
void admin_api_tell(json_t *names, const char *name);
MUST_CHECK int admin_api_bool(json_t *object, const char *member, bool *out, struct err *err);
MUST_CHECK int admin_api_number(json_t *object, const char *member, uint64_t min, uint64_t max,
                                uint64_t *out, struct err *err);
/* `bytes` under "value", or under "value_base64" when they are not UTF-8 text. */
MUST_CHECK int admin_api_put_value(json_t *object, struct span bytes);
/* The same under another name. */
MUST_CHECK int admin_api_put_bytes(json_t *object, const char *member, struct span bytes);

#endif
