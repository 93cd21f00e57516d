/* cli/ctl_saved.h - saved sign-ins: the servers that an administrator knows, and how each of them
 * lets them in.
 *
 * One JSON file, $XDG_CONFIG_HOME/kitbag/kitbagctl.json (~/.config/kitbag/...), for its owner
 * alone: whoever reads it is let in as its owner is.
 *
 *   {"server": "https://localhost:8444",             the one that is meant when none is named
 *    "servers": {"https://localhost:8444": {
 *      "fingerprint": "AB:CD:...",                   of its certificate, when nobody vouches for it
 *      "ca_file": "/etc/company-ca.pem",             who vouches for it, when the system does not
 *      "name": "admin", "cookie": "...", "csrf": "..."}}}   while signed in
 */
#ifndef KITBAG_CLI_CTL_SAVED_H
#define KITBAG_CLI_CTL_SAVED_H

#include <jansson.h>

#include "base/err.h"

/* The file's document (new), an empty one when there is no file. E_NOT_ALLOWED (others may read
 * it), E_MALFORMED, E_IO. */
MUST_CHECK int ctl_saved_read(json_t **out, struct err *err);
/* Put in place of what the file held; makes its folder. */
MUST_CHECK int ctl_saved_write(const json_t *saved, struct err *err);

/* Of a server: a member's text, "" when there is none; borrowed from `saved`. */
const char *ctl_saved_text(const json_t *saved, const char *url, const char *member);
/* Set it ("" removes it), and know the server from here on. E_NOMEM. */
MUST_CHECK int ctl_saved_set(json_t *saved, const char *url, const char *member, const char *text);
/* The server that is meant when none is named; "" when there is none. */
const char *ctl_saved_current(const json_t *saved);

#endif
