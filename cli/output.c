/* cli/output.c - results on standard output: a table, JSON or ndjson. */
#include "cli/output.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

enum { COLUMNS_MAX = 24, CELL_MAX = 256, SAY_MAX = 1024 };

int output_format(const struct invocation *invocation, enum output_format *format, struct err *err)
{
    const char *text = invocation_option(invocation, "output");
    if (text == NULL || strcmp(text, "table") == 0) {
        *format = OUTPUT_TABLE;
    } else if (strcmp(text, "json") == 0) {
        *format = OUTPUT_JSON;
    } else if (strcmp(text, "ndjson") == 0) {
        *format = OUTPUT_NDJSON;
    } else {
        return err_set(err, E_USAGE, "-o takes table, json or ndjson, not '%s'", text);
    }
    return 0;
}

/* C0, DEL, C1, and what turns the direction of text (U+202A to 202E, U+2066 to 2069). */
static bool is_harmful(utf8proc_int32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x202a && rune <= 0x202e) ||
           (rune >= 0x2066 && rune <= 0x2069);
}

void output_clean(char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    char *to = text;
    while (*at != 0) {
        utf8proc_int32_t rune = 0;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &rune);
        bool whole = used > 0; /* else a character that was cut, or none of UTF-8 */
        used = whole ? used : 1;
        if (whole ? is_harmful(rune) : is_harmful(*at)) {
            *to++ = '?';
        } else {
            memmove(to, at, (size_t)used);
            to += used;
        }
        at += used;
    }
    *to = '\0';
}

void output_say(const char *format, ...)
{
    char text[SAY_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size <= 0) {
        return;
    }
    size = size < SAY_MAX ? size : SAY_MAX - 1;
    text[size - (text[size - 1] == '\n')] = '\0';
    output_clean(text);
    (void)fprintf(stderr, "%s\n", text);
}

/* A cell's text, control characters made harmless: values of others end on a terminal. */
static const char *cell(json_t *row, const char *key, char out[CELL_MAX])
{
    json_t *value = json_object_get(row, key);
    out[0] = '\0';
    if (json_is_string(value)) {
        (void)snprintf(out, CELL_MAX, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        (void)snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        (void)snprintf(out, CELL_MAX, "%s", json_is_true(value) ? "yes" : "no");
    }
    output_clean(out);
    return out;
}

/* Columns on a terminal, not bytes. */
static int width_of(const char *text)
{
    int width = 0;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at != 0) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t used = utf8proc_iterate(at, -1, &rune);
        if (used <= 0) { /* a character that was cut at the end of a cell */
            width++;
            at++;
            continue;
        }
        width += utf8proc_charwidth(rune);
        at += used;
    }
    return width;
}

static void print_padded(const char *text, int width, bool right, bool last)
{
    int pad = width - width_of(text);
    pad = pad > 0 ? pad : 0;
    if (right) {
        (void)printf("%*s%s", pad, "", text);
    } else {
        (void)printf("%s%*s", text, last ? 0 : pad, "");
    }
    (void)fputs(last ? "\n" : "  ", stdout);
}

static void print_table(const struct output_column *columns, json_t *rows)
{
    int widths[COLUMNS_MAX] = {0};
    char text[CELL_MAX];
    size_t i;
    json_t *row;
    for (int c = 0; columns[c].key != NULL; c++) {
        ASSERT(c < COLUMNS_MAX);
        widths[c] = width_of(columns[c].title);
        json_array_foreach(rows, i, row)
        {
            int width = width_of(cell(row, columns[c].key, text));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (int c = 0; columns[c].key != NULL; c++) {
        print_padded(columns[c].title, widths[c], columns[c].right, columns[c + 1].key == NULL);
    }
    json_array_foreach(rows, i, row)
    {
        for (int c = 0; columns[c].key != NULL; c++) {
            print_padded(cell(row, columns[c].key, text), widths[c], columns[c].right,
                         columns[c + 1].key == NULL);
        }
    }
}

static void print_json(json_t *value, size_t flags)
{
    (void)json_dumpf(value, stdout, flags);
    (void)fputc('\n', stdout);
}

void output_rows(enum output_format format, const struct output_column *columns, json_t *rows)
{
    size_t i;
    json_t *row;
    switch (format) {
    case OUTPUT_JSON:
        print_json(rows, JSON_INDENT(2));
        break;
    case OUTPUT_NDJSON:
        json_array_foreach(rows, i, row)
        {
            print_json(row, JSON_COMPACT);
        }
        break;
    case OUTPUT_TABLE:
        if (json_array_size(rows) == 0) {
            (void)fputs("(none)\n", stderr);
        } else {
            print_table(columns, rows);
        }
        break;
    }
}

void output_object(enum output_format format, const struct output_column *columns, json_t *object)
{
    if (format != OUTPUT_TABLE) {
        print_json(object, format == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
        return;
    }
    int widest = 0;
    char text[CELL_MAX];
    for (int c = 0; columns[c].key != NULL; c++) {
        int width = width_of(columns[c].title);
        widest = width > widest ? width : widest;
    }
    for (int c = 0; columns[c].key != NULL; c++) {
        if (cell(object, columns[c].key, text)[0] != '\0') {
            (void)printf("%s:%*s %s\n", columns[c].title, widest - width_of(columns[c].title), "",
                         text);
        }
    }
}

void output_row(enum output_format format, const struct output_column *columns, json_t *row)
{
    if (format != OUTPUT_TABLE) {
        print_json(row, JSON_COMPACT);
    } else {
        char text[CELL_MAX];
        int used = 0; /* columns behind the last one that says something are left out */
        for (int c = 0; columns[c].key != NULL; c++) {
            used = cell(row, columns[c].key, text)[0] != '\0' ? c + 1 : used;
        }
        for (int c = 0; c < used; c++) {
            (void)printf("%s%s", c > 0 ? "  " : "", cell(row, columns[c].key, text));
        }
        (void)fputc('\n', stdout);
    }
    (void)fflush(stdout);
}

void output_set_bytes(json_t *object, const char *key, const void *bytes, size_t size)
{
    bool has_nul = size > 0 && memchr(bytes, '\0', size) != NULL; /* no reader expects that */
    json_t *text = has_nul ? NULL : json_stringn(size > 0 ? bytes : "", size); /* or not UTF-8 */
    if (text != NULL) {
        (void)json_object_set_new(object, key, text);
        return;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "%s_base64", key);
    size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    char *encoded = malloc(room);
    if (encoded != NULL) {
        (void)sodium_bin2base64(encoded, room, bytes, size, sodium_base64_VARIANT_ORIGINAL);
        (void)json_object_set_new(object, name, json_string(encoded));
        free(encoded);
    }
}

json_t *output_seq(unsigned long long seq)
{
    return json_sprintf("%llu", seq);
}

void output_progress(const char *what, unsigned long long done, unsigned long long total)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    if (total > 0) {
        (void)fprintf(stderr, "\r%s: %llu of %llu (%llu %%)", what, done, total,
                      done * 100 / total);
    } else {
        (void)fprintf(stderr, "\r%s: %llu", what, done);
    }
}

void output_progress_end(void)
{
    if (isatty(STDERR_FILENO)) {
        (void)fputs("\r\033[K", stderr);
    }
}
