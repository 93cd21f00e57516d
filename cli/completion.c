/* cli/completion.c - a script of each shell's own kind. */
#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 50, PREFIX_MAX = 64 };

static bool takes_value(const struct option_spec *option)
{
    return option->value != NULL && option->value[0] != '[';
}

static bool has_option(const struct option_spec *specs, const char *name)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        if (strcmp(specs->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Does `words` go on behind `prefix` ("": always)? Returns what follows, or NULL. */
static const char *words_behind(const char *words, const char *prefix)
{
    size_t size = strlen(prefix);
    if (size == 0) {
        return words;
    }
    return strncmp(words, prefix, size) == 0 && words[size] == ' ' ? words + size + 1 : NULL;
}

/* The words that may stand behind `prefix`, each once, in quotes. */
static void print_next_words(const struct program *program, const char *prefix)
{
    (void)putchar('\'');
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        const char *word = words_behind(c->words, prefix);
        size_t size = word != NULL ? strcspn(word, " ") : 0;
        bool known = word == NULL;
        for (const struct command *b = program->commands; b != c && !known; b++) {
            const char *other = words_behind(b->words, prefix);
            known = other != NULL && strncmp(other, word, size) == 0 && strcspn(other, " ") == size;
        }
        if (!known) {
            (void)printf("%.*s ", (int)size, word);
        }
    }
    (void)printf("%s'", prefix[0] == '\0' ? "completion" : "");
}

/* The command that lists what this one is about: "user ls" of "user show NAME"; else NULL. */
static const struct command *lister_of(const struct program *program, const struct command *command)
{
    char words[PREFIX_MAX];
    bool names = strncmp(command->syntax, "NAME", 4) == 0 || strncmp(command->syntax, "ID", 2) == 0;
    (void)snprintf(words, sizeof words, "%.*s ls", (int)strcspn(command->words, " "),
                   command->words);
    for (const struct command *c = program->commands; names && c->words != NULL; c++) {
        if (strcmp(c->words, words) == 0 && has_option(c->options, "lines")) {
            return c;
        }
    }
    return NULL;
}

/* --- bash, and zsh that reads it --- */

/* "--data|-d) " for each option with a value; those of the program go on to whoever lists names. */
static void print_value_options(const struct option_spec *specs, bool of_program)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        if (takes_value(specs)) {
            (void)printf("        --%s", specs->name);
            if (specs->letter != 0) {
                (void)printf(" | -%c", specs->letter);
            }
            (void)printf(") %s((i++)) ;;\n",
                         of_program ? "given+=(\"${COMP_WORDS[i]}\" \"${COMP_WORDS[i + 1]}\"); "
                                    : "");
        }
    }
}

/* The words so far that are no options, as `path`. */
static void print_bash_path(const struct program *program)
{
    (void)printf("    local i path='' words='' name given=()\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        case ${COMP_WORDS[i]} in\n");
    print_value_options(program->options, true);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        print_value_options(c->options, false);
    }
    (void)printf("        -*) ;;\n"
                 "        *) path+=\"${path:+ }${COMP_WORDS[i]}\" ;;\n"
                 "        esac\n    done\n");
}

static void print_bash_options(const struct program *program)
{
    (void)printf("    if [[ $2 == -* ]]; then\n        case $path in\n");
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        (void)printf("        '%s'*) words='", c->words);
        for (const struct option_spec *o = c->options; o != NULL && o->name != NULL; o++) {
            (void)printf("--%s ", o->name);
        }
        (void)printf("' ;;\n");
    }
    (void)printf("        esac\n        words+=' ");
    for (const struct option_spec *o = program->options; o != NULL && o->name != NULL; o++) {
        (void)printf("--%s ", o->name);
    }
    (void)printf("--help'\n");
}

/* Each beginning of a command, and what may stand behind it. */
static void print_bash_words(const struct program *program)
{
    (void)printf("    else\n        case $path in\n        '') words=");
    print_next_words(program, "");
    (void)printf(" ;;\n");
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        for (const char *space = strchr(c->words, ' '); space != NULL;
             space = strchr(space + 1, ' ')) {
            char prefix[PREFIX_MAX];
            const struct command *first = program->commands;
            (void)snprintf(prefix, sizeof prefix, "%.*s", (int)(space - c->words), c->words);
            while (words_behind(first->words, prefix) == NULL) {
                first++;
            }
            if (first == c) {
                (void)printf("        '%s') words=", prefix);
                print_next_words(program, prefix);
                (void)printf(" ;;\n");
            }
        }
    }
    (void)printf("        esac\n    fi\n");
}

/* Names are data: no shell ever reads them as words of its own. */
static void print_bash_names(const struct program *program)
{
    (void)printf("    [[ $2 == -* ]] || case $path in\n");
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        const struct command *lister = lister_of(program, c);
        if (lister != NULL) {
            (void)printf("    '%s' | '%s '*)\n"
                         "        while IFS= read -r name; do\n"
                         "            [[ $name == \"$2\"* ]] && COMPREPLY+=(\"$(printf %%q "
                         "\"$name\")\")\n"
                         "        done < <(%s \"${given[@]}\" %s --lines %d -o ndjson -- \"$2\" "
                         "2>/dev/null |\n"
                         "            sed -n 's/^.*\"name\":\"\\([^\"\\\\]*\\)\".*$/\\1/p')\n"
                         "        ;;\n",
                         c->words, c->words, program->name, lister->words, NAMES_MAX);
        }
    }
    (void)printf("    esac\n");
}

