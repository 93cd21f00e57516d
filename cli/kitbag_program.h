/* cli/kitbag_program.h - kitbag's table of commands: what the main function and the tests run. */
#ifndef KITBAG_CLI_KITBAG_PROGRAM_H
#define KITBAG_CLI_KITBAG_PROGRAM_H

#include "cli/command.h"

extern const struct program kitbag_program;

#endif
