/* admin/csv.c - rows of cells, and the columns that say what they are. */
#include "admin/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/lines.h"

/* What a column is. */
struct meaning {
    const char *title; /* as written in the first row, in any case */
    const char *name;  /* of LDAP */
    const char *options;
    bool list; /* of several values, parted by ';' */
};

static const struct meaning meanings[] = {
    {"uid", "uid", "", false},
    {"user", "uid", "", false},
    {"user name", "uid", "", false},
    {"username", "uid", "", false},
    {"login", "uid", "", false},
    {"name", "cn", "", false},
    {"cn", "cn", "", false},
    {"display name", "cn", "", false},
    {"displayname", "cn", "", false},
    {"full name", "cn", "", false},
    {"kana", "cn", ";phonetic", false},
    {"furigana", "cn", ";phonetic", false},
    {"phonetic", "cn", ";phonetic", false},
    {"mail", "mail", "", true},
    {"email", "mail", "", true},
    {"e-mail", "mail", "", true},
    {"e-mail address", "mail", "", true},
    {"email address", "mail", "", true},
    {"fax", "facsimileTelephoneNumber", "", true},
    {"fax number", "facsimileTelephoneNumber", "", true},
    {"facsimiletelephonenumber", "facsimileTelephoneNumber", "", true},
    {"telephone", "telephoneNumber", "", true},
    {"telephonenumber", "telephoneNumber", "", true},
    {"phone", "telephoneNumber", "", true},
    {"phone number", "telephoneNumber", "", true},
    {"tel", "telephoneNumber", "", true},
    {"organization", "o", "", false},
    {"organisation", "o", "", false},
    {"company", "o", "", false},
    {"o", "o", "", false},
    {"department", "ou", "", false},
    {"ou", "ou", "", false},
    {"title", "title", "", false},
    {"job title", "title", "", false},
};

/* Of a cell, in `bytes`. */
struct cell {
    size_t at, size;
};

/* Where the parser stands within a row. */
enum place {
    CELL_BEGINS,
    CELL_PLAIN,
    CELL_QUOTED,
    CELL_QUOTE_ENDED, /* a quote within quotes: the end, or the first of two */
};

struct admin_csv {
    struct admin_lines lines;
    char separator; /* 0: the first row was not read yet */
    size_t column_count;
    const struct meaning *columns[CSV_COLUMNS_MAX]; /* NULL: passed over */
    struct buf bytes;                               /* of a row's cells */
    struct cell cells[CSV_COLUMNS_MAX];
    size_t cell_count;
    uint64_t line; /* where the row begins */
    struct record_maker record;
};

int admin_csv_open(struct admin_csv **out, int fd, struct err *err)
{
    ASSERT(out != NULL && fd >= 0);
    struct admin_csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL) {
        return err_set(err, E_NOMEM, "out of memory");
    }
    admin_lines_open(&csv->lines, fd, "the CSV file", "", RECORD_MAX_BYTES);
    buf_init(&csv->bytes, RECORD_MAX_BYTES);
    record_maker_init(&csv->record);
    *out = csv;
    return 0;
}

void admin_csv_close(struct admin_csv **csv)
{
    if (csv == NULL || *csv == NULL) {
        return;
    }
    admin_lines_close(&(*csv)->lines);
    buf_free(&(*csv)->bytes);
    record_maker_free(&(*csv)->record);
    free(*csv);
    *csv = NULL;
}

/* --- a row --- */

static void fault(struct admin_csv *csv, int code, const char *sentence)
{
    record_fault(&csv->record, csv->lines.line, code, sentence);
}

static void begin_cell(struct admin_csv *csv)
{
    if (csv->cell_count == CSV_COLUMNS_MAX) {
        fault(csv, E_TOO_LARGE, "the row has more than 256 cells");
        return;
    }
    csv->cells[csv->cell_count++] = (struct cell){.at = csv->bytes.size};
}

static void put_byte(struct admin_csv *csv, uint8_t byte)
{
    if (buf_append_u8(&csv->bytes, byte) == 0) { /* else the row is too large, and left out */
        csv->cells[csv->cell_count - 1].size++;
    }
}

