/* client/kb_groups.c - the groups a user signed in with, and those whom nobody needs any more. */
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "client/kb_inside.h"

enum { NOTE_BYTES_MAX = KB_GROUPS_MAX * (NAME_MAX_BYTES + 8) };

/* --- the groups a user signed in with --- */

static void note_name(uint64_t local, char out[64])
{
    (void)snprintf(out, 64, CLIENT_NOTE_GROUPS "%llu", (unsigned long long)local);
}

static void read_groups(struct span bytes, struct kb_groups *out)
{
    struct unpacked unpacked = {0};
    if (unpack_open(&unpacked, bytes, KB_GROUPS_MAX + 1) == 0) {
        struct walk walk = walk_array(&unpacked.root);
        while (walk.left > 0 && walk.error == 0 && out->count < KB_GROUPS_MAX) {
            struct span name = walk_str(&walk);
            if (owner_make(&out->list[out->count], OWNER_GROUP, name, 0, NULL) == 0) {
                out->count++;
            }
        }
    }
    unpack_close(&unpacked);
}

/* A note that is lost or damaged is no groups: the next sign-in tells them again. */
int client_groups_get(struct kb *kb, uint64_t user_local, struct kb_groups *out, struct err *err)
{
    char name[64];
    struct buf bytes;
    struct err why = {0};
    buf_init(&bytes, NOTE_BYTES_MAX);
    note_name(user_local, name);
    out->count = 0;
    int rc = replica_note_get(kb->replica, name, &bytes, &why);
    if (rc == 0) {
        read_groups(buf_span(&bytes), out);
    } else if (rc == E_NOT_FOUND || rc == E_CORRUPT) {
        rc = 0;
    } else {
        rc = err_set(err, rc, "%s", why.text);
    }
    buf_free(&bytes);
    return rc;
}

void client_groups_put(const struct kb_groups *groups, struct buf *out)
{
    if (groups->count > 0) {
        pack_array(out, (uint32_t)groups->count);
    }
    for (size_t i = 0; i < groups->count; i++) {
        pack_cstr(out, groups->list[i].shown);
    }
}

/* Mostly they are what they were, and that costs no sync. */
int client_groups_set(struct kb *kb, uint64_t user_local, const struct kb_groups *groups,
                      struct err *err)
{
    char name[64];
    struct buf bytes;
    struct buf before;
    buf_init(&bytes, NOTE_BYTES_MAX);
    buf_init(&before, NOTE_BYTES_MAX);
    note_name(user_local, name);
    client_groups_put(groups, &bytes);
    int rc = buf_error(&bytes);
    if (rc != 0) {
        rc = err_set(err, rc, "out of memory");
    } else if (replica_note_get(kb->replica, name, &before, NULL) != 0 ||
               !span_equal(buf_span(&before), buf_span(&bytes))) {
        rc = replica_note_set(kb->replica, name, buf_span(&bytes), err);
    }
    buf_free(&bytes);
    buf_free(&before);
    return rc;
}

int client_groups_forget(struct kb *kb, uint64_t user_local, struct err *err)
{
    char name[64];
    note_name(user_local, name);
    return replica_note_set(kb->replica, name, (struct span){NULL, 0}, err);
}

/* --- groups that nobody needs --- */

struct group {
    uint64_t local;
    uint64_t bag_id;
    struct owner owner;
    bool needed;
};

struct sparing {
    struct kb *kb;
    struct kb_groups *names; /* scratch: it is large */
    struct group *groups;
    size_t count, capacity;
};

/* One that is not known to any server yet keeps its record: its writes still go out. */
static int note_group(void *context, const struct replica_bag *bag, struct err *err)
{
    struct sparing *sparing = context;
    if (bag->owner.kind != OWNER_GROUP || bag->bag_id == 0) {
        return 0;
    }
    struct group *groups =
        array_reserve(sparing->groups, &sparing->capacity, sparing->count + 1, sizeof *groups);
    if (groups == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    sparing->groups = groups;
    sparing->groups[sparing->count++] =
        (struct group){.local = bag->local, .bag_id = bag->bag_id, .owner = bag->owner};
    return 0;
}

static int mark_needed(void *context, const struct replica_bag *bag, struct err *err)
{
    struct sparing *sparing = context;
    if (bag->owner.kind != OWNER_USER || !bag->keep) {
        return 0;
    }
    int rc = client_groups_get(sparing->kb, bag->local, sparing->names, err);
    for (size_t i = 0; rc == 0 && i < sparing->names->count; i++) {
        for (size_t j = 0; j < sparing->count; j++) {
            sparing->groups[j].needed |=
                owner_equal(&sparing->names->list[i], &sparing->groups[j].owner);
        }
    }
    return rc;
}

/* The users are asked once, for all groups. */
static int drop_spare(struct sparing *sparing, void (*dropped)(void *context, uint64_t bag_id),
                      void *context, struct err *err)
{
    int rc = replica_bags(sparing->kb->replica, note_group, sparing, err);
    if (rc == 0 && sparing->count > 0) {
        rc = replica_bags(sparing->kb->replica, mark_needed, sparing, err);
    }
    for (size_t i = 0; rc == 0 && i < sparing->count; i++) {
        const struct group *group = &sparing->groups[i];
        rc = group->needed ? 0 : replica_bag_drop(sparing->kb->replica, group->local, err);
        if (rc == 0 && !group->needed) {
            dropped(context, group->bag_id);
        }
    }
    return rc;
}

int client_drop_spare_groups(struct kb *kb, void (*dropped)(void *context, uint64_t bag_id),
                             void *context, struct err *err)
{
    struct sparing sparing = {.kb = kb};
    if (client_keeps(kb, OWNER_GROUP)) {
        return 0;
    }
    sparing.names = calloc(1, sizeof *sparing.names);
    if (sparing.names == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    int rc = drop_spare(&sparing, dropped, context, err);
    free(sparing.names);
    free(sparing.groups);
    return rc;
}
