/* cli/kitbag_settings.h - the settings of a client machine's program. */
#ifndef KITBAG_CLI_KITBAG_SETTINGS_H
#define KITBAG_CLI_KITBAG_SETTINGS_H

#include "base/config.h"
#include "cli/command.h"

/* client.data, client.socket, client.log_level, ... */
extern const struct config_key kitbag_keys[];

/* Defaults, /etc/kitbag/kitbag.conf (or --config), conf.d, the environment, --data and --socket. */
MUST_CHECK int kitbag_settings(const struct invocation *invocation, struct config **out,
                               struct err *err);

#endif