static enum place read_byte(struct admin_csv *csv, enum place place, uint8_t byte)
{
    bool separator = byte == (uint8_t)csv->separator;
    if (place == CELL_QUOTED) {
        if (byte == '"') {
            return CELL_QUOTE_ENDED;
        }
        put_byte(csv, byte);
        return place;
    }
    if (separator) {
        begin_cell(csv);
        return CELL_BEGINS;
    }
    if (byte == '"' && place == CELL_BEGINS) {
        return CELL_QUOTED;
    }
    if (byte == '"' && place == CELL_QUOTE_ENDED) {
        put_byte(csv, byte);
        return CELL_QUOTED;
    }
    if (byte == '"' || place == CELL_QUOTE_ENDED) {
        fault(csv, E_MALFORMED,
              byte == '"' ? "a quote within a cell that does not begin with one"
                          : "text behind the quote that ends a cell");
    }
    put_byte(csv, byte);
    return CELL_PLAIN;
}

/* A comma anywhere in the first row is what parts its cells. */
static char separator_of(struct span line)
{
    static const char known[] = {',', ';', '\t'};
    for (size_t i = 0; i < sizeof known; i++) {
        if (line.size > 0 && memchr(line.data, known[i], line.size) != NULL) {
            return known[i];
        }
    }
    return ',';
}

/* The line that was read, as a part of the row. */
static enum place read_line(struct admin_csv *csv, enum place place)
{
    struct span text = buf_span(&csv->lines.text);
    if (buf_error(&csv->lines.text) != 0) {
        fault(csv, buf_error(&csv->lines.text), "the row is larger than 4 MiB");
    }
    if (csv->separator == 0) {
        csv->separator = separator_of(text);
    }
    for (size_t i = 0; i < text.size && csv->record.fault == 0; i++) {
        place = read_byte(csv, place, text.data[i]);
    }
    return place;
}

/* All of a row, over the line ends within quotes. E_NOT_FOUND at the end. */
static int read_row(struct admin_csv *csv, struct err *err)
{
    int rc = admin_lines_next(&csv->lines, err);
    if (rc != 0) {
        return rc;
    }
    csv->line = csv->lines.line;
    record_begin(&csv->record, csv->line);
    buf_reset(&csv->bytes);
    csv->cell_count = 0;
    begin_cell(csv);
    enum place place = read_line(csv, CELL_BEGINS);
    while (place == CELL_QUOTED && csv->record.fault == 0) {
        if (csv->lines.crlf) {
            put_byte(csv, '\r');
        }
        put_byte(csv, '\n');
        rc = admin_lines_next(&csv->lines, err);
        if (rc != 0) {
            record_fault(&csv->record, csv->line, E_MALFORMED,
                         "a quote that is opened in this row is never closed");
            return rc == E_NOT_FOUND ? 0 : rc;
        }
        if (buf_error(&csv->bytes) != 0) {
            record_fault(&csv->record, csv->line, E_TOO_LARGE, "the row is larger than 4 MiB");
        }
        place = read_line(csv, place);
    }
    return buf_error(&csv->bytes) == E_NOMEM || buf_error(&csv->lines.text) == E_NOMEM
               ? err_set(err, E_NOMEM, "out of memory")
               : 0;
}

static struct span text_of(const struct admin_csv *csv, size_t column)
{
    const struct cell *cell = &csv->cells[column];
    return cell->size > 0 ? span_of(csv->bytes.data + cell->at, cell->size) : span_of(NULL, 0);
}

/* --- the first row --- */

static const struct meaning *meaning_of(struct span title)
{
    title = span_trim(title);
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (title.size == strlen(meanings[i].title) &&
            strncasecmp((const char *)title.data, meanings[i].title, title.size) == 0) {
            return &meanings[i];
        }
    }
    return NULL;
}

static bool is_utf16(struct span text)
{
    return text.size >= 2 &&
           (memcmp(text.data, "\xff\xfe", 2) == 0 || memcmp(text.data, "\xfe\xff", 2) == 0);
}

