/* A whole server in a process of its own, with machines that speak to it over TCP. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/start.h"
#include "server/tokens.h"
#include "tests/support/tmp_folder.h"
#include "transport/dealer.h"
#include "transport/wire.h"

static char folder[TMP_FOLDER_MAX];
static char data[TMP_FOLDER_MAX];
static pid_t server_pid;
static rlim_t few_files; /* the server's limit of open files; 0: as it is */
static int port;
static int reports; /* what the server's process says */

/* --- the server --- */

static struct settings settings_of(const char *endpoint)
{
    struct settings settings = {
        .data_dir = data,
        .listen = {endpoint},
        .console = {.listen = "none", .session_idle_ms = 60000, .session_max_ms = 60000},
        .log_level = LOG_ERROR,
        .segment_bytes = 8 << 20,
        .memtable_bytes = 4 << 20,
        .cache_bytes = 4 << 20,
        .flush_interval_ms = 300,
        .limits = {.items_per_bag = 1000, .bytes_per_bag = 8 << 20, .users = 100},
        .scrub_ms = 86400000,
        .retention = {.journal_keep_ms = 86400000,
                      .tombstones_keep_ms = 86400000,
                      .undo_keep_ms = 86400000,
                      .devices_active_ms = 86400000},
        .bags_per_session = 1000,
        .bags_per_keeper = 1000,
        .sessions = 100,
        .message_bytes = 16 << 20,
        .heartbeat_ms = 1000,
        .io_threads = 1,
    };
    return settings;
}

static int report_fd;

static void on_reload(void *context, struct server *server)
{
    (void)context;
    (void)server;
    ssize_t size = write(report_fd, "reloaded\n", 9);
    (void)size;
}

/* A process of its own, not only a fork: threads do not survive one. The first line it reports is
 * its port, or what went wrong. */
static int serve(const char *data_dir, const char *endpoint, const char *fd)
{
    (void)snprintf(data, sizeof data, "%s", data_dir);
    report_fd = (int)strtol(fd, NULL, 10);
    log_setup(STDERR_FILENO, LOG_ERROR + 1);
    struct settings settings = settings_of(endpoint);
    struct server_options options = {.settings = &settings, .reload = on_reload};
    struct server *server = NULL;
    struct err err = {0};
    int rc = server_start(&server, &options, &err);
    (void)dprintf(report_fd, "%d %s\n", rc == 0 ? server_port(server) : rc, err.text);
    if (rc == 0) {
        rc = server_run(server, &err);
        server_stop(&server);
    }
    return rc == 0 ? 0 : 1;
}

