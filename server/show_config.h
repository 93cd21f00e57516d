/* server/show_config.h - which settings are in force, and where each of them came from. */
#ifndef KITBAG_SERVER_SHOW_CONFIG_H
#define KITBAG_SERVER_SHOW_CONFIG_H

#include "base/config.h"

/* A line each, "KEY = VALUE  (ORIGIN)", appended to `out`; the values as they were written. */
void show_config_text(const struct config *config, const struct config_key *keys, struct buf *out);
/* The same for programs: {"settings":[{"key","value","origin","default","help"}]} and a newline.
 * E_INVALID: a value is not UTF-8; E_NOMEM. */
MUST_CHECK int show_config_json(const struct config *config, const struct config_key *keys,
                                struct buf *out, struct err *err);

#endif