/* Nothing of the file makes sense without it. */
static int read_titles(struct admin_csv *csv, struct err *err)
{
    int rc = read_row(csv, err);
    if (rc == 0 && is_utf16(buf_span(&csv->bytes))) {
        rc = err_set(err, E_FORMAT, "the file is UTF-16 text: save it as CSV in UTF-8");
    }
    if (rc != 0) {
        return rc;
    }
    bool names = false;
    for (size_t i = 0; i < csv->cell_count; i++) {
        csv->columns[i] = meaning_of(text_of(csv, i));
        names = names || (csv->columns[i] != NULL && (strcmp(csv->columns[i]->name, "uid") == 0 ||
                                                      strcmp(csv->columns[i]->name, "mail") == 0 ||
                                                      strcmp(csv->columns[i]->name, "cn") == 0));
    }
    csv->column_count = csv->cell_count;
    if (csv->record.fault != 0) {
        return err_set(err, E_FORMAT, "line 1: %s", csv->record.fault_err.text);
    }
    return names ? 0
                 : err_set(err, E_FORMAT,
                           "line 1: the first row has to name the columns, and one of uid, mail "
                           "and name among them");
}

/* --- rows as records --- */

static bool is_empty(const struct admin_csv *csv)
{
    for (size_t i = 0; i < csv->cell_count && csv->record.fault == 0; i++) {
        if (span_trim(text_of(csv, i)).size > 0) {
            return false;
        }
    }
    return csv->record.fault == 0;
}

static const char formula_begins[] = {'=', '+', '-', '@', '\t', '\r', '\n'};

/* The apostrophe by which whoever wrote it kept spreadsheets from taking it for a formula. */
static struct span without_guard(struct span value)
{
    size_t quotes = 0;
    while (quotes < value.size && value.data[quotes] == '\'') {
        quotes++;
    }
    bool guarded = quotes > 0 && quotes < value.size &&
                   memchr(formula_begins, value.data[quotes], sizeof formula_begins) != NULL;
    return guarded ? span_of(value.data + 1, value.size - 1) : value;
}

static int add_value(struct admin_csv *csv, const struct meaning *meaning, struct span value)
{
    value = without_guard(span_trim(value));
    return value.size == 0
               ? 0
               : record_add(&csv->record, meaning->name, meaning->options, value, csv->line);
}

static int add_cell(struct admin_csv *csv, const struct meaning *meaning, struct span text)
{
    int rc = 0;
    while (meaning->list && text.size > 0 && rc == 0) {
        const uint8_t *end = memchr(text.data, ';', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) : text.size;
        rc = add_value(csv, meaning, span_of(text.data, size));
        size += end != NULL;
        text = span_of(text.data + size, text.size - size);
    }
    return meaning->list ? rc : add_value(csv, meaning, text);
}

static void check_row(struct admin_csv *csv)
{
    struct span bytes = buf_span(&csv->bytes);
    char sentence[96];
    if (csv->record.fault == 0 && csv->cell_count != csv->column_count) {
        (void)snprintf(sentence, sizeof sentence, "the row has %zu cells, the first one has %zu",
                       csv->cell_count, csv->column_count);
        record_fault(&csv->record, csv->line, E_MALFORMED, sentence);
    }
    if (!record_is_text(bytes)) {
        record_fault(&csv->record, csv->line, E_MALFORMED,
                     "the row is not UTF-8 text: save the file as CSV in UTF-8");
    }
}

int admin_csv_next(struct admin_csv *csv, struct admin_record *out, struct err *err)
{
    ASSERT(csv != NULL && out != NULL);
    int rc = csv->separator == 0 ? read_titles(csv, err) : 0;
    do {
        rc = rc == 0 ? read_row(csv, err) : rc;
    } while (rc == 0 && is_empty(csv));
    if (rc != 0) {
        return rc;
    }
    check_row(csv);
    rc = record_add(&csv->record, "objectClass", "", SPAN_LITERAL("person"), csv->line);
    for (size_t i = 0; i < csv->cell_count && rc == 0 && csv->record.fault == 0; i++) {
        if (csv->columns[i] != NULL) {
            rc = add_cell(csv, csv->columns[i], text_of(csv, i));
        }
    }
    return rc == 0 ? record_finish(&csv->record, out, err) : err_set(err, E_NOMEM, "out of memory");
}
