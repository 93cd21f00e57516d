/* cli/command.c - parsing and help from the table of commands. */
#include "cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/completion.h"
#include "cli/output.h"

enum { LONG_OPTIONS_MAX = 96, WORDS_MAX = 3, FIRST_OPTION = 256 };

static const struct option_spec builtin_options[] = {
    {"help", 'h', NULL, "show this help"},
    {"version", 0, NULL, "show the version"},
    {NULL, 0, NULL, NULL},
};

/* All options of the program as getopt wants them, and back. */
struct option_table {
    struct option longs[LONG_OPTIONS_MAX + 1];
    const struct option_spec *specs[LONG_OPTIONS_MAX];
    char shorts[2 * LONG_OPTIONS_MAX + 2];
    size_t count;
    size_t shorts_size;
};

static void table_add(struct option_table *table, const struct option_spec *specs)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        bool known = false;
        for (size_t i = 0; i < table->count; i++) {
            known = known || strcmp(table->specs[i]->name, specs->name) == 0;
        }
        if (known) {
            continue;
        }
        ASSERT(table->count < LONG_OPTIONS_MAX);
        int has_arg = specs->value == NULL     ? no_argument
                      : specs->value[0] == '[' ? optional_argument
                                               : required_argument;
        table->longs[table->count] =
            (struct option){specs->name, has_arg, NULL, FIRST_OPTION + (int)table->count};
        table->specs[table->count++] = specs;
        if (specs->letter != 0) {
            table->shorts[table->shorts_size++] = specs->letter;
            if (specs->value != NULL) {
                table->shorts[table->shorts_size++] = ':';
            }
        }
    }
}

static void table_fill(struct option_table *table, const struct program *program)
{
    table_add(table, builtin_options);
    table_add(table, program->options);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        table_add(table, c->options);
    }
}

static const struct option_spec *table_find(const struct option_table *table, int given)
{
    if (given >= FIRST_OPTION) {
        return table->specs[given - FIRST_OPTION];
    }
    for (size_t i = 0; i < table->count; i++) {
        if (table->specs[i]->letter == given) {
            return table->specs[i];
        }
    }
    return NULL;
}

static bool option_in(const struct option_spec *specs, const char *name)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        if (strcmp(specs->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *invocation_option_at(const struct invocation *invocation, const char *name, size_t i)
{
    for (size_t g = 0; g < invocation->given_count; g++) {
        if (strcmp(invocation->given[g].option->name, name) == 0 && i-- == 0) {
            return invocation->given[g].value;
        }
    }
    return NULL;
}

const char *invocation_option(const struct invocation *invocation, const char *name)
{
    const char *value = NULL;
    for (size_t g = 0; g < invocation->given_count; g++) {
        if (strcmp(invocation->given[g].option->name, name) == 0) {
            value = invocation->given[g].value;
        }
    }
    return value;
}

bool invocation_has(const struct invocation *invocation, const char *name)
{
    return invocation_option(invocation, name) != NULL;
}

/* How many of `args` are the words of the command, 0 when they are not. */
static int words_match(const char *words, int count, char *const *args)
{
    int used = 0;
    while (*words != '\0') {
        size_t size = strcspn(words, " ");
        if (used == count || strlen(args[used]) != size || memcmp(args[used], words, size) != 0) {
            return 0;
        }
        used++;
        words += size;
        words += strspn(words, " ");
    }
    return used;
}

static const struct command *find_command(const struct program *program, int count,
                                          char *const *args, int *used)
{
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        *used = words_match(c->words, count, args);
        if (*used > 0) {
            return c;
        }
    }
    return NULL;
}

/* --- help --- */

static void print_options(FILE *out, const struct option_spec *specs)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        char left[64];
        char letter[8] = "    ";
        if (specs->letter != 0) {
            (void)snprintf(letter, sizeof letter, "-%c, ", specs->letter);
        }
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, specs->name,
                       specs->value != NULL && specs->value[0] != '[' ? " " : "",
                       specs->value != NULL ? specs->value : "");
        (void)fprintf(out, "  %-26s %s\n", left, specs->help);
    }
}

static void print_program_help(FILE *out, const struct program *program)
{
    (void)fprintf(out, "%s\n\nUsage: %s [OPTION]... COMMAND [ARGUMENT]...\n\nCommands:\n",
                  program->about, program->name);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        (void)fprintf(out, "  %-20s %s\n", c->words, c->help);
    }
    (void)fprintf(out, "  %-20s %s\n\nOptions:\n", "completion",
                  "print completion for bash, zsh or fish");
    print_options(out, program->options);
    print_options(out, builtin_options);
    (void)fprintf(out, "\n'%s COMMAND --help' tells more of one.\n", program->name);
    if (program->footer != NULL) {
        (void)fprintf(out, "\n%s", program->footer);
    }
}

static void print_command_help(FILE *out, const struct program *program, const struct command *c)
{
    (void)fprintf(out, "%s\n\nUsage: %s %s%s%s\n\nOptions:\n", c->help, program->name, c->words,
                  c->syntax[0] != '\0' ? " " : "", c->syntax);
    print_options(out, c->options);
    print_options(out, program->options);
    print_options(out, builtin_options);
    for (const char *line = c->examples; line != NULL && *line != '\0';) {
        int size = (int)strcspn(line, "\n");
        (void)fprintf(out, "%s  %s %.*s\n", line == c->examples ? "\nExamples:\n" : "",
                      program->name, size, line);
        line += size + (line[size] == '\n');
    }
}