static void print_bash(const struct program *program)
{
    (void)printf("_%s() {\n", program->name);
    print_bash_path(program);
    print_bash_options(program);
    print_bash_words(program);
    (void)printf("    COMPREPLY=($(compgen -W \"$words\" -- \"$2\"))\n");
    print_bash_names(program);
    (void)printf("}\ncomplete -o default -F _%s %s\n", program->name, program->name);
}

static void print_zsh(const struct program *program)
{
    (void)printf("#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", program->name);
    print_bash(program);
}

/* --- fish --- */

/* In single quotes, as fish reads them. */
static void print_quoted(const char *text)
{
    (void)putchar('\'');
    for (; *text != '\0'; text++) {
        (void)printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    (void)putchar('\'');
}

/* Options whose next word is their value, one a line of a `case`. */
static void print_fish_values(const struct option_spec *specs)
{
    for (; specs != NULL && specs->name != NULL; specs++) {
        if (takes_value(specs)) {
            (void)printf(" --%s", specs->name);
            if (specs->letter != 0) {
                (void)printf(" -%c", specs->letter);
            }
        }
    }
}

/* "__PROG_path": the words so far that are no options. The others tell whether they are just these,
 * or begin with these. */
static void print_fish_functions(const struct program *program)
{
    const char *name = program->name;
    (void)printf("function __%s_path\n"
                 "    set -l path\n"
                 "    set -l skip no\n"
                 "    for word in (commandline -opc)[2..]\n"
                 "        if test $skip = yes\n"
                 "            set skip no\n"
                 "            continue\n"
                 "        end\n"
                 "        switch $word\n"
                 "            case",
                 name);
    print_fish_values(program->options);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        print_fish_values(c->options);
    }
    (void)printf("\n"
                 "                set skip yes\n"
                 "            case '-*'\n"
                 "            case '*'\n"
                 "                set -a path $word\n"
                 "        end\n"
                 "    end\n"
                 "    echo \"$path\"\n"
                 "end\n");
    (void)printf("function __%s_at\n    test (__%s_path) = \"$argv\"\nend\n", name, name);
    (void)printf("function __%s_in\n"
                 "    string match -q -- \"$argv *\" (__%s_path)\" \"\nend\n",
                 name, name);
}

static void print_fish_command(const struct program *program, const struct command *c)
{
    const char *name = program->name;
    const char *last = strrchr(c->words, ' ');
    const struct command *lister = lister_of(program, c);
    (void)printf("complete -c %s -f -n '__%s_at %.*s' -a '%s' -d ", name, name,
                 last != NULL ? (int)(last - c->words) : 0, c->words,
                 last != NULL ? last + 1 : c->words);
    print_quoted(c->help);
    (void)putchar('\n');
    if (lister != NULL) {
        (void)printf("complete -c %s -f -n '__%s_in %s' -a '(%s %s --lines %d -o ndjson -- "
                     "(commandline -ct) 2>/dev/null | string match -rg "
                     "\\'\"name\":\"([^\"]*)\"\\')'\n",
                     name, name, c->words, name, lister->words, NAMES_MAX);
    }
    for (const struct option_spec *o = c->options; o != NULL && o->name != NULL; o++) {
        (void)printf("complete -c %s%s -n '__%s_in %s' -l %s -d ", name,
                     takes_value(o) ? " -r" : "", name, c->words, o->name);
        print_quoted(o->help);
        (void)putchar('\n');
    }
}

/* "user" of "user ls": the groups of commands, each once. */
static void print_fish_groups(const struct program *program)
{
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        for (const char *space = strchr(c->words, ' '); space != NULL;
             space = strchr(space + 1, ' ')) {
            const char *begin = space;
            while (begin > c->words && begin[-1] != ' ') {
                begin--;
            }
            (void)printf("complete -c %s -f -n '__%s_at %.*s' -a '%.*s'\n", program->name,
                         program->name, begin > c->words ? (int)(begin - c->words - 1) : 0,
                         c->words, (int)(space - begin), begin);
        }
    }
}

static void print_fish(const struct program *program)
{
    print_fish_functions(program);
    for (const struct option_spec *o = program->options; o != NULL && o->name != NULL; o++) {
        (void)printf("complete -c %s%s -l %s -d ", program->name, takes_value(o) ? " -r" : "",
                     o->name);
        print_quoted(o->help);
        (void)putchar('\n');
    }
    print_fish_groups(program);
    for (const struct command *c = program->commands; c->words != NULL; c++) {
        print_fish_command(program, c);
    }
}

int completion_print(const struct program *program, const char *shell, struct err *err)
{
    if (shell != NULL && strcmp(shell, "bash") == 0) {
        print_bash(program);
    } else if (shell != NULL && strcmp(shell, "zsh") == 0) {
        print_zsh(program);
    } else if (shell != NULL && strcmp(shell, "fish") == 0) {
        print_fish(program);
    } else {
        return err_set(err, E_USAGE, "completion is for bash, zsh or fish: '%s completion bash'",
                       program->name);
    }
    return 0;
}
