/* tests/cli/joined.h - a machine that has joined a server which is not there. */
#ifndef KITBAG_TESTS_CLI_JOINED_H
#define KITBAG_TESTS_CLI_JOINED_H

#include "client/identity.h"
#include "client/replica.h"
#include "tests/cli/run_kitbag.h"

/* The folder of a machine that has joined, is stopped, and had to fetch two bags anew. */
static inline void make_joined(void)
{
    char path[TMP_FOLDER_MAX];
    uint8_t healed[8] = {0, 0, 0, 0, 0, 0, 0, 2};
    struct replica *replica = NULL;
    struct identity identity = {
        .has_keys = true, .device = 0x77, .address_count = 1, .name = "copier"};
    assert_int_equal(run_kitbag("login", "zoe", NULL), 0);
    key_pair_make(&identity.keys);
    memcpy(identity.addresses[0], "127.0.0.1:1", sizeof "127.0.0.1:1");
    tmp_folder_path(path, ran.data, "identity");
    assert_int_equal(identity_store(&identity, path, NULL), 0);
    tmp_folder_path(path, ran.data, "replica");
    assert_int_equal(replica_open(&replica, path, 64 << 20, NULL), 0);
    assert_int_equal(replica_note_set(replica, "healed", span_of(healed, 8), NULL), 0);
    replica_close(&replica);
}

#endif
