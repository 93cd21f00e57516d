/* tests/support/tmp_folder.c - mkdtemp, and a removal that goes into folders. */
#include "tests/support/tmp_folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

void tmp_folder_make(char out[TMP_FOLDER_MAX])
{
    const char *parent = getenv("TMPDIR");
    int len = snprintf(out, TMP_FOLDER_MAX, "%s/kitbag-test-XXXXXX",
                       parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    ASSERT(len > 0 && len < TMP_FOLDER_MAX);
    char *made = mkdtemp(out);
    ASSERT(made != NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void tmp_folder_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void tmp_folder_path(char out[TMP_FOLDER_MAX], const char *folder, const char *name)
{
    int len = snprintf(out, TMP_FOLDER_MAX, "%s/%s", folder, name);
    ASSERT(len > 0 && len < TMP_FOLDER_MAX);
}

void tmp_folder_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ASSERT(file != NULL);
    int rc = fputs(text, file);
    ASSERT(rc >= 0);
    rc = fclose(file);
    ASSERT(rc == 0);
}
