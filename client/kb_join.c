/* client/kb_join.c - joining a server with a token.
 *
 * Joining is a connection of its own, on the caller's thread: with the token's key pair, saying
 * which key this machine will use from then on. That key is on disk before it is said, so a JOIN
 * whose answer was lost can be repeated.
 *
 * A machine that was removed, or whose place another has taken, joins the same server again on top
 * of what it keeps: it asks first, by a HELLO with the key it has, whether it is one of the
 * server's still. Whom it keeps it signs in again, so that their bags are followed from where they
 * are; what it wrote meanwhile waits in the outbox, and is sent.
 *
 * A machine that is the server's, and is given a token with other addresses, goes there from then
 * on: its server has moved. The token stays unused.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "client/kb_files.h"
#include "client/kb_joining.h"
#include "client/kb_policy.h"

enum { JOIN_MS = 10000 };

/* --- before and after --- */

static int take_addresses(struct identity *identity, const struct join_token *token,
                          const char *const *servers, struct err *err)
{
    char endpoint[ADDRESS_MAX_BYTES + 16];
    identity->address_count = 0;
    for (size_t i = 0; servers != NULL && servers[i] != NULL; i++) {
        if (i == TOKEN_ADDRESSES_MAX) {
            return err_set(err, E_INVALID, "at most %d addresses can be given",
                           TOKEN_ADDRESSES_MAX);
        }
        int rc =
            strlen(servers[i]) > ADDRESS_MAX_BYTES
                ? err_set(err, E_INVALID, "an address is longer than %d bytes", ADDRESS_MAX_BYTES)
                : address_endpoint(servers[i], endpoint, sizeof endpoint, err);
        if (rc != 0) {
            return rc;
        }
        memcpy(identity->addresses[i], servers[i], strlen(servers[i]) + 1);
        identity->address_count++;
    }
    if (identity->address_count == 0) {
        identity->address_count = token->address_count;
        memcpy(identity->addresses, token->addresses, sizeof identity->addresses);
    }
    return identity->address_count > 0
               ? 0
               : err_set(err, E_INVALID, "the token names no server: give its address");
}

static void take_name(struct identity *identity, const char *name)
{
    char host[sizeof identity->name] = "";
    if (name == NULL || name[0] == '\0') {
        (void)gethostname(host, sizeof host - 1);
        name = host;
    }
    size_t size = strnlen(name, sizeof identity->name - 1);
    memcpy(identity->name, name, size);
    identity->name[size] = '\0';
    for (char *at = identity->name; *at != '\0'; at++) {
        if (*at == '\n') {
            *at = ' '; /* it is a line of the identity file */
        }
    }
}

/* Does it look for its server elsewhere than it did? */
static bool is_elsewhere(struct kb *kb, const struct identity *identity)
{
    (void)pthread_mutex_lock(&kb->lock);
    bool other = kb->identity.address_count != identity->address_count;
    for (size_t i = 0; i < identity->address_count && !other; i++) {
        other = strcmp(kb->identity.addresses[i], identity->addresses[i]) != 0;
    }
    (void)pthread_mutex_unlock(&kb->lock);
    return other;
}

/* Of a machine that has joined: may it join again? Only when the token's server does not know it as
 * its own any more. A removed machine's key stays refused: then it takes a new one. `moved`: the
 * server knows it, at other addresses. */
static int ask_server(struct kb *kb, const struct join_token *token,
                      const struct kb_join_options *options, struct identity *identity, bool *moved,
                      struct err *err)
{
    struct joining asking = {
        .kb = kb, .token = token, .options = options, .identity = identity, .asks = true};
    struct err why = {0};
    if (memcmp(identity->server_key, token->server_key, KEY_SIZE) != 0) {
        return err_set(err, E_EXISTS,
                       "this machine has joined '%s', and the token is of another server",
                       identity->addresses[0]);
    }
    int rc =
        client_converse(&asking, options->timeout_ms != 0 ? options->timeout_ms : JOIN_MS, &why);
    *moved = rc == 0 && is_elsewhere(kb, identity);
    if (rc == 0) {
        return *moved ? 0
                      : err_set(err, E_EXISTS, "this machine has joined '%s' already",
                                identity->addresses[0]);
    }
    if (rc == E_DEVICE_REMOVED) {
        key_pair_make(&identity->keys);
        return client_store_identity(kb, identity, err);
    }
    return rc == E_TOKEN_UNKNOWN || rc == E_NOT_ALLOWED ? 0 : err_set(err, rc, "%s", why.text);
}

static int prepare(struct kb *kb, const struct join_token *token,
                   const struct kb_join_options *options, struct identity *identity, bool *moved,
                   struct err *err)
{
    (void)pthread_mutex_lock(&kb->lock);
    *identity = kb->identity;
    (void)pthread_mutex_unlock(&kb->lock);
    int rc = 0;
    if (!identity->has_keys) { /* on disk before the server hears of it */
        key_pair_make(&identity->keys);
        identity->has_keys = true;
        rc = client_store_identity(kb, identity, err);
    }
    rc = rc != 0 ? rc : take_addresses(identity, token, options->servers, err);
    if (rc == 0 && client_connected(kb)) {
        rc = err_set(err, E_EXISTS, "this machine has joined '%s' already", identity->addresses[0]);
    } else if (rc == 0 && identity->device != 0) {
        rc = ask_server(kb, token, options, identity, moved, err);
    }
    take_name(identity, options->name);
    return rc;
}

