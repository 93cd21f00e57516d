/* cli/command.h - one table of commands, from which parsing, help and completion are made.
 *
 * A row gives a verb's words, what stands behind them, its help and its function. Options may stand
 * before or after the verb; `--` ends them. Commands return a code of base/err.h; the program exits
 * with the number that belongs to it and prints the sentence to standard error.
 */
#ifndef KITBAG_CLI_COMMAND_H
#define KITBAG_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { OPTIONS_GIVEN_MAX = 1024 }; /* 500 users and 50 groups are named by as many */

/* Tables end with a row whose name is NULL. */
struct option_spec {
    const char *name;  /* "if-seq", without dashes */
    char letter;       /* 'o', or 0 */
    const char *value; /* its value in help ("N"); "[=N]": may be left out; NULL: takes none */
    const char *help;
};

struct invocation;
typedef int command_fn(const struct invocation *invocation, struct err *err);

struct command {
    const char *words;    /* "user rm" */
    const char *syntax;   /* "NAME...", "" when nothing follows */
    const char *help;     /* one sentence */
    const char *examples; /* lines behind the program's name, each ended by a newline; or NULL */
    const struct option_spec *options; /* its own, besides the program's; or NULL */
    int args_min;
    int args_max; /* -1: any number */
    command_fn *run;
};

struct program {
    const char *name;
    const char *about;                 /* one or two sentences */
    const struct option_spec *options; /* of every command */
    const struct command *commands;    /* ends with words == NULL */
    const char *footer;                /* last lines of the help; or NULL */
};

/* What was asked for. Borrowed for the command's call. */
struct invocation {
    const struct program *program;
    const struct command *command;
    int arg_count;
    char *const *args;
    size_t given_count;
    struct {
        const struct option_spec *option;
        const char *value;
    } given[OPTIONS_GIVEN_MAX];
};

/* The last value of an option ("" for one without a value), or NULL when it was not given. */
const char *invocation_option(const struct invocation *invocation, const char *name);
bool invocation_has(const struct invocation *invocation, const char *name);
/* The i-th value of an option that may be repeated, NULL behind the last. */
const char *invocation_option_at(const struct invocation *invocation, const char *name, size_t i);

/* Parse, run, report: the whole of main. Handles --help, --version and `completion bash|zsh|fish`
 * by itself. Returns the exit code. */
int command_main(const struct program *program, int argc, char **argv);

/* Ask a person "TEXT [y/N] " on the terminal. True when `--yes` was given or they said yes; false
 * with E_USAGE in `err` when there is no terminal to ask on, E_CLOSED when they said no. */
bool command_confirm(const struct invocation *invocation, const char *text, struct err *err);

/* Of a verb that can't be tried without being done: E_USAGE when --dry-run was given. */
MUST_CHECK int command_no_dry_run(const struct invocation *invocation, struct err *err);

#endif
