/* journal/folder.c - the files of a journal's folder, by their names. */
#include "journal/folder.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define NAME_DIGITS 20U

/* The seq in a segment's name; 0 (which no segment begins with) for any other name. */
static uint64_t seq_of_name(const char *name)
{
    if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, ".kbj") != 0) {
        return 0;
    }
    errno = 0;
    unsigned long long seq = strtoull(name, NULL, 10);
    return errno == 0 ? seq : 0;
}

static int add(struct folder *folder, uint64_t seq, struct err *err)
{
    uint64_t *seqs = realloc(folder->seqs, (folder->count + 1) * sizeof *seqs);
    if (seqs == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    folder->seqs = seqs;
    folder->seqs[folder->count++] = seq;
    return 0;
}

static int by_seq(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int folder_list(struct folder *out, const char *dir, struct err *err)
{
    ASSERT(out != NULL && dir != NULL);

    struct folder folder = {0};
    int rc = 0;
    DIR *stream = opendir(dir);
    if (stream == NULL) {
        return err_sys(err, "open", dir);
    }
    while (rc == 0) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            rc = errno == 0 ? 0 : err_sys(err, "read", dir);
            break;
        }
        uint64_t seq = seq_of_name(entry->d_name);
        if (seq != 0) {
            rc = add(&folder, seq, err);
        }
    }
    (void)closedir(stream); /* only read from */
    if (rc != 0) {
        folder_free(&folder);
        return rc;
    }
    if (folder.count > 0) {
        qsort(folder.seqs, folder.count, sizeof *folder.seqs, by_seq);
    }
    *out = folder;
    return 0;
}

void folder_free(struct folder *folder)
{
    if (folder == NULL) {
        return;
    }
    free(folder->seqs);
    *folder = (struct folder){0};
}

int folder_segment_path(char out[PATH_MAX], const char *dir, uint64_t seq, struct err *err)
{
    ASSERT(out != NULL && dir != NULL);
    char name[NAME_DIGITS + 8];
    (void)snprintf(name, sizeof name, "%020" PRIu64 ".kbj", seq); /* fits */
    int rc = path_join(out, PATH_MAX, dir, name);
    return rc == 0 ? 0 : err_set(err, rc, "path too long: '%.40s...'", dir);
}

/* The same history with the same past, or one that was begun right behind it. */
static bool goes_on(const struct segment_id *id, const struct segment_id *before)
{
    struct lineage expected = before->lineage;
    if (memcmp(id->history, before->history, HISTORY_SIZE) != 0) {
        lineage_add(&expected, before->history, id->base_seq - 1);
    }
    if (id->lineage.count != expected.count) {
        return false;
    }
    for (uint32_t i = 0; i < expected.count; i++) {
        if (id->lineage.of[i].last_seq != expected.of[i].last_seq ||
            memcmp(id->lineage.of[i].history, expected.of[i].history, HISTORY_SIZE) != 0) {
            return false;
        }
    }
    return true;
}

const char *folder_check_id(const struct segment_id *id, uint64_t seq,
                            const struct segment_id *before)
{
    if (id->purpose != SEGMENT_JOURNAL && id->purpose != SEGMENT_MIRROR) {
        return "it is no file of a server's journal";
    }
    if (id->base_seq != seq) {
        return "it does not begin with the change that its name tells";
    }
    return before == NULL || goes_on(id, before) ? NULL : "it belongs to another history";
}
