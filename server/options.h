/* server/options.h - kitbagd's command line. */
#ifndef KITBAG_SERVER_OPTIONS_H
#define KITBAG_SERVER_OPTIONS_H

#include "base/config.h"

enum options_verb {
    VERB_SERVE,
    VERB_TOKEN,
    VERB_RESTORE,
    VERB_VERIFY,
    VERB_HELP,
    VERB_VERSION,
    VERB_CHECK_CONFIG,
    VERB_SHOW_CONFIG,
    VERB_SAMPLE_CONFIG,
};

enum { OPTIONS_FLAGS_MAX = 32, OPTIONS_ADVERTISE_MAX = 2600 };

/* A flag that sets a key of the configuration. */
struct options_flag {
    const char *key;
    const char *value;  /* borrowed from argv, or from `advertise` */
    const char *origin; /* "--listen" */
};

struct options {
    enum options_verb verb;
    const char *config_file; /* NULL: the usual places */
    struct options_flag flags[OPTIONS_FLAGS_MAX];
    size_t flag_count;
    char advertise[OPTIONS_ADVERTISE_MAX]; /* --advertise may be given several times */
    const char *admin_password_file;       /* NULL when it was not given; borrowed from argv */
    const char *backup;                    /* of `restore` and `verify`; borrowed from argv */
    bool json;                             /* the answer as a document */
    uint64_t count;                        /* of `token` */
    uint64_t expires_ms;                   /* of `token`: from now on */
};

/* Options stand before or after the verb. E_USAGE with a sentence. */
MUST_CHECK int options_parse(struct options *out, int argc, char **argv, struct err *err);
/* Defaults, files, environment, then the flags. */
MUST_CHECK int options_config(const struct options *options, struct config **out, struct err *err);

extern const char options_help[];

#endif
