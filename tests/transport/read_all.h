/* tests/transport/read_all.h - reads a message to the last element, as a receiver would. */
#ifndef KITBAG_TESTS_TRANSPORT_READ_ALL_H
#define KITBAG_TESTS_TRANSPORT_READ_ALL_H

#include "journal/change.h"
#include "transport/wire.h"

static inline int read_operations(const struct wire_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct operation operation;
        int rc = operation_decode(wire_object_at(list, i), &operation, err);
        if (rc != 0) {
            return rc;
        }
        (void)operation_hash(&operation);
        for (size_t j = 0; j < operation.write_count; j++) {
            struct operation_write item;
            rc = operation_write_at(&operation, j, &item);
            ASSERT(rc == 0);
        }
    }
    return 0;
}

static inline int read_changes(const struct wire_list *list, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < list->count && rc == 0; i++) {
        struct change change = {0};
        rc = change_decode(wire_object_at(list, i), CHANGE_STREAM, &change, err);
    }
    return rc;
}

static inline void read_elements(const struct wire_message *message)
{
    struct span path;
    struct item_row row;
    for (size_t i = 0; message->type == WIRE_SIGN_IN && i < message->sign_in.groups.count; i++) {
        (void)wire_group_at(&message->sign_in.groups, i);
    }
    for (size_t i = 0; message->type == WIRE_FOLLOW && i < message->follow.bags.count; i++) {
        (void)wire_bag_at(&message->follow.bags, i);
    }
    for (size_t i = 0; message->type == WIRE_UNFOLLOW && i < message->unfollow.bags.count; i++) {
        (void)wire_id_at(&message->unfollow.bags, i);
    }
    for (size_t i = 0; message->type == WIRE_SIGNED_IN && i < message->signed_in.bags.count; i++) {
        (void)wire_owner_at(&message->signed_in.bags, i);
    }
    for (size_t i = 0; message->type == WIRE_OUTCOME && i < message->outcome.entries.count; i++) {
        (void)wire_outcome_at(&message->outcome.entries, i);
    }
    for (size_t i = 0; message->type == WIRE_PAGE && i < message->page.rows.count; i++) {
        wire_row_at(&message->page.rows, i, &path, &row);
    }
}

/* Returns what wire_decode, or decoding what the message carries, returned. */
static inline int read_all(struct span bytes, struct unpacked *scratch, struct err *err)
{
    struct wire_message message;
    int rc = wire_decode(bytes, scratch, &message, err);
    if (rc != 0) {
        return rc;
    }
    read_elements(&message);
    if (message.type == WIRE_WRITE) {
        return read_operations(&message.write.operations, err);
    }
    return message.type == WIRE_LIVE ? read_changes(&message.live.changes, err) : 0;
}

#endif
