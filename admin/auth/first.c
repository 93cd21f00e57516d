/* admin/auth/first.c - the first start: the account admin. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "admin/auth/accounts.h"
#include "admin/auth/inside.h"

int admin_auth_first_start(struct admin_auth *auth, const struct admin_backend *backend,
                           const char *password, char *made_up, struct err *err)
{
    ASSERT(auth != NULL && backend != NULL && made_up != NULL);
    struct auth_by by = {auth, backend, "admin"};
    struct auth_new_account wanted = {
        .name = "admin",
        .role = ADMIN_ROLE_ADMIN,
        .password = password,
        .chosen = password != NULL, /* a made-up one stands in a log somewhere */
    };
    struct auth_account_row row;
    made_up[0] = '\0';
    return admin_auth_is_new(auth) ? auth_account_add(&by, &wanted, made_up, &row, err) : 0;
}

/* Up to `room` bytes of the file; negative: errno tells. */
static ssize_t read_start(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size < room) {
        got = read(fd, out + size, room - size);
        size += got > 0 ? (size_t)got : 0;
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return got < 0 ? -1 : (ssize_t)size;
}

int admin_auth_password_file(const char *path, char *out, struct err *err)
{
    ASSERT(path != NULL && out != NULL);
    char text[ADMIN_PASSWORD_MAX_BYTES + 3]; /* "\r\n" and a NUL */
    ssize_t size = read_start(path, text, sizeof text - 1);
    if (size < 0) {
        return err_sys(err, "read", path);
    }
    text[size] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    int rc = auth_password_check(text, "admin", err);
    if (rc == 0) {
        memcpy(out, text, strlen(text) + 1);
    } else {
        (void)err_prefix(err, "the first line of '%s'", path);
    }
    sodium_memzero(text, sizeof text);
    return rc;
}
