/* base/err.c - the list of error codes as tables, and the sentences. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct row {
    int code;
    int exit_code;
    const char *name;
    const char *meaning;
};

#define ERR_ROW(name, number, text, exit_code, meaning) {name, exit_code, text, meaning},
static const struct row rows[] = {ERR_LIST(ERR_ROW)};
#undef ERR_ROW

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static const struct row *row_of(int code)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].code == code) {
            return &rows[i];
        }
    }
    return NULL;
}

/* One line of whole characters: newlines become spaces, and a character that was cut goes. */
static void tidy(char *text, int length_wanted)
{
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\r') {
            *at = ' ';
        }
    }
    if (length_wanted < ERR_TEXT_MAX) {
        return;
    }
    size_t end = strlen(text);
    size_t start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start == 0 || (unsigned char)text[start - 1] < 0xc0) {
        return;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t tail = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (end - start < tail) {
        text[start - 1] = '\0';
    }
}

int err_set(struct err *err, int code, const char *format, ...)
{
    ASSERT(code < 0);
    ASSERT(format != NULL);
    if (err == NULL) {
        return code;
    }
    /* Into a copy first: an argument may be the old sentence itself. */
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (wanted < 0) {
        text[0] = '\0';
    }
    tidy(text, wanted);
    err->code = code;
    memcpy(err->text, text, sizeof text);
    return code;
}

static int code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return E_NOSPACE;
    case EACCES:
    case EPERM:
        return E_PERMISSION;
    case ENOENT:
        return E_NOT_FOUND;
    case ENOMEM:
        return E_NOMEM;
    case EIO:
        return E_IO;
    default:
        return E_SYSTEM;
    }
}

int err_sys(struct err *err, const char *operation, const char *thing)
{
    int number = errno;
    ASSERT(operation != NULL);
    ASSERT(thing != NULL);
    char buffer[128];
    const char *reason = strerror_r(number, buffer, sizeof buffer);
    return err_set(err, code_of_errno(number), "%s '%s': %s", operation, thing, reason);
}

int err_prefix(struct err *err, const char *format, ...)
{
    ASSERT(format != NULL);
    if (err == NULL) {
        return 0;
    }
    if (err->code == 0) {
        return 0;
    }
    char prefix[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    bool joined = len > 0 && (size_t)len < sizeof prefix && prefix[len - 1] == ' ';
    return err_set(err, err->code, "%s%s%s", len > 0 ? prefix : "", joined ? "" : ": ", err->text);
}

const char *err_name(int code)
{
    const struct row *row = row_of(code);
    return row != NULL ? row->name : "unknown";
}

int err_exit_code(int code)
{
    const struct row *row = row_of(code);
    return row != NULL ? row->exit_code : 1;
}

const char *err_meaning(int code)
{
    const struct row *row = row_of(code);
    return row != NULL ? row->meaning : "an unknown error";
}

int err_from_wire(unsigned long long number)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((unsigned long long)-rows[i].code == number) {
            return rows[i].code;
        }
    }
    return E_MALFORMED;
}

int err_from_name(const char *name)
{
    ASSERT(name != NULL);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return rows[i].code;
        }
    }
    return E_MALFORMED;
}
