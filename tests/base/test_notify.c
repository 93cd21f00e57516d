/* What systemd would hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/notify.h"
#include "tests/support/tmp_folder.h"

static int listen_at(const char *path, bool abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    assert_true(length < sizeof address.sun_path);
    memcpy(address.sun_path, path, length);
    if (abstract) {
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    return fd;
}

static void expect(int fd, const char *wanted)
{
    char text[2048];
    ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (wanted == NULL) {
        assert_int_equal(size, -1);
        return;
    }
    assert_true(size >= 0);
    text[size] = '\0';
    assert_string_equal(text, wanted);
}

static void says_what_it_is_told(void **state)
{
    (void)state;
    char folder[TMP_FOLDER_MAX];
    char path[TMP_FOLDER_MAX];
    tmp_folder_make(folder);
    tmp_folder_path(path, folder, "s");
    int fd = listen_at(path, false);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_send("READY=1");
    expect(fd, NULL);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_send("READY=1\nSTATUS=%d", 7);
    expect(fd, "READY=1\nSTATUS=7");
    assert_int_equal(close(fd), 0);
    notify_send("nobody listens");
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    notify_send("no such kind of address");
    tmp_folder_remove(folder);
}

static void abstract_names_and_long_texts(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "@kitbag-test-%d", (int)getpid());
    int fd = listen_at(name, true);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    notify_send("STOPPING=1");
    expect(fd, "STOPPING=1");
    char longer[4000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    notify_send("%s", longer);
    longer[1023] = '\0';
    expect(fd, longer);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

static void watchdog(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
    assert_int_equal(unsetenv("WATCHDOG_PID"), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1), 0);
    assert_int_equal(notify_watchdog_ms(), 15000);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    assert_int_equal(notify_watchdog_ms(), 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_is_told),
        cmocka_unit_test(abstract_names_and_long_texts),
        cmocka_unit_test(watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
