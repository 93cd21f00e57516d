/* server/options.c - getopt_long, and what it leaves to be checked. */
#include "server/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/settings.h"

const char options_help[] =
    "kitbagd - the server of Kitbag: keeps people's settings the same on every machine\n"
    "\n"
    "Usage: kitbagd [OPTION]...          serve until SIGTERM\n"
    "       kitbagd token [OPTION]...    ask the running server for join tokens, one a line\n"
    "       kitbagd restore BACKUP       put a backup in the place of the data folder (of a "
    "server\n"
    "                                    that is stopped), and begin a new history\n"
    "       kitbagd verify BACKUP        read a whole backup and check it; needs no server\n"
    "\n"
    "  --data DIR                  the data folder, made at the first start (/var/lib/kitbagd)\n"
    "  --listen tcp://HOST:PORT    where client machines connect (tcp://0.0.0.0:8443)\n"
    "  --advertise HOST[:PORT]     how client machines reach this server; goes into join tokens;\n"
    "                              may be given several times\n"
    "  --config FILE               read this file in place of /etc/kitbag/kitbagd.conf\n"
    "  --set KEY=VALUE             any key of the configuration, such as stream.heartbeat=5s\n"
    "  --log-level LEVEL           debug, info, warning or error\n"
    "  --check-config              say whether the configuration is valid, and exit\n"
    "  --show-config               print every setting and where it came from, and exit\n"
    "  -o, --output text|json      how --show-config, restore and verify print (text)\n"
    "  --sample-config             print a commented configuration, and exit\n"
    "  --console HOST:PORT         the web console and the HTTPS API (0.0.0.0:8444); none: not at "
    "all\n"
    "  --admin-password-file FILE  first start: the account admin gets the password in its first\n"
    "                              line; without it one is made up and shown once\n"
    "  --help, --version\n"
    "\n"
    "token:\n"
    "  --count N                   how many (1)\n"
    "  --expires TIME              how long they can be used: 30m, 1h, 7d (1h)\n"
    "\n"
    "restore, verify: BACKUP is a folder that 'kitbagctl backup' made, or the folder of several,\n"
    "whose newest it is then. What restore replaces is kept in the data folder.\n"
    "\n"
    "Examples:\n"
    "  kitbagd --data ./server --listen tcp://127.0.0.1:8443\n"
    "  kitbagd token --count 3 --expires 1d --data ./server\n"
    "  kitbagd restore /srv/backup/kitbag --data ./server\n"
    "\n"
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 conflict, 5 not allowed, 6 no server\n"
    "answers.\n";

enum {
    OPT_DATA = 256,
    OPT_LISTEN,
    OPT_ADVERTISE,
    OPT_CONFIG,
    OPT_SET,
    OPT_LOG_LEVEL,
    OPT_CHECK_CONFIG,
    OPT_SHOW_CONFIG,
    OPT_OUTPUT,
    OPT_SAMPLE_CONFIG,
    OPT_CONSOLE,
    OPT_ADMIN_PASSWORD_FILE,
    OPT_HELP,
    OPT_VERSION,
    OPT_COUNT,
    OPT_EXPIRES,
};

enum { TOKENS_MAX = 10000 };

static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"advertise", required_argument, NULL, OPT_ADVERTISE},
    {"config", required_argument, NULL, OPT_CONFIG},
    {"set", required_argument, NULL, OPT_SET},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"check-config", no_argument, NULL, OPT_CHECK_CONFIG},
    {"show-config", no_argument, NULL, OPT_SHOW_CONFIG},
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"sample-config", no_argument, NULL, OPT_SAMPLE_CONFIG},
    {"console", required_argument, NULL, OPT_CONSOLE},
    {"admin-password-file", required_argument, NULL, OPT_ADMIN_PASSWORD_FILE},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {"count", required_argument, NULL, OPT_COUNT},
    {"expires", required_argument, NULL, OPT_EXPIRES},
    {NULL, 0, NULL, 0},
};

static int add_flag(struct options *out, const char *key, const char *value, const char *origin,
                    struct err *err)
{
    if (out->flag_count == OPTIONS_FLAGS_MAX) {
        return err_set(err, E_USAGE, "these are too many options");
    }
    out->flags[out->flag_count++] = (struct options_flag){key, value, origin};
    return 0;
}

static int add_advertise(struct options *out, const char *value, struct err *err)
{
    bool first = out->advertise[0] == '\0';
    size_t used = strlen(out->advertise);
    int size = snprintf(out->advertise + used, sizeof out->advertise - used, "%s%s",
                        first ? "" : ",", value);
    if (size < 0 || (size_t)size >= sizeof out->advertise - used) {
        return err_set(err, E_USAGE, "--advertise: these are too many addresses");
    }
    return first ? add_flag(out, "server.advertise", out->advertise, "--advertise", err) : 0;
}

/* KEY=VALUE; the '=' in argv becomes the key's end. */
static int add_set(struct options *out, char *text, struct err *err)
{
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        return err_set(err, E_USAGE, "--set '%s': it wants KEY=VALUE", text);
    }
    *equals = '\0';
    return add_flag(out, text, equals + 1, "--set", err);
}

