/* base/config.h - settings of a program: default < file < conf.d < environment < flag.
 *
 * A program describes its keys in one table; help, the check, and "where did this come from" are
 * made from it. Files are INI (inih): [section] and key = value; a key is "section.key".
 * /etc/kitbag/PROGRAM.conf, then /etc/kitbag/conf.d/PROGRAM.conf and PROGRAM-*.conf there in
 * order of names (bytes), then KITBAG_SECTION_KEY from the environment, then flags. An unknown key,
 * a bad value, a line that is no INI or longer than the parser takes is an error that names file
 * and line. A line may be indented; a value can't go on in the next line; " ;" starts a comment.
 */
#ifndef KITBAG_BASE_CONFIG_H
#define KITBAG_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum config_type { CONFIG_TEXT, CONFIG_NUMBER, CONFIG_SIZE, CONFIG_DURATION, CONFIG_BOOL };

/* One key. Tables end with a row whose name is NULL. */
struct config_key {
    const char *name;          /* "server.listen" */
    enum config_type type;     /* SIZE takes 64M, DURATION 30s; kept in bytes and in ms */
    const char *default_value; /* as text; NULL: empty, 0, no */
    const char *help;          /* one sentence, for the sample file and --help */
    uint64_t min;              /* of NUMBER, SIZE, DURATION */
    uint64_t max;              /* 0: no limit */
};

struct config;

/* All keys at their defaults. `keys` is borrowed for the config's life. */
MUST_CHECK int config_new(struct config **out, const struct config_key *keys, struct err *err);
void config_free(struct config **config);

/* `program` as in the file name; `explicit_file` (may be NULL) replaces the files of /etc/kitbag
 * and has to exist. Then the environment. */
MUST_CHECK int config_load(struct config *config, const char *program, const char *explicit_file,
                           struct err *err);
/* The same with another folder in place of /etc/kitbag. */
MUST_CHECK int config_load_from(struct config *config, const char *folder, const char *program,
                                const char *explicit_file, struct err *err);
/* One value; `origin` such as "--listen" is copied. */
MUST_CHECK int config_set(struct config *config, const char *name, const char *value,
                          const char *origin, struct err *err);

/* The key must be of the table and of the type: else it is our mistake (assertion). */
const char *config_text(const struct config *config, const char *name); /* never NULL */
uint64_t config_u64(const struct config *config, const char *name);     /* number, bytes or ms */
bool config_bool(const struct config *config, const char *name);
/* The value of a key of any type as it was written: "64M". Never NULL. */
const char *config_written(const struct config *config, const char *name);
/* "default", "/etc/kitbag/kitbagd.conf:12", "KITBAG_SERVER_LISTEN" or the flag. */
const char *config_origin(const struct config *config, const char *name);

/* A commented sample file of all keys to `out`. */
void config_sample(const struct config_key *keys, struct buf *out);

#endif
