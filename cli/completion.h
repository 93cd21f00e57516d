/* cli/completion.h - completion for shells, made from the table of commands.
 *
 * Words of commands, their options, and the names that a command is about: when there is a command
 * "user ls" with an option --lines, then "user show" is completed by what it lists.
 */
#ifndef KITBAG_CLI_COMPLETION_H
#define KITBAG_CLI_COMPLETION_H

#include "cli/command.h"

/* The script for `shell` (bash, zsh, fish) to standard output. E_USAGE. */
MUST_CHECK int completion_print(const struct program *program, const char *shell, struct err *err);

#endif
