/* cli/ctl_saved.c - one small JSON file. */
#include "cli/ctl_saved.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"

enum { SAVED_MAX_BYTES = 1 << 20 };

/* The folder and the file; E_NOT_FOUND when nobody has a home. */
static int find_paths(char folder[PATH_MAX], char path[PATH_MAX], struct err *err)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char own[PATH_MAX];
    int rc = 0;
    if (config == NULL || config[0] != '/') {
        if (home == NULL || home[0] == '\0') {
            return err_set(err, E_NOT_FOUND,
                           "sign-ins are kept in the home folder, and HOME does not name it");
        }
        rc = path_join(own, sizeof own, home, ".config");
        config = own;
    }
    if (rc == 0) {
        rc = path_join(folder, PATH_MAX, config, "kitbag");
    }
    if (rc == 0) {
        rc = path_join(path, PATH_MAX, folder, "kitbagctl.json");
    }
    return rc == 0 ? 0 : err_set(err, rc, "the path of the home folder is too long");
}

static int check_mode(const char *path, struct err *err)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return err_sys(err, "look at", path);
    }
    return (about.st_mode & 077) == 0
               ? 0
               : err_set(err, E_NOT_ALLOWED,
                         "others may read '%s', and be let in with it: run 'chmod 600' on it, and "
                         "sign in again if they did",
                         path);
}

int ctl_saved_read(json_t **out, struct err *err)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    struct buf text;
    buf_init(&text, SAVED_MAX_BYTES);
    struct err why = {0};
    int rc = find_paths(folder, path, &why);
    if (rc == 0) {
        rc = file_read(path, &text, &why);
    }
    if (rc == E_NOT_FOUND) {
        buf_free(&text);
        *out = json_object();
        return *out != NULL ? 0 : err_set(err, E_NOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = check_mode(path, &why);
    }
    json_t *saved =
        rc == 0 ? json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL)
                : NULL;
    if (rc == 0 && !json_is_object(saved)) {
        rc = err_set(&why, E_MALFORMED, "'%s' is damaged: remove it, and sign in again", path);
    }
    buf_free(&text);
    if (rc != 0) {
        json_decref(saved);
        return err_set(err, rc, "%s", why.text);
    }
    *out = saved;
    return 0;
}

int ctl_saved_write(const json_t *saved, struct err *err)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    char *text = json_dumps(saved, JSON_INDENT(2));
    int rc = text != NULL ? find_paths(folder, path, err) : err_set(err, E_NOMEM, "out of memory");
    if (rc == 0) {
        rc = dir_make(folder, 0700, err);
    }
    if (rc == 0) {
        rc = file_replace(path, text, strlen(text), 0600, err);
    }
    free(text);
    return rc;
}

const char *ctl_saved_text(const json_t *saved, const char *url, const char *member)
{
    const json_t *server = json_object_get(json_object_get(saved, "servers"), url);
    const char *text = json_string_value(json_object_get(server, member));
    return text != NULL ? text : "";
}

/* The member of `object` that is an object, made when it is not there. */
static json_t *member_object(json_t *object, const char *name)
{
    json_t *member = json_object_get(object, name);
    if (!json_is_object(member)) {
        (void)json_object_set_new(object, name, json_object());
        member = json_object_get(object, name);
    }
    return member;
}

int ctl_saved_set(json_t *saved, const char *url, const char *member, const char *text)
{
    json_t *server = member_object(member_object(saved, "servers"), url);
    if (text[0] == '\0') {
        (void)json_object_del(server, member);
        return server != NULL ? 0 : E_NOMEM;
    }
    return json_object_set_new(server, member, json_string(text)) == 0 ? 0 : E_NOMEM;
}

const char *ctl_saved_current(const json_t *saved)
{
    const char *url = json_string_value(json_object_get(saved, "server"));
    return url != NULL ? url : "";
}