/* Its first line into `line`. */
static void launch(const char *endpoint, char *line, size_t size)
{
    int ends[2];
    char fd[16];
    assert_int_equal(pipe2(ends, 0), 0);
    assert_int_equal(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
    (void)snprintf(fd, sizeof fd, "%d", ends[1]);
    server_pid = fork();
    assert_true(server_pid >= 0);
    if (server_pid == 0) {
        struct rlimit limit = {few_files, few_files};
        if (few_files > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            _exit(7);
        }
        (void)execl("/proc/self/exe", "test_start", data, endpoint, fd, (char *)NULL);
        _exit(6);
    }
    (void)close(ends[1]);
    reports = ends[0];
    size_t used = 0;
    while (used < size - 1 && read(reports, line + used, 1) == 1 && line[used] != '\n') {
        used++;
    }
    line[used] = '\0';
}

static void start_server(void)
{
    char line[1024];
    launch("tcp://127.0.0.1:*", line, sizeof line);
    port = (int)strtol(line, NULL, 10);
    if (port <= 0) {
        fail_msg("the server did not start: %s", line);
    }
}

static int wait_for_end(void)
{
    int status = 0;
    assert_int_equal(waitpid(server_pid, &status, 0), server_pid);
    server_pid = 0;
    (void)close(reports);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void stop_server(void)
{
    uint64_t before = clock_mono_ms(&clock_system);
    assert_int_equal(kill(server_pid, SIGTERM), 0);
    assert_int_equal(wait_for_end(), 0);
    assert_true(clock_mono_ms(&clock_system) - before < 5000);
}

static void expect_no_start(const char *endpoint, int code, const char *words)
{
    char line[1024];
    launch(endpoint, line, sizeof line);
    assert_int_equal(strtol(line, NULL, 10), code);
    if (strstr(line, words) == NULL) {
        fail_msg("'%s' lacks '%s'", line, words);
    }
    assert_int_equal(wait_for_end(), 1);
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(folder);
    tmp_folder_path(data, folder, "data");
    few_files = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (server_pid > 0) {
        (void)kill(server_pid, SIGKILL);
        (void)waitpid(server_pid, NULL, 0);
        server_pid = 0;
    }
    tmp_folder_remove(folder);
    return 0;
}

/* --- a machine --- */

struct machine {
    struct dealer *dealer;
    struct key_pair keys;
    uint8_t server_key[KEY_SIZE];
    uint64_t device;
    uint64_t bag;
    uint64_t session;
    uint64_t number; /* of its last operation */
    struct unpacked unpacked;
    struct wire_message message;
};

static void connect_with(struct machine *machine, const struct key_pair *keys)
{
    char endpoint[64];
    struct span bytes;
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    assert_int_equal(dealer_connect(machine->dealer, endpoint, machine->server_key, keys, NULL), 0);
    assert_int_equal(dealer_wait(machine->dealer, 10000, &bytes), DEALER_UP);
}

/* The next message that is no heartbeat; false: the connection was lost before. */
static bool next(struct machine *machine)
{
    for (;;) {
        struct span bytes;
        enum dealer_event event = dealer_wait(machine->dealer, 10000, &bytes);
        if (event == DEALER_DOWN) {
            return false;
        }
        assert_int_equal(event, DEALER_MESSAGE);
        assert_int_equal(wire_decode(bytes, &machine->unpacked, &machine->message, NULL), 0);
        if (machine->message.type != WIRE_HEARTBEAT && machine->message.type != WIRE_STATE) {
            return true;
        }
    }
}

static void send_frame(struct machine *machine, struct buf *frame)
{
    assert_int_equal(buf_error(frame), 0);
    assert_int_equal(dealer_send(machine->dealer, buf_span(frame)), 0);
    buf_free(frame);
}

static void say_hello(struct machine *machine)
{
    connect_with(machine, &machine->keys);
    struct buf frame;
    buf_init(&frame, 1 << 20);
    struct wire_hello hello = {.version = WIRE_VERSION,
                               .device = machine->device,
                               .writer = machine->device,
                               .window = WIRE_WINDOW_MAX};
    wire_put_hello(&frame, &hello);
    send_frame(machine, &frame);
    assert_true(next(machine));
    assert_int_equal(machine->message.type, WIRE_WELCOME);
    machine->session = machine->message.session;
    machine->bag = machine->message.welcome.device_bag;
}

static void join(struct machine *machine)
{
    *machine = (struct machine){0};
    struct buf text;
    struct join_token token;
    struct err err = {0};
    buf_init(&text, 1 << 20);
    if (tokens_request(data, 1, 60000, &text, &err) != 0) {
        fail_msg("%s", err.text);
    }
    char *line = buf_steal(&text, NULL);
    assert_int_equal(token_parse(&token, line, NULL), 0);
    free(line);
    buf_free(&text);
    assert_int_equal(dealer_new(&machine->dealer, NULL), 0);
    memcpy(machine->server_key, token.server_key, KEY_SIZE);
    key_pair_make(&machine->keys);
    struct key_pair once;
    key_pair_of_secret(&once, token.secret);
    connect_with(machine, &once);
    struct buf frame;
    buf_init(&frame, 1 << 20);
    struct wire_join wanted = {.version = WIRE_VERSION, .name = SPAN_LITERAL("x")};
    memcpy(wanted.public_key, machine->keys.public_key, KEY_SIZE);
    wire_put_join(&frame, &wanted);
    send_frame(machine, &frame);
    assert_true(next(machine));
    assert_int_equal(machine->message.type, WIRE_JOINED);
    machine->device = machine->message.joined.device;
    say_hello(machine);
}

static void leave(struct machine *machine)
{
    dealer_free(&machine->dealer);
    unpack_close(&machine->unpacked);
}

/* Sends item "p" = the number, in the machine's own bag. */
static void send_number(struct machine *machine, uint64_t number)
{
    struct buf frame;
    buf_init(&frame, 1 << 20);
    struct operation_write write = {.path = SPAN_LITERAL("p"),
                                    .value = span_of(&number, sizeof number)};
    wire_begin_write(&frame, machine->session, number > 100 ? number - 100 : 0, 1);
    operation_begin_write(&frame, number, machine->bag, 0, UINT64_MAX >> 1, 1);
    operation_put_write(&frame, &write);
    send_frame(machine, &frame);
}

/* The next outcome's code, behind what comes of bags; 1: the session ended. */
static int outcome(struct machine *machine)
{
    bool more = next(machine);
    while (more && (machine->message.type == WIRE_LIVE || machine->message.type == WIRE_PAGE)) {
        more = next(machine);
    }
    if (!more || machine->message.type == WIRE_ERROR) {
        return 1;
    }
    assert_int_equal(machine->message.type, WIRE_OUTCOME);
    return -(int)wire_outcome_at(&machine->message.outcome.entries, 0).code;
}

static int write_number(struct machine *machine)
{
    send_number(machine, machine->number + 1);
    int code = outcome(machine);
    machine->number += code == 0;
    return code;
}

/* The value of "p" as the server has it. */
static uint64_t read_number(struct machine *machine)
{
    struct buf frame;
    buf_init(&frame, 1 << 20);
    struct wire_bag bag = {machine->bag, 0};
    wire_put_follow(&frame, machine->session, &bag, 1);
    send_frame(machine, &frame);
    uint64_t number = 0;
    while (next(machine) && machine->message.type == WIRE_PAGE) {
        for (size_t i = 0; i < machine->message.page.rows.count; i++) {
            struct span path;
            struct item_row row;
            wire_row_at(&machine->message.page.rows, i, &path, &row);
            if (span_equal(path, SPAN_LITERAL("p"))) {
                memcpy(&number, row.value.data, sizeof number);
            }
        }
    }
    assert_int_equal(machine->message.type, WIRE_BAG); /* where it stands, behind its pages */
    return number;
}

/* --- tests --- */

static void a_write_survives_a_restart(void **state)
{
    (void)state;
    start_server();
    struct machine machine;
    join(&machine);
    assert_int_equal(write_number(&machine), 0);
    assert_int_equal(write_number(&machine), 0);
    assert_int_equal(read_number(&machine), 2);
    stop_server();
    assert_true(next(&machine)); /* it is told before the connection goes */
    assert_int_equal(machine.message.type, WIRE_ERROR);
    assert_int_equal(machine.message.error.code, -E_CLOSED);
    assert_false(next(&machine));
    start_server();
    say_hello(&machine);
    assert_int_equal(read_number(&machine), 2);
    assert_int_equal(write_number(&machine), 0);
    leave(&machine);
    stop_server();
}

static void what_was_acknowledged_survives_kill(void **state)
{
    (void)state;
    struct machine machine;
    start_server();
    join(&machine);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20 + 7 * round; i++) {
            assert_int_equal(write_number(&machine), 0);
        }
        send_number(&machine, machine.number + 1); /* on its way while the server dies */
        assert_int_equal(kill(server_pid, SIGKILL), 0);
        assert_int_equal(wait_for_end(), 128 + SIGKILL);
        start_server();
        say_hello(&machine);
        uint64_t number = read_number(&machine);
        assert_true(number == machine.number || number == machine.number + 1);
        leave(&machine); /* the repeat, on a connection of its own */
        assert_int_equal(dealer_new(&machine.dealer, NULL), 0);
        machine.unpacked = (struct unpacked){0};
        say_hello(&machine);
        assert_int_equal(write_number(&machine), 0);
    }
    leave(&machine);
    stop_server();
}