static int parse_count(struct options *out, const char *text, struct err *err)
{
    char *end = NULL;
    unsigned long count = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || count == 0 || count > TOKENS_MAX) {
        return err_set(err, E_USAGE, "--count '%s': it wants a number from 1 to %d", text,
                       TOKENS_MAX);
    }
    out->count = count;
    return 0;
}

static int take_format(struct options *out, const char *text, struct err *err)
{
    out->json = strcmp(text, "json") == 0;
    return out->json || strcmp(text, "text") == 0
               ? 0
               : err_set(err, E_USAGE, "--output '%s': it is text or json", text);
}

static int take_option(struct options *out, int option, char *argument, struct err *err)
{
    switch (option) {
    case OPT_DATA:
        return add_flag(out, "server.data", argument, "--data", err);
    case OPT_LISTEN:
        return add_flag(out, "server.listen", argument, "--listen", err);
    case OPT_ADVERTISE:
        return add_advertise(out, argument, err);
    case OPT_CONFIG:
        out->config_file = argument;
        return 0;
    case OPT_SET:
        return add_set(out, argument, err);
    case OPT_LOG_LEVEL:
        return add_flag(out, "server.log_level", argument, "--log-level", err);
    case OPT_CHECK_CONFIG:
        out->verb = VERB_CHECK_CONFIG;
        return 0;
    case OPT_SHOW_CONFIG:
        out->verb = VERB_SHOW_CONFIG;
        return 0;
    case OPT_OUTPUT:
    case 'o':
        return take_format(out, argument, err);
    case OPT_SAMPLE_CONFIG:
        out->verb = VERB_SAMPLE_CONFIG;
        return 0;
    case OPT_CONSOLE:
        return add_flag(out, "server.console", argument, "--console", err);
    case OPT_ADMIN_PASSWORD_FILE:
        out->admin_password_file = argument;
        return 0;
    case OPT_HELP:
        out->verb = VERB_HELP;
        return 0;
    case OPT_VERSION:
        out->verb = VERB_VERSION;
        return 0;
    case OPT_COUNT:
        return parse_count(out, argument, err);
    case OPT_EXPIRES:
        return clock_parse_duration(argument, &out->expires_ms) == 0 && out->expires_ms > 0
                   ? 0
                   : err_set(err, E_USAGE, "--expires '%s': it wants a time such as 1h", argument);
    default:
        break;
    }
    ASSERT(false); /* the table has an option that nobody takes */
    return E_USAGE;
}

/* The verb, and what stands behind it. --help and the like win. */
static int take_words(struct options *out, int count, char **words, struct err *err)
{
    static const struct {
        const char *word;
        enum options_verb verb;
        bool backup;
    } verbs[] = {{"token", VERB_TOKEN, false},
                 {"restore", VERB_RESTORE, true},
                 {"verify", VERB_VERIFY, true}};
    size_t verb = 0;
    if (count == 0) {
        return 0;
    }
    while (verb < sizeof verbs / sizeof verbs[0] && strcmp(words[0], verbs[verb].word) != 0) {
        verb++;
    }
    if (verb == sizeof verbs / sizeof verbs[0]) {
        return err_set(err, E_USAGE, "'%s' is no verb of kitbagd", words[0]);
    }
    int wanted = verbs[verb].backup ? 2 : 1;
    if (count > wanted) {
        return err_set(err, E_USAGE, "'%s' is one word too many", words[wanted]);
    }
    if (out->verb != VERB_SERVE) {
        return 0;
    }
    if (count < wanted) {
        return err_set(err, E_USAGE, "'%s' wants the folder of a backup", words[0]);
    }
    out->verb = verbs[verb].verb;
    out->backup = verbs[verb].backup ? words[1] : NULL;
    return 0;
}

int options_parse(struct options *out, int argc, char **argv, struct err *err)
{
    ASSERT(out != NULL && argv != NULL);
    *out = (struct options){.verb = VERB_SERVE, .count = 1, .expires_ms = 3600000};
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    int option = 0;
    while ((option = getopt_long(argc, argv, ":o:", long_options, NULL)) != -1) {
        if (option == ':') {
            return err_set(err, E_USAGE, "'%s' wants a value", argv[optind - 1]);
        }
        if (option == '?') {
            return err_set(err, E_USAGE, "'%s' is no option of kitbagd", argv[optind - 1]);
        }
        int rc = take_option(out, option, optarg, err);
        if (rc != 0) {
            return rc;
        }
    }
    return take_words(out, argc - optind, argv + optind, err);
}

int options_config(const struct options *options, struct config **out, struct err *err)
{
    ASSERT(options != NULL && out != NULL);
    struct config *config = NULL;
    int rc = config_new(&config, settings_keys, err);
    if (rc == 0) {
        rc = config_load(config, "kitbagd", options->config_file, err);
    }
    for (size_t i = 0; i < options->flag_count && rc == 0; i++) {
        const struct options_flag *flag = &options->flags[i];
        rc = config_set(config, flag->key, flag->value, flag->origin, err);
    }
    if (rc != 0) {
        config_free(&config);
        return rc;
    }
    *out = config;
    return 0;
}
