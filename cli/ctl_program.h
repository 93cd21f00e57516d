/* cli/ctl_program.h - kitbagctl's table of commands: what the main function and the tests run. */
#ifndef KITBAG_CLI_CTL_PROGRAM_H
#define KITBAG_CLI_CTL_PROGRAM_H

#include "cli/command.h"

extern const struct program ctl_program;

#endif
