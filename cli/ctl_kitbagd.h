/* cli/ctl_kitbagd.h - the server's own program, run for what only it knows and needs no server:
 * the one beside this program, else the one on PATH. It has to be on this machine.
 */
#ifndef KITBAG_CLI_CTL_KITBAGD_H
#define KITBAG_CLI_CTL_KITBAGD_H

#include <jansson.h>

#include "base/err.h"

/* Run `kitbagd WORDS...` (ended by NULL; the first is the program's name) and read the document
 * that it prints. Its failure is its own sentence and exit code; E_NOT_FOUND also when there is no
 * such program, E_MALFORMED when it printed no document. */
MUST_CHECK int ctl_kitbagd(const char *const words[], json_t **document, struct err *err);

#endif
