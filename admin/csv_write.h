/* admin/csv_write.h - a writer of CSV (RFC 4180): addresses, one row each.
 *
 * UTF-8 with a byte order mark, without which spreadsheets take it for something else. The columns
 * are owner (whose list it is), uid (the address's own ID) and those of csv.h; several mail
 * addresses or numbers are parted by ';'.
 *
 * No cell is a formula: what begins with =, +, -, @ or a control character gets an apostrophe in
 * front, which our reader takes off again. Telephone numbers (+ and digits alone) stay as they are:
 * they do nothing, and other programs dial them.
 */
#ifndef KITBAG_ADMIN_CSV_WRITE_H
#define KITBAG_ADMIN_CSV_WRITE_H

#include "admin/address.h"

/* Appended; errors stay in the buffer. */
void admin_csv_put_head(struct buf *out);
void admin_csv_put(struct buf *out, const struct admin_address *address);

#endif
