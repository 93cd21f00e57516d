/* tests/support/tmp_folder.h - a folder of a test's own, under $TMPDIR or /tmp. */
#ifndef KITBAG_TESTS_SUPPORT_TMP_FOLDER_H
#define KITBAG_TESTS_SUPPORT_TMP_FOLDER_H

enum { TMP_FOLDER_MAX = 512 };

/* Makes it and writes its path. */
void tmp_folder_make(char out[TMP_FOLDER_MAX]);

/* Removes it with all that is in it. */
void tmp_folder_remove(const char *path);

/* Writes "<folder>/<name>" to `out`. */
void tmp_folder_path(char out[TMP_FOLDER_MAX], const char *folder, const char *name);

/* Makes or replaces the file at `path` with `text`. */
void tmp_folder_write(const char *path, const char *text);

#endif