static void signals(void **state)
{
    (void)state;
    start_server();
    assert_int_equal(kill(server_pid, SIGHUP), 0);
    char line[16] = "";
    assert_int_equal(read(reports, line, 9), 9);
    assert_string_equal(line, "reloaded\n");
    assert_int_equal(kill(server_pid, SIGINT), 0);
    assert_int_equal(wait_for_end(), 0);
}

static void it_says_why_it_does_not_start(void **state)
{
    (void)state;
    start_server();
    pid_t first = server_pid;
    int first_reports = reports;
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", port);
    expect_no_start(endpoint, E_BUSY, "stop that kitbagd first");
    tmp_folder_path(data, folder, "other");
    expect_no_start(endpoint, E_BUSY, "in use");
    tmp_folder_path(data, folder, "data");
    server_pid = first;
    reports = first_reports;
    stop_server();
    char file[TMP_FOLDER_MAX];
    tmp_folder_path(file, data, "journal/00000000000000000001.kbj");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "rot", 3, 4096 + 100), 3);
    assert_int_equal(close(fd), 0);
    expect_no_start("tcp://127.0.0.1:*", E_CORRUPT, file);
}

/* The folder of the state disappears: flushing fails, then applying. The journal has everything. */
static void a_lost_state_is_made_anew_while_it_runs(void **state)
{
    (void)state;
    start_server();
    struct machine machine;
    join(&machine);
    assert_int_equal(write_number(&machine), 0);
    char from[TMP_FOLDER_MAX];
    char to[TMP_FOLDER_MAX];
    tmp_folder_path(from, data, "state");
    tmp_folder_path(to, data, "gone");
    assert_int_equal(rename(from, to), 0);
    int code = 0;
    for (int i = 0; i < 100 && code == 0; i++) {
        struct timespec pause = {.tv_nsec = 50000000};
        (void)nanosleep(&pause, NULL);
        code = write_number(&machine);
    }
    assert_true(code == E_READ_ONLY || code == 1); /* nothing was acknowledged that could be lost */
    leave(&machine);
    assert_int_equal(dealer_new(&machine.dealer, NULL), 0);
    machine.unpacked = (struct unpacked){0};
    say_hello(&machine);
    uint64_t number = read_number(&machine);
    assert_true(number == machine.number || number == machine.number + 1);
    assert_int_equal(write_number(&machine), 0);
    assert_int_equal(write_number(&machine), 0);
    struct machine other;
    join(&other); /* administration works again, too */
    leave(&other);
    leave(&machine);
    stop_server();
}

