/* cli/output.h - results on standard output: a table for people, JSON or ndjson for programs.
 *
 * Commands collect their result whole and print it last, so that nothing stands on standard output
 * when they failed. Streams (watch, tail) print row by row instead.
 */
#ifndef KITBAG_CLI_OUTPUT_H
#define KITBAG_CLI_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NDJSON };

/* From -o; E_USAGE for an unknown one. */
MUST_CHECK int output_format(const struct invocation *invocation, enum output_format *format,
                             struct err *err);

/* A column of the table: a key of the row's object. Tables end with key == NULL. */
struct output_column {
    const char *key;
    const char *title;
    bool right; /* aligned to the right: numbers */
};

/* Print an array of objects. Table: only the columns, with titles; "(none)" to standard error when
 * it is empty. JSON: the array; ndjson: an object a line. `rows` is borrowed. */
void output_rows(enum output_format format, const struct output_column *columns, json_t *rows);
/* One object: "title: value" lines, or JSON. */
void output_object(enum output_format format, const struct output_column *columns, json_t *object);
/* One row of a stream, flushed: as ndjson, or the columns by tabs. */
void output_row(enum output_format format, const struct output_column *columns, json_t *row);

/* `bytes` under `key` of `object`: as text when they are UTF-8, else base64 under "<key>_base64".
 */
void output_set_bytes(json_t *object, const char *key, const void *bytes, size_t size);

/* Words to standard error, ended by a newline: with control characters made harmless, for names of
 * others stand in them. What is longer than 1 KiB is cut. */
void output_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Control characters, and those that turn the direction of text, each to a '?', in place. */
void output_clean(char *text);

/* A seq as JSON wants it: a string. */
json_t *output_seq(unsigned long long seq);

/* Progress of long work to a terminal's standard error; nothing elsewhere. `total` 0: unknown. */
void output_progress(const char *what, unsigned long long done, unsigned long long total);
void output_progress_end(void);

#endif
