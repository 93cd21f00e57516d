/* base/notify.c - one datagram to a Unix socket, as sd_notify(3) describes it. */
#include "base/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1024 };

static void send_message(const char *path, const char *message, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* a name of the abstract namespace */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    (void)sendto(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
                 address_size);
    (void)close(fd);
}

void notify_send(const char *format, ...)
{
    ASSERT(format != NULL);
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL) {
        return;
    }
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (size > 0) {
        send_message(path, message,
                     (size_t)size < sizeof message ? (size_t)size : sizeof message - 1);
    }
}

uint64_t notify_watchdog_ms(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (interval == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    return strtoull(interval, NULL, 10) / 2000;
}
