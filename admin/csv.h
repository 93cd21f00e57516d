/* admin/csv.h - a reader of CSV (RFC 4180): people, one row each, from an open file.
 *
 * The first row names the columns, in any order and case: uid, name, kana, mail, fax, telephone,
 * organization, department, title; what other programs call them is known too ("e-mail", "phone",
 * "company"), and other columns are passed over. Several mail addresses or numbers in a cell are
 * parted by ';'. Cells are parted by ',', or by ';' or a tab when the first row has no comma. A
 * quoted cell may hold all of these, and line ends. An apostrophe before what would be a formula is
 * taken off (csv_write.h). Text is UTF-8.
 *
 * A row becomes the record that LDIF would have: objectClass person, and the values under the names
 * of LDAP. What is not CSV is told with its line and skipped. Memory is bounded.
 */
#ifndef KITBAG_ADMIN_CSV_H
#define KITBAG_ADMIN_CSV_H

#include "admin/record.h"

enum { CSV_COLUMNS_MAX = 256 };

struct admin_csv;

/* `fd` is borrowed and read from offset 0 with pread. */
MUST_CHECK int admin_csv_open(struct admin_csv **out, int fd, struct err *err);
void admin_csv_close(struct admin_csv **csv);

/* The next record, which lives until the next call. Rows without any text are passed over.
 *
 * Returns 0; E_NOT_FOUND at the end; E_MALFORMED or E_TOO_LARGE for a row that is left out, with a
 * sentence, and `out->line` the line it is about: the next call goes on behind it. E_FORMAT (the
 * first row names no column that is known, or it is no text), E_IO, E_NOMEM end it all.
 */
MUST_CHECK int admin_csv_next(struct admin_csv *csv, struct admin_record *out, struct err *err);

#endif
