/* tests/server/backup_fixture.h - a small server's journal, state and keys in a data folder, and a
 * folder of backups beside it.
 */
#ifndef KITBAG_TESTS_SERVER_BACKUP_FIXTURE_H
#define KITBAG_TESTS_SERVER_BACKUP_FIXTURE_H

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "server/backup.h"
#include "server/backup_verify.h"
#include "server/data_folder.h"
#include "server/removals.h"
#include "tests/server/fixture.h"

struct ground {
    char dir[TMP_FOLDER_MAX];
    char folder[TMP_FOLDER_MAX]; /* of backups */
    struct fixture *fx;          /* its folder is the data folder, dir/data */
    struct sign_pair sign;
    struct backup_source source;
    struct backup_place place;
    struct admin_backup_report report; /* of the newest backup */
};

UNUSED static void ground_open(struct ground *ground)
{
    struct err err = {0};
    int lock = -1;
    log_set_level(LOG_ERROR + 1);
    *ground = (struct ground){0};
    tmp_folder_make(ground->dir);
    tmp_folder_path(ground->folder, ground->dir, "backups");
    ground->fx = fx_new();
    tmp_folder_remove(ground->fx->dir);
    tmp_folder_path(ground->fx->dir, ground->dir, "data");
    assert_int_equal(data_folder_open(ground->fx->dir, &lock, &err), 0);
    assert_int_equal(close(lock), 0);
    char keys[TMP_FOLDER_MAX];
    struct key_pair curve;
    tmp_folder_path(keys, ground->fx->dir, "keys");
    assert_int_equal(keys_load_server(keys, &curve, &ground->sign, &err), 0);
    fx_open(ground->fx);
    ground->source = (struct backup_source){.journal = ground->fx->journal,
                                            .kv = ground->fx->kv,
                                            .data_dir = ground->fx->dir,
                                            .server = ground->sign.public_key};
}

UNUSED static void ground_close(struct ground *ground)
{
    fx_close(ground->fx, true);
    unpack_close(&ground->fx->unpacked);
    free(ground->fx);
    tmp_folder_remove(ground->dir);
}

UNUSED static void ground_put(struct ground *ground, const char *user, const char *value)
{
    assert_int_equal(fx_submit(ground->fx, SUBMIT_WRITE, user, "a", value).code, 0);
}

UNUSED static int ground_try(struct ground *ground, struct err *err)
{
    int rc = backup_place_find(&ground->place, ground->folder, ground->fx->dir,
                               ground->sign.public_key, err);
    rc = rc != 0 ? rc : backup_place_make(&ground->place, ground->sign.public_key, err);
    return rc != 0 ? rc : backup_make(&ground->source, &ground->place, NULL, &ground->report, err);
}

UNUSED static void ground_backup(struct ground *ground)
{
    struct err err = {0};
    int rc = ground_try(ground, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
}

/* "sub/name" in the newest backup. */
UNUSED static void ground_file(const struct ground *ground, const char *name, char out[PATH_MAX])
{
    assert_int_equal(path_join(out, PATH_MAX, ground->report.path, name), 0);
}

UNUSED static uint64_t ground_head(const struct ground *ground)
{
    struct journal_position head;
    journal_head(ground->fx->journal, &head);
    return head.seq;
}

/* One bit of the file is another one. The file is written anew: others that share it stay. */
UNUSED static void ground_damage(const char *path)
{
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    assert_int_equal(file_read(path, &bytes, NULL), 0);
    assert_true(bytes.size > 0);
    bytes.data[bytes.size / 2] ^= 1;
    assert_int_equal(file_replace(path, bytes.data, bytes.size, 0600, NULL), 0);
    buf_free(&bytes);
}

#endif
