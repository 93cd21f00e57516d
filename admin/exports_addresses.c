/* admin/exports_addresses.c - the address lists of a base, as a file for other programs. */
#include <string.h>

#include "admin/csv_write.h"
#include "admin/exports_inside.h"
#include "admin/ldif_write.h"
#include "admin/vcard_write.h"
#include "base/file.h"

enum { PIECE_BYTES = 256 << 10, TEXT_MAX_BYTES = 64 << 20, PATIENCE = 1024 };

struct lists {
    const struct admin_export_lists *asked;
    const struct exports_base *kept;
    struct snapshot_reader *base;
    struct admin_catalogue catalogue;
    struct buf text;
    uint64_t written;
    bool owner_told; /* the bag's owner stands in the file */
    int fd;
};

static int flush(struct lists *lists, struct err *err)
{
    int rc = buf_error(&lists->text);
    if (rc != 0) {
        return err_set(err, rc, "out of memory");
    }
    rc = file_write_at(lists->fd, lists->text.data, lists->text.size, (off_t)lists->written,
                       "an address list", err);
    lists->written += lists->text.size;
    buf_reset(&lists->text);
    return rc;
}

static void put_head(struct lists *lists)
{
    if (lists->asked->format == ADMIN_FORMAT_CSV) {
        admin_csv_put_head(&lists->text);
    } else if (lists->asked->format == ADMIN_FORMAT_LDIF) {
        admin_ldif_put_head(&lists->text, lists->asked->group);
    }
}

static void put_address(struct lists *lists, const struct admin_address *address)
{
    bool group = lists->asked->group;
    switch (lists->asked->format) {
    case ADMIN_FORMAT_CSV:
        admin_csv_put(&lists->text, address);
        break;
    case ADMIN_FORMAT_VCARD:
        admin_vcard_put(&lists->text, address);
        break;
    case ADMIN_FORMAT_LDIF:
        if (!lists->owner_told) {
            admin_ldif_put_owner(&lists->text, group, address->owner);
        }
        admin_ldif_put(&lists->text, group, address);
        break;
    }
    lists->owner_told = true;
}

static int on_item(struct lists *lists, const struct snapshot_record *record, struct err *err)
{
    const struct owner *owner = &record->bag->owner;
    enum owner_kind kind = lists->asked->group ? OWNER_GROUP : OWNER_USER;
    struct span prefix = lists->asked->group ? SPAN_LITERAL("address-list/group/")
                                             : SPAN_LITERAL("address-list/personal/");
    if (owner->kind != kind || record->row.state != ITEM_LIVE || record->path.size <= prefix.size ||
        memcmp(record->path.data, prefix.data, prefix.size) != 0 ||
        exports_choose(&lists->catalogue, owner, record->path) != SNAPSHOT_TAKE) {
        return 0;
    }
    struct admin_address address;
    admin_address_read(&address, owner->shown,
                       span_of(record->path.data + prefix.size, record->path.size - prefix.size),
                       record->row.value);
    put_address(lists, &address);
    admin_address_free(&address);
    lists->asked->addresses[0]++;
    return lists->text.size < PIECE_BYTES ? 0 : flush(lists, err);
}

static int read_all(struct lists *lists, struct err *err)
{
    struct snapshot_record record = {0};
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && record.type != SNAPSHOT_END; i++) {
        if (i % PATIENCE == 0 && atomic_load(lists->asked->given_up)) {
            return err_set(err, E_CLOSED, "nobody waits for the address list any more");
        }
        if (i % PATIENCE == 0) {
            rc = exports_check_room(lists->fd, lists->kept->reserve_bytes, err);
        }
        rc = rc == 0 ? snapshot_next(lists->base, &record, err) : rc;
        if (rc == 0 && record.type == SNAPSHOT_BAG) {
            lists->owner_told = false;
        } else if (rc == 0 && record.type == SNAPSHOT_ITEM) {
            rc = exports_learn(&lists->catalogue, &record, err);
            rc = rc == 0 ? on_item(lists, &record, err) : rc;
        }
    }
    return rc;
}

static int write_lists(struct lists *lists, struct err *err)
{
    const struct snapshot_keys keys = {.key = lists->kept->key, .bytes_max = UINT64_MAX};
    int rc = snapshot_open(&lists->base, lists->kept->fd, "what was prepared", err);
    if (rc == 0) {
        rc = snapshot_verify(lists->base, &keys, err);
    }
    if (rc == 0) {
        put_head(lists);
        rc = read_all(lists, err);
    }
    return rc == 0 ? flush(lists, err) : rc;
}

int exports_addresses(const struct admin_export_lists *asked, const struct exports_base *base,
                      int fd, uint64_t *size, struct err *err)
{
    ASSERT(asked != NULL && asked->addresses != NULL && base != NULL && size != NULL);
    struct lists lists = {.asked = asked, .kept = base, .fd = fd};
    lists.catalogue.read = true;
    buf_init(&lists.text, TEXT_MAX_BYTES);
    int rc = write_lists(&lists, err);
    *size = lists.written;
    buf_free(&lists.text);
    snapshot_close(&lists.base);
    admin_catalogue_free(&lists.catalogue);
    return rc;
}