/* --- running --- */

static int parse(const struct program *program, int argc, char **argv, struct invocation *out,
                 struct err *err)
{
    struct option_table table = {0};
    table.shorts[table.shorts_size++] = ':'; /* tell a missing value from an unknown option */
    table_fill(&table, program);
    opterr = 0;
    optind = 1;
    int given;
    while ((given = getopt_long(argc, argv, table.shorts, table.longs, NULL)) != -1) {
        if (given == ':') {
            return err_set(err, E_USAGE, "%s needs a value", argv[optind - 1]);
        }
        const struct option_spec *spec = given == '?' ? NULL : table_find(&table, given);
        if (spec == NULL) {
            return err_set(err, E_USAGE, "there is no option '%s' (try --help)", argv[optind - 1]);
        }
        if (out->given_count == OPTIONS_GIVEN_MAX) {
            return err_set(err, E_USAGE, "more than %d options", OPTIONS_GIVEN_MAX);
        }
        out->given[out->given_count].option = spec;
        out->given[out->given_count++].value = optarg != NULL ? optarg : "";
    }
    out->program = program;
    out->arg_count = argc - optind;
    out->args = argv + optind;
    return 0;
}

/* The first words of a command of several, such as "user": its verbs for the sentence. */
static int no_such_command(const struct program *program, const struct invocation *inv,
                           struct err *err)
{
    char verbs[128] = "";
    size_t size = strlen(inv->args[0]);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        if (strncmp(c->words, inv->args[0], size) == 0 && c->words[size] == ' ') {
            size_t used = strlen(verbs);
            (void)snprintf(verbs + used, sizeof verbs - used, "%s%s", used > 0 ? ", " : "",
                           c->words + size + 1);
        }
    }
    if (verbs[0] != '\0') {
        return err_set(err, E_USAGE, "'%s %s' takes one of: %s", program->name, inv->args[0],
                       verbs);
    }
    return err_set(err, E_USAGE, "there is no command '%s' ('%s --help' lists them)", inv->args[0],
                   program->name);
}

static int check_use(const struct invocation *inv, struct err *err)
{
    const struct command *c = inv->command;
    for (size_t i = 0; i < inv->given_count; i++) {
        const char *name = inv->given[i].option->name;
        if (!option_in(c->options, name) && !option_in(inv->program->options, name)) {
            return err_set(err, E_USAGE, "'%s %s' has no option --%s", inv->program->name, c->words,
                           name);
        }
    }
    if (inv->arg_count < c->args_min || (c->args_max >= 0 && inv->arg_count > c->args_max)) {
        return err_set(err, E_USAGE, "usage: %s %s%s%s", inv->program->name, c->words,
                       c->syntax[0] != '\0' ? " " : "", c->syntax);
    }
    return 0;
}

static int dispatch(const struct program *program, struct invocation *inv, struct err *err)
{
    if (inv->arg_count == 0) {
        if (invocation_has(inv, "version")) {
            (void)printf("%s %s\n", program->name, KITBAG_VERSION);
            return 0;
        }
        bool asked = invocation_has(inv, "help");
        print_program_help(asked ? stdout : stderr, program);
        return asked ? 0 : E_USAGE;
    }
    if (strcmp(inv->args[0], "completion") == 0) {
        return completion_print(program, inv->arg_count == 2 ? inv->args[1] : NULL, err);
    }
    int used = 0;
    inv->command = find_command(program, inv->arg_count, inv->args, &used);
    if (inv->command == NULL) {
        return no_such_command(program, inv, err);
    }
    if (invocation_has(inv, "help")) {
        print_command_help(stdout, program, inv->command);
        return 0;
    }
    inv->arg_count -= used;
    inv->args += used;
    int rc = check_use(inv, err);
    return rc != 0 ? rc : inv->command->run(inv, err);
}

int command_main(const struct program *program, int argc, char **argv)
{
    struct invocation inv = {0};
    struct err err = {0};
    int rc = parse(program, argc, argv, &inv, &err);
    if (rc == 0) {
        rc = dispatch(program, &inv, &err);
    }
    if (rc == 0 && fflush(stdout) != 0) {
        rc = err_sys(&err, "write", "standard output");
    }
    if (rc != 0 && err.text[0] != '\0') {
        output_say("%s: %s\n", program->name, err.text);
    }
    return rc == 0 ? 0 : err_exit_code(rc);
}

bool command_confirm(const struct invocation *invocation, const char *text, struct err *err)
{
    if (invocation_has(invocation, "yes")) {
        return true;
    }
    if (!isatty(STDIN_FILENO)) {
        bool dry = option_in(invocation->program->options, "dry-run");
        (void)err_set(err, E_USAGE, "this asks before it acts: add --yes%s",
                      dry ? " (or --dry-run to see)" : "");
        return false;
    }
    char shown[1024];
    (void)snprintf(shown, sizeof shown, "%s", text);
    output_clean(shown);
    (void)fprintf(stderr, "%s [y/N] ", shown);
    char answer[8] = "";
    if (fgets(answer, sizeof answer, stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        (void)err_set(err, E_CLOSED, "nothing was done");
        return false;
    }
    return true;
}

int command_no_dry_run(const struct invocation *invocation, struct err *err)
{
    return invocation_has(invocation, "dry-run")
               ? err_set(err, E_USAGE, "'%s' has no dry run: nothing was done",
                         invocation->command->words)
               : 0;
}
