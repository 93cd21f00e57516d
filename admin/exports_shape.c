/* admin/exports_shape.c - the file that is offered, made of a base. */
#include <string.h>
#include <sys/statvfs.h>

#include "admin/exports_inside.h"

enum { PATIENCE = 1024 /* records between two looks: does somebody wait still, is there room? */ };

struct shape {
    const struct exports_shaping *asked;
    struct snapshot_reader *base;
    struct snapshot_writer *writer;
    struct admin_catalogue catalogue; /* as it is in the base: the fleet's bag comes first */
    bool skip;                        /* the bag is none of what was chosen */
};

int exports_check_room(int fd, uint64_t reserve_bytes, struct err *err)
{
    struct statvfs info;
    if (fstatvfs(fd, &info) != 0) {
        return err_sys(err, "look at the room on the disk of", "an export");
    }
    uint64_t room = (uint64_t)info.f_bavail * info.f_frsize;
    return room >= reserve_bytes
               ? 0
               : err_set(err, E_NOSPACE,
                         "the server's disk is nearly full (%llu MiB are free): what is left is "
                         "kept for people's writes. Remove prepared exports, or make room",
                         (unsigned long long)(room >> 20));
}

/* --- what may leave --- */

enum snapshot_choice exports_choose(void *context, const struct owner *owner, struct span path)
{
    static const char defaults[] = SHARING_DEFAULT;
    const struct admin_catalogue *catalogue = context;
    size_t size = sizeof defaults - 1;
    if (path.size > size && memcmp(path.data, defaults, size) == 0) {
        path = span_of(path.data + size, path.size - size);
    }
    const struct category *category = sharing_find(&catalogue->sharing, path);
    if (category != NULL && !category->exported) {
        return SNAPSHOT_LEAVE;
    }
    return admin_catalogue_secret(catalogue, owner->kind, path) ? SNAPSHOT_SECRET : SNAPSHOT_TAKE;
}

int exports_learn(struct admin_catalogue *catalogue, const struct snapshot_record *record,
                  struct err *err)
{
    catalogue->read = true;
    return record->bag->owner.kind == OWNER_FLEET && record->row.state == ITEM_LIVE
               ? sharing_put(&catalogue->sharing, record->path, record->row.seq, record->row.value,
                             err)
               : 0;
}

/* --- records --- */

static int on_bag(struct shape *shape, const struct snapshot_bag *bag, struct err *err)
{
    const struct admin_export_form *form = shape->asked->form;
    bool fleet = bag->owner.kind == OWNER_FLEET;
    shape->skip = !fleet && !(bag->owner.kind == OWNER_GROUP ? form->groups : form->personal);
    return shape->skip ? 0 : snapshot_put_bag(shape->writer, bag, err);
}

static int on_item(struct shape *shape, const struct snapshot_record *record, struct err *err)
{
    int rc = exports_learn(&shape->catalogue, record, err);
    return rc != 0 || shape->skip
               ? rc
               : snapshot_put_item(shape->writer, record->path, &record->row, err);
}

static int copy(struct shape *shape, struct err *err)
{
    const atomic_bool *given_up = shape->asked->given_up;
    struct snapshot_record record = {0};
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && record.type != SNAPSHOT_END; i++) {
        if (i % PATIENCE == 0 && given_up != NULL && atomic_load(given_up)) {
            return err_set(err, E_CLOSED, "nobody waits for the export any more");
        }
        if (i % PATIENCE == 0) {
            rc = exports_check_room(shape->asked->fd, shape->asked->reserve_bytes, err);
        }
        rc = rc == 0 ? snapshot_next(shape->base, &record, err) : rc;
        if (rc == 0 && record.type == SNAPSHOT_BAG) {
            rc = on_bag(shape, record.bag, err);
        } else if (rc == 0 && record.type == SNAPSHOT_ITEM) {
            rc = on_item(shape, &record, err);
        } else if (rc == 0 && record.type == SNAPSHOT_BAG_END && !shape->skip) {
            snapshot_complete_to(shape->writer, record.bag->complete_to);
        }
    }
    return rc;
}

/* --- the file --- */

static int begin(struct shape *shape, struct err *err)
{
    const struct exports_shaping *asked = shape->asked;
    struct snapshot_header header = *snapshot_header(shape->base);
    const struct snapshot_seal seal = {.secret_key = asked->secret_key,
                                       .password = asked->form->password,
                                       .choose = exports_choose,
                                       .context = &shape->catalogue};
    header.scope |= asked->form->personal ? SNAPSHOT_PERSONAL : 0;
    header.scope |= asked->form->groups ? SNAPSHOT_GROUPS : 0;
    return snapshot_begin(&shape->writer, asked->fd, "an export", &header, &seal, err);
}

int exports_shape(const struct exports_shaping *asked, struct snapshot_counts *counts,
                  struct err *err)
{
    ASSERT(asked != NULL && asked->form != NULL && counts != NULL);
    struct shape shape = {.asked = asked};
    const struct snapshot_keys keys = {.key = asked->key, .bytes_max = UINT64_MAX};
    shape.catalogue.read = true;
    int rc = snapshot_open(&shape.base, asked->base_fd, "what was prepared", err);
    if (rc == 0) {
        rc = snapshot_verify(shape.base, &keys, err);
    }
    if (rc == 0) {
        rc = begin(&shape, err);
    }
    if (rc == 0) {
        rc = copy(&shape, err);
    }
    if (rc == 0) {
        rc = snapshot_end(&shape.writer, counts, err);
    }
    snapshot_abort(&shape.writer);
    snapshot_close(&shape.base);
    admin_catalogue_free(&shape.catalogue);
    return rc;
}