static int count_user(void *context, const struct replica_bag *bag, struct err *err)
{
    (void)err;
    uint64_t *users = context;
    *users += bag->owner.kind == OWNER_USER && bag->bag_id == 0 ? 1 : 0;
    return 0;
}

static int count_write(void *context, const struct outbox_entry *entry, struct err *err)
{
    (void)err;
    uint64_t *writes = context;
    *writes += entry->kind == OPERATION_WRITE ? 1 : 0;
    return 0;
}

/* --- those who are kept sign in again --- */

struct again {
    struct kb *kb;
    bool listed; /* only those whom the server had signed in here */
    struct due *list;
    size_t count, capacity;
};

static int note_again(void *context, const struct replica_bag *bag, struct err *err)
{
    struct again *again = context;
    if (bag->owner.kind != OWNER_USER || !bag->keep || bag->bag_id == 0 || bag->made_by != 0) {
        return 0;
    }
    struct due *list = array_reserve(again->list, &again->capacity, again->count + 1, sizeof *list);
    if (list == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    again->list = list;
    list[again->count] = (struct due){.bag_id = bag->bag_id, .in = true, .user = bag->owner};
    int rc = client_groups_get(again->kb, bag->local, &list[again->count].groups, err);
    again->count++;
    return rc;
}

/* More than can be noted sign in by themselves: the server has their bags. */
static int sign_in_again(struct kb *kb, struct err *err)
{
    struct again again = {.kb = kb, .listed = client_keeps(kb, OWNER_USER)};
    int rc = replica_bags(kb->replica, note_again, &again, err);
    for (size_t i = 0; rc == 0 && i < again.count; i++) {
        if (!again.listed || client_is_listed(kb, again.list[i].bag_id)) {
            rc = client_due_add(kb, &again.list[i], err);
        }
    }
    free(again.list);
    return rc == E_QUOTA ? 0 : rc;
}

static int finish(struct kb *kb, const struct joining *joining, struct identity *identity,
                  struct kb_join_report *report, struct err *err)
{
    struct kb_join_report made = {0};
    int rc = identity->device != 0 ? sign_in_again(kb, err) : 0;
    identity->device = joining->device;
    memcpy(identity->history, joining->history, HISTORY_SIZE);
    memcpy(identity->server_key, joining->token->server_key, KEY_SIZE);
    memcpy(identity->signing_key, joining->token->signing_key, KEY_SIZE);
    identity->started = true;
    rc = rc != 0 ? rc : replica_bags(kb->replica, count_user, &made.users, err);
    rc = rc != 0 ? rc : outbox_each(kb->outbox, OUTBOX_PENDING, count_write, &made.writes, err);
    if (rc == 0 && made.writes > 0) { /* before anything is sent */
        rc = client_judging_begin(kb, joining->options->policy, err);
    }
    rc = rc != 0 ? rc : client_store_identity(kb, identity, err);
    if (rc == 0) {
        outbox_set_alone(kb->outbox, false);
        device_format(identity->device, made.device);
        if (report != NULL) {
            *report = made;
        }
    }
    return rc;
}

/* All but the addresses stays. */
static int move(struct kb *kb, const struct identity *identity, struct kb_join_report *report,
                struct err *err)
{
    struct kb_join_report made = {0};
    device_format(identity->device, made.device);
    int rc = client_store_identity(kb, identity, err);
    if (rc == 0 && report != NULL) {
        *report = made;
    }
    return rc;
}

static int join(struct kb *kb, const char *text, const struct kb_join_options *options,
                struct kb_join_report *report, struct err *err)
{
    struct join_token token;
    struct identity identity;
    int rc = token_parse(&token, text, err);
    if (rc != 0) {
        return rc;
    }
    bool moved = false;
    rc = client_check_token(kb, &token, err);
    rc = rc != 0 ? rc : prepare(kb, &token, options, &identity, &moved, err);
    struct joining joining = {.kb = kb, .token = &token, .options = options, .identity = &identity};
    if (rc == 0 && moved) {
        rc = move(kb, &identity, report, err);
    } else if (rc == 0) {
        rc = client_converse(&joining, options->timeout_ms != 0 ? options->timeout_ms : JOIN_MS,
                             err);
        rc = rc != 0 ? rc : finish(kb, &joining, &identity, report, err);
    }
    identity_wipe(&identity);
    key_wipe(&token, sizeof token);
    return rc;
}

int kb_join(struct kb *kb, const char *token, const struct kb_join_options *options,
            struct kb_join_report *report, struct kb_error *error)
{
    ASSERT(kb != NULL && token != NULL);
    struct err err = {0};
    struct kb_join_options defaults = {.size = sizeof defaults};
    if (options == NULL) {
        options = &defaults;
    }
    if (options->size != sizeof *options || !client_is_policy(options->policy)) {
        (void)err_set(&err, E_INVALID, "the options are not those of this version");
        return client_fail(error, &err);
    }
    (void)pthread_mutex_lock(&kb->control);
    bool halted = !client_connected(kb) && client_halt(kb); /* else it is not given up for it */
    int rc = join(kb, token, options, report, &err);
    if (halted && client_go_on(kb, rc == 0 ? &err : NULL) != 0 && rc == 0) {
        rc = err.code;
    }
    (void)pthread_mutex_unlock(&kb->control);
    return rc == 0 ? 0 : client_fail(error, &err);
}
