/* cli/secret.h - passwords: asked on the terminal without being shown, or read from a file.
 *
 * Never from the command line, where everybody on the machine sees them.
 */
#ifndef KITBAG_CLI_SECRET_H
#define KITBAG_CLI_SECRET_H

#include <stddef.h>

#include "base/err.h"

enum { SECRET_MAX = 1025 };

/* The first line of a file, "-": of standard input, without its end. The caller wipes `out`.
 * E_NOT_FOUND, E_PERMISSION, E_IO, E_INVALID (it is empty or too long). */
MUST_CHECK int secret_from_file(const char *path, char out[SECRET_MAX], struct err *err);

/* Asked for on the terminal, whatever standard input is. E_USAGE when there is none: the sentence
 * tells the `option` to use then. E_CLOSED when nothing was typed. */
MUST_CHECK int secret_ask(const char *question, const char *option, char out[SECRET_MAX],
                          struct err *err);
/* The same twice, for a new one. E_INVALID when they are not the same. */
MUST_CHECK int secret_ask_twice(const char *question, const char *option, char out[SECRET_MAX],
                                struct err *err);
void secret_wipe(char secret[SECRET_MAX]);

#endif