/* Of the server's process, in clock ticks. */
static long processor_time(void)
{
    char path[64];
    char text[1024] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)server_pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    char *at = strrchr(text, ')'); /* of the name; then the state and ten numbers */
    assert_non_null(at);
    for (int i = 0; i < 12; i++) {
        at = strchr(at + 1, ' ');
        assert_non_null(at);
    }
    long user = strtol(at, &at, 10);
    return user + strtol(at, NULL, 10);
}

/* How many descriptors the server's process has open. */
static int open_files(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)server_pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    assert_int_equal(closedir(dir), 0);
    return count;
}

enum { LINES = 300 };

/* More connections than the process may have descriptors: it does not spin, and when they are gone
 * machines are served. */
static void at_the_limit_of_descriptors(void **state)
{
    (void)state;
    static int lines[LINES];
    few_files = 200;
    start_server();
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < LINES; i++) {
        lines[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(lines[i] >= 0);
        (void)connect(lines[i], (struct sockaddr *)&server, sizeof server); /* EINPROGRESS */
    }
    struct timespec pause = {.tv_nsec = 500000000};
    (void)nanosleep(&pause, NULL);
    long before = processor_time();
    pause.tv_sec = 1;
    (void)nanosleep(&pause, NULL);
    long ticks = processor_time() - before;
    assert_true(ticks < sysconf(_SC_CLK_TCK) / 2); /* spinning would be thrice that */
    for (size_t i = 0; i < LINES; i++) {
        assert_int_equal(close(lines[i]), 0);
    }
    pause = (struct timespec){.tv_nsec = 50000000};
    for (int i = 0; i < 400 && open_files() > 100; i++) { /* until the server has noticed */
        (void)nanosleep(&pause, NULL);
    }
    struct machine machine;
    join(&machine);
    assert_int_equal(write_number(&machine), 0);
    leave(&machine);
    stop_server();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 4) {
        return serve(argv[1], argv[2], argv[3]);
    }
    const struct CMUnitTest tests[] = {
        TEST(a_write_survives_a_restart),
        TEST(what_was_acknowledged_survives_kill),
        TEST(signals),
        TEST(it_says_why_it_does_not_start),
        TEST(a_lost_state_is_made_anew_while_it_runs),
        TEST(at_the_limit_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
