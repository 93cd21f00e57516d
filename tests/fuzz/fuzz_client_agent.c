/* tests/fuzz/fuzz_client_agent.c - bytes on the agent's socket, from either side.
 *
 * The first byte of the input chooses:
 *
 *   0  the rest is a request, done on a folder with one user, an item on its way, and no server:
 *      whatever it is, rows are told and then one end, all of which can be read, with a code
 *   1  the rest is a frame of an answer: what is read of it lies within it
 *   2  the rest is what comes on the socket: frames are taken off as their lengths say
 *
 * No request of 0 may join a server: one with a join token in it is passed over.
 */
#include <ftw.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/agent_frames.h"
#include "client/kb_inside.h"
#include "tests/fuzz/fuzz.h"

enum { MODES = 3, STREAM_MAX = 32 << 10, MAP_BYTES = 64 << 20 };

static char folder[64];
static struct kb *machine;
static struct kb_status at_first = {.size = sizeof at_first};
static uint64_t first_op;
static int nobody_waits_fd; /* always readable: a watch or a wait ends at once */

/* --- the folder --- */

/* Instead of the C library's, for LMDB too: nothing here cuts the power. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

int fsync(int fd)
{
    (void)fd;
    return 0;
}

static int never_connect(void *context, const char *address, const uint8_t server_key[KEY_SIZE],
                         const struct key_pair *own, struct err *err)
{
    (void)context;
    (void)server_key;
    (void)own;
    return err_set(err, E_UNREACHABLE, "'%s' is not asked", address);
}

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *ftw)
{
    (void)file;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void end_machine(void)
{
    if (machine != NULL) {
        kb_close(&machine);
        (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* else it is left in /tmp */
    }
}

static void begin_machine(void)
{
    static const struct network_port port = {.connect = never_connect};
    static const struct client_world world = {.port = &port};
    struct kb_options options = {
        .size = sizeof options, .data_dir = folder, .map_bytes = MAP_BYTES};
    (void)snprintf(folder, sizeof folder, "/tmp/kitbag-fuzz-agent-XXXXXX");
    FUZZ_CHECK(mkdtemp(folder) != NULL);
    FUZZ_CHECK(client_open(&machine, &options, &world, NULL) == 0);
    FUZZ_CHECK(kb_login(machine, "Ann", NULL, 0, NULL) == 0);
    FUZZ_CHECK(kb_set(machine, "user:Ann", "copy/default", "v", 1, NULL, &first_op, NULL) == 0);
    kb_status(machine, &at_first);
}

/* All but the first write; what can't be dropped stays, and is seen by its number. */
static int drop_later(void *context, const struct kb_op *op)
{
    bool *found = context;
    *found = *found || op->op == first_op;
    if (op->op != first_op) {
        (void)kb_outbox_drop(machine, op->op, NULL);
    }
    return 0;
}

static bool is_as_at_first(void)
{
    struct kb_status status = {.size = sizeof status};
    kb_status(machine, &status);
    return status.pending == at_first.pending && status.refused == at_first.refused &&
           status.users == at_first.users && status.bags == at_first.bags;
}

/* Takes back what was written: a new folder takes far longer than a request. */
static void drop_writes(void)
{
    bool found = false;
    FUZZ_CHECK(kb_outbox(machine, KB_OUTBOX_PENDING, drop_later, &found, NULL) == 0);
    FUZZ_CHECK(kb_outbox_drop(machine, 0, NULL) == 0); /* the refused ones */
    if (!found) {
        (void)kb_set(machine, "user:Ann", "copy/default", "v", 1, NULL, &first_op, NULL);
    }
}

/* As it was at first, whatever the input before did. */
static void begin_again(void)
{
    if (machine == NULL) {
        nobody_waits_fd = eventfd(1, EFD_CLOEXEC);
        FUZZ_CHECK(nobody_waits_fd >= 0 && atexit(end_machine) == 0);
        begin_machine();
    }
    if (!is_as_at_first()) {
        drop_writes();
    }
    if (!is_as_at_first()) {
        end_machine();
        begin_machine();
    }
}

/* --- requests --- */

struct answer {
    bool ended;
    struct unpacked scratch;
};

static int take_frame(void *context, struct span bytes)
{
    struct answer *answer = context;
    struct agent_frame frame;
    FUZZ_CHECK(!answer->ended);
    FUZZ_CHECK(agent_frame_read(bytes, &answer->scratch, &frame) == 0);
    answer->ended = frame.end;
    FUZZ_CHECK(!frame.end || frame.code == 0 || strcmp(err_name(frame.code), "unknown") != 0);
    FUZZ_CHECK(!frame.end || (frame.code == 0) == (frame.text[0] == '\0'));
    return 0;
}

static void check_request(struct span request)
{
    struct answer answer = {.ended = false};
    if (request.size > 0 && memmem(request.data, request.size, "kb1.", 4) != NULL) {
        return;
    }
    begin_again();
    FUZZ_CHECK(agent_handle(machine, request, nobody_waits_fd, take_frame, &answer) == 0);
    FUZZ_CHECK(answer.ended);
    unpack_close(&answer.scratch);
}

/* --- answers --- */

static void check_answer(struct span bytes)
{
    struct unpacked scratch = {0};
    struct agent_frame frame;
    int rc = agent_frame_read(bytes, &scratch, &frame);
    FUZZ_CHECK(rc == 0 || rc == E_MALFORMED || rc == E_TOO_LARGE);
    if (rc == 0) {
        FUZZ_CHECK(frame.fields.left <= AGENT_ELEMENTS_MAX);
        FUZZ_CHECK(!frame.end || frame.code <= 0);
        FUZZ_CHECK(!frame.end || strnlen(frame.text, sizeof frame.text) < sizeof frame.text);
    }
    unpack_close(&scratch);
}

/* --- the socket --- */

static void check_stream(struct span bytes)
{
    int fds[2];
    struct buf frame;
    buf_init(&frame, AGENT_FRAME_MAX);
    bytes.size = bytes.size < STREAM_MAX ? bytes.size : STREAM_MAX;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    FUZZ_CHECK(send(fds[0], bytes.data, bytes.size, MSG_DONTWAIT) == (ssize_t)bytes.size);
    (void)close(fds[0]);
    int rc = 0;
    while (rc == 0) {
        rc = agent_frame_receive(fds[1], &frame);
        if (rc == 0) {
            FUZZ_CHECK(bytes.size >= 4 && frame.size == get_be32(bytes.data));
            FUZZ_CHECK(frame.size <= bytes.size - 4);
            FUZZ_CHECK(frame.size == 0 || memcmp(frame.data, bytes.data + 4, frame.size) == 0);
            bytes = span_of(bytes.data + 4 + frame.size, bytes.size - 4 - frame.size);
        }
    }
    FUZZ_CHECK((rc == E_CLOSED) == (bytes.size == 0));
    FUZZ_CHECK(rc == E_CLOSED || rc == E_IO || rc == E_TOO_LARGE);
    (void)close(fds[1]);
    buf_free(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct span rest = span_of(data + 1, size - 1);
    switch (data[0] % MODES) {
    case 0:
        check_request(rest);
        break;
    case 1:
        check_answer(rest);
        break;
    default:
        check_stream(rest);
        break;
    }
    return 0;
}
