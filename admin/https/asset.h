/* admin/https/asset.h - a file of the console, as it lies in the program. */
#ifndef KITBAG_ADMIN_ASSET_H
#define KITBAG_ADMIN_ASSET_H

#include <stdbool.h>
#include <stddef.h>

struct admin_asset {
    const char *path; /* "/", "/app-1B2C3D4E.js"; the table ends with NULL */
    const char *type; /* "text/html; charset=utf-8" */
    const unsigned char *plain;
    size_t plain_size;
    const unsigned char *gzip; /* the same, compressed; NULL: it is not worth it */
    size_t gzip_size;
    const char *etag; /* without quotes, of printable ASCII */
    bool immutable;   /* its name changes with its content: a browser never asks again */
};

/* The console's files; the build makes them (admin/console). */
extern const struct admin_asset admin_console_assets[];

#endif
