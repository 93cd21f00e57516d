/* server/main_kitbagd.c - the program kitbagd: what was asked for, and its exit code. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/https/asset.h"
#include "base/clock.h"
#include "base/log_ring.h"
#include "server/backup_verbs.h"
#include "server/catalogue.h"
#include "server/options.h"
#include "server/show_config.h"
#include "server/start.h"
#include "server/tokens.h"

enum { OUTPUT_MAX_BYTES = 64 << 20 };

/* Words to a person go to stderr, as one line; the code is the command's. */
static int complain(const struct err *err)
{
    (void)fprintf(stderr, "kitbagd: %s\n", err->text);
    if (err->code == E_USAGE) {
        (void)fprintf(stderr, "'kitbagd --help' tells how it is used.\n");
    }
    return err_exit_code(err->code);
}

static int print(const struct buf *out)
{
    if (out->size > 0 && fwrite(out->data, out->size, 1, stdout) != 1) {
        return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

static int sample_config(void)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX_BYTES);
    config_sample(settings_keys, &out);
    int code = buf_error(&out) == 0 ? print(&out) : 1;
    buf_free(&out);
    return code;
}

static int show_config(const struct options *options, const struct config *config)
{
    struct err err = {0};
    struct buf out;
    int rc = 0;
    buf_init(&out, OUTPUT_MAX_BYTES);
    if (options->json) {
        rc = show_config_json(config, settings_keys, &out, &err);
    } else {
        show_config_text(config, settings_keys, &out);
    }
    int code = rc != 0 ? complain(&err) : buf_error(&out) == 0 ? print(&out) : 1;
    buf_free(&out);
    return code;
}

/* With the file that it names. */
static int check_config(const struct settings *settings)
{
    struct err err = {0};
    struct catalogue *catalogue = NULL;
    if (catalogue_read(&catalogue, settings->catalogue_file, &err) != 0) {
        return complain(&err);
    }
    catalogue_free(&catalogue);
    return printf("the configuration is valid\n") > 0 ? 0 : 1;
}

static int ask_for_tokens(const struct options *options, const struct settings *settings)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, OUTPUT_MAX_BYTES);
    int rc = tokens_request(settings->data_dir, options->count, options->expires_ms, &out, &err);
    int code = rc == 0 ? print(&out) : complain(&err);
    buf_free(&out);
    return code;
}

/* Of what `restore` and `verify` found; what they did is told on standard output. */
static int with_backup(const struct options *options, const struct settings *settings)
{
    struct err err = {0};
    struct buf out;
    (void)umask(0077);
    log_set_level(LOG_WARNING); /* the answer tells what was done */
    buf_init(&out, OUTPUT_MAX_BYTES);
    int rc = options->verb == VERB_RESTORE
                 ? backup_verbs_restore(options->backup, settings, options->json, &out, &err)
                 : backup_verbs_verify(options->backup, options->json, &out, &err);
    int code = rc == 0 ? print(&out) : complain(&err);
    buf_free(&out);
    return code;
}

/* SIGHUP: of all settings the log's level, the console's certificate, how long its sessions last,
 * and the catalogue can change while the server runs. */
static void reload(void *context, struct server *server)
{
    const struct options *options = context;
    struct config *config = NULL;
    struct settings settings;
    struct err err = {0};
    int rc = options_config(options, &config, &err);
    if (rc == 0) {
        rc = settings_read(&settings, config, &err);
    }
    if (rc == 0) {
        log_set_level(settings.log_level);
        server_reload(server, &settings);
        log_event(LOG_INFO, "server", "reloaded", "log_level=%s",
                  log_level_name(settings.log_level));
    } else {
        log_err(LOG_ERROR, "server", "not_reloaded", &err);
    }
    config_free(&config);
}

/* What is freed in bursts, such as the frames that tell a change to a thousand machines, is used
 * again at once: given back to the system and taken anew, it was a fifth of the work of telling. */
static void set_memory(void)
{
    enum { TRIM_BYTES = 16 << 20, MMAP_BYTES = 1 << 20 };
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES); /* or it would stay at 128 KiB from here on */
}

static int serve(struct options *options, const struct settings *settings)
{
    struct err err = {0};
    struct server *server = NULL;
    set_memory();
    (void)umask(0077);
    if (log_ring_open(clock_wall_ms(&clock_system), &err) != 0) {
        return complain(&err);
    }
    log_set_level(settings->log_level);
    struct server_options wanted = {
        .settings = settings,
        .admin_password_file = options->admin_password_file,
        .assets = admin_console_assets,
        .reload = reload,
        .context = options,
    };
    int rc = server_start(&server, &wanted, &err);
    if (rc != 0) {
        return complain(&err);
    }
    log_event(LOG_INFO, "server", "ready", "version=%s port=%d data=%s", KITBAG_VERSION,
              server_port(server), LOG_Q(settings->data_dir));
    rc = server_run(server, &err);
    server_stop(&server);
    if (rc != 0) {
        return complain(&err);
    }
    log_event(LOG_INFO, "server", "stopped", NULL);
    return 0;
}

static int run_verb(struct options *options)
{
    struct err err = {0};
    struct config *config = NULL;
    struct settings settings;
    int rc = options_config(options, &config, &err);
    if (rc == 0) {
        rc = settings_read(&settings, config, &err);
    }
    int code = 0;
    if (rc != 0) {
        code = complain(&err);
    } else if (options->verb == VERB_CHECK_CONFIG) {
        code = check_config(&settings);
    } else if (options->verb == VERB_SHOW_CONFIG) {
        code = show_config(options, config);
    } else if (options->verb == VERB_TOKEN) {
        code = ask_for_tokens(options, &settings);
    } else if (options->verb == VERB_RESTORE || options->verb == VERB_VERIFY) {
        code = with_backup(options, &settings);
    } else {
        code = serve(options, &settings);
    }
    config_free(&config);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = {0};
    if (options_parse(&options, argc, argv, &err) != 0) {
        return complain(&err);
    }
    switch (options.verb) {
    case VERB_HELP:
        return fputs(options_help, stdout) >= 0 ? 0 : 1;
    case VERB_VERSION:
        return printf("kitbagd %s\n", KITBAG_VERSION) > 0 ? 0 : 1;
    case VERB_SAMPLE_CONFIG:
        return sample_config();
    case VERB_SERVE:
    case VERB_TOKEN:
    case VERB_RESTORE:
    case VERB_VERIFY:
    case VERB_CHECK_CONFIG:
    case VERB_SHOW_CONFIG:
        break;
    }
    return run_verb(&options);
}
