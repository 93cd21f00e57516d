/* tests/e2e/peer.c - kitbag-peer: ZeroMQ connections that say whatever peer.py tells them to.
 *
 * Reads commands from standard input, one a line, and tells on standard output what happens. N is
 * a number from 0 to PEERS_MAX - 1 that the caller chooses; bytes are hexadecimal.
 *
 *   keys                                   keys PUBLIC SECRET   a fresh pair
 *   public SECRET                          keys PUBLIC SECRET
 *   open N ENDPOINT SERVER PUBLIC SECRET   a DEALER with CURVE
 *   plain N ENDPOINT                       a DEALER without
 *   name N BYTES                           the next `open N` brings this routing id of its own
 *   send N BYTES                           a message
 *   repeat N COUNT BYTES                   the message COUNT times
 *   parts N COUNT BYTES                    a message of COUNT parts
 *   deaf N | hear N                        stop reading what comes, and read again
 *   close N
 *   sync WORD                              sync WORD            all before it was done
 *
 * Told by themselves: up N, down N, refused N, got N BYTES, full N (a message was not taken).
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/buf.h"
#include "base/hash.h"
#include "transport/keys.h"

enum {
    PEERS_MAX = 256,
    SOCKETS_MAX = 4096,
    LINE_MAX_BYTES = 8 << 20,
    WORDS_MAX = 6,
    NAME_MAX_BYTES = 255,
    KEY_HEX = 2 * KEY_SIZE,
};

struct connection {
    void *socket; /* NULL: not open */
    void *monitor;
    bool deaf;
    uint8_t name[NAME_MAX_BYTES];
    size_t name_size;
};

static void *zmq;
static struct connection peers[PEERS_MAX];

static _Noreturn void die(const char *why)
{
    (void)fprintf(stderr, "kitbag-peer: %s\n", why);
    exit(1);
}

static void tell(const char *what, size_t n)
{
    (void)printf("%s %zu\n", what, n);
}

/* --- bytes and keys --- */

/* Takes the place of the text: half of it is enough. */
static struct span bytes_of(char *hex)
{
    size_t size = strlen(hex) / 2;
    uint8_t *bytes = (uint8_t *)hex;
    for (size_t i = 0; i < size; i++) {
        if (hex_decode(span_of(hex + 2 * i, 2), &bytes[i], 1) != 0) {
            die("these are no hexadecimal bytes");
        }
    }
    return span_of(bytes, size);
}

static void key_of(char *hex, uint8_t key[KEY_SIZE])
{
    if (strlen(hex) != KEY_HEX) {
        die("a key has 64 hexadecimal digits");
    }
    memcpy(key, bytes_of(hex).data, KEY_SIZE);
}

static void tell_keys(const struct key_pair *pair)
{
    char public_key[KEY_HEX + 1];
    char secret_key[KEY_HEX + 1];
    hex_encode(pair->public_key, KEY_SIZE, public_key);
    hex_encode(pair->secret_key, KEY_SIZE, secret_key);
    (void)printf("keys %s %s\n", public_key, secret_key);
}

/* --- connections --- */

static void close_peer(struct connection *peer)
{
    if (peer->socket == NULL) {
        return;
    }
    (void)zmq_socket_monitor(peer->socket, NULL, 0);
    (void)zmq_close(peer->socket);
    (void)zmq_close(peer->monitor);
    *peer = (struct connection){0};
}

static void set_number(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) {
        die("a socket takes no option");
    }
}

static void make_socket(struct connection *peer)
{
    static unsigned count;
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://monitor.%u", count++);
    peer->socket = zmq_socket(zmq, ZMQ_DEALER);
    peer->monitor = zmq_socket(zmq, ZMQ_PAIR);
    if (peer->socket == NULL || peer->monitor == NULL) {
        die("there is no socket left");
    }
    set_number(peer->socket, ZMQ_LINGER, 0);
    set_number(peer->socket, ZMQ_SNDHWM, 0);
    set_number(peer->socket, ZMQ_RCVHWM, 16);
    set_number(peer->socket, ZMQ_RECONNECT_IVL, -1);
    set_number(peer->monitor, ZMQ_LINGER, 0);
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;
    if (zmq_socket_monitor(peer->socket, name, events) != 0 ||
        zmq_connect(peer->monitor, name) != 0) {
        die("there is no monitor");
    }
    if (peer->name_size > 0 &&
        zmq_setsockopt(peer->socket, ZMQ_ROUTING_ID, peer->name, peer->name_size) != 0) {
        die("this is no routing id");
    }
}

static void open_peer(struct connection *peer, char **words, bool curve)
{
    uint8_t key[KEY_SIZE];
    static const int options[] = {ZMQ_CURVE_SERVERKEY, ZMQ_CURVE_PUBLICKEY, ZMQ_CURVE_SECRETKEY};
    make_socket(peer);
    for (size_t i = 0; curve && i < 3; i++) {
        key_of(words[3 + i], key);
        if (zmq_setsockopt(peer->socket, options[i], key, KEY_SIZE) != 0) {
            die("this is no key");
        }
    }
    if (zmq_connect(peer->socket, words[2]) != 0) {
        die("this is no endpoint");
    }
}

static void send_to(size_t n, char *hex, unsigned long count, bool parts)
{
    struct span bytes = bytes_of(hex);
    for (unsigned long i = 0; i < count; i++) {
        int flags = parts && i + 1 < count ? ZMQ_SNDMORE : 0;
        if (zmq_send(peers[n].socket, bytes.data, bytes.size, flags | ZMQ_DONTWAIT) < 0) {
            tell("full", n);
            return;
        }
    }
}

/* --- commands --- */

static void command_of(size_t n, char **words)
{
    struct connection *peer = &peers[n];
    const char *verb = words[0];
    char *bytes = words[2];
    bool opens = strcmp(verb, "open") == 0 || strcmp(verb, "plain") == 0;
    if (opens != (peer->socket == NULL) && strcmp(verb, "name") != 0) {
        return; /* it was closed meanwhile */
    }
    if (opens) {
        open_peer(peer, words, verb[0] == 'o');
    } else if (strcmp(verb, "name") == 0) {
        struct span name = bytes_of(bytes);
        memcpy(peer->name, name.data, name.size);
        peer->name_size = name.size;
    } else if (strcmp(verb, "send") == 0) {
        send_to(n, bytes, 1, false);
    } else if (strcmp(verb, "repeat") == 0 || strcmp(verb, "parts") == 0) {
        send_to(n, words[3], strtoul(words[2], NULL, 10), verb[0] == 'p');
    } else if (strcmp(verb, "deaf") == 0 || strcmp(verb, "hear") == 0) {
        peer->deaf = verb[0] == 'd';
    } else if (strcmp(verb, "close") == 0) {
        close_peer(peer);
    } else {
        die(verb);
    }
}

static void command(char *line)
{
    char nothing[] = "";
    char *words[WORDS_MAX] = {nothing, nothing, nothing, nothing, nothing, nothing};
    char *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " ", &rest); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        words[count++] = word;
    }
    struct key_pair pair;
    if (count == 1 && strcmp(words[0], "keys") == 0) {
        key_pair_make(&pair);
        tell_keys(&pair);
    } else if (count == 2 && strcmp(words[0], "public") == 0) {
        uint8_t secret[KEY_SIZE];
        key_of(words[1], secret);
        key_pair_of_secret(&pair, secret);
        tell_keys(&pair);
    } else if (count == 2 && strcmp(words[0], "sync") == 0) {
        (void)printf("sync %s\n", words[1]);
    } else if (count >= 2 && strtoul(words[1], NULL, 10) < PEERS_MAX) {
        command_of(strtoul(words[1], NULL, 10), words);
    } else {
        die("this is no command");
    }
}

/* False at the end of the input. */
static bool read_commands(struct buf *in)
{
    uint8_t *space = buf_extend(in, 65536);
    if (space == NULL) {
        die("the line is too long");
    }
    ssize_t got = read(STDIN_FILENO, space, 65536);
    buf_truncate(in, in->size - 65536 + (got > 0 ? (size_t)got : 0));
    char *begin = (char *)in->data;
    char *end = NULL;
    size_t left = in->size;
    while (left > 0 && (end = memchr(begin, '\n', left)) != NULL) {
        *end = '\0';
        left -= (size_t)(end + 1 - begin);
        command(begin);
        begin = end + 1;
    }
    memmove(in->data, begin, left);
    buf_truncate(in, left);
    return got > 0;
}

/* --- what comes --- */

static void read_monitor(size_t n)
{
    uint8_t bytes[6];
    char address[256];
    while (zmq_recv(peers[n].monitor, bytes, sizeof bytes, ZMQ_DONTWAIT) == sizeof bytes) {
        uint16_t event;
        memcpy(&event, bytes, sizeof event);
        (void)zmq_recv(peers[n].monitor, address, sizeof address, ZMQ_DONTWAIT);
        tell(event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED     ? "up"
             : event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? "refused"
                                                        : "down",
             n);
    }
}

static void read_messages(size_t n)
{
    static char hex[2 * 65536 + 1];
    static uint8_t bytes[65536];
    int size;
    while ((size = zmq_recv(peers[n].socket, bytes, sizeof bytes, ZMQ_DONTWAIT)) >= 0) {
        if ((size_t)size > sizeof bytes) {
            die("the server sent more than a frame");
        }
        hex_encode(bytes, (size_t)size, hex);
        (void)printf("got %zu %s\n", n, hex);
    }
}

static void wait_for_any(void)
{
    static zmq_pollitem_t items[1 + 2 * PEERS_MAX];
    int count = 0;
    items[count++] = (zmq_pollitem_t){.fd = STDIN_FILENO, .events = ZMQ_POLLIN};
    for (size_t n = 0; n < PEERS_MAX; n++) {
        if (peers[n].socket != NULL) {
            items[count++] = (zmq_pollitem_t){.socket = peers[n].monitor, .events = ZMQ_POLLIN};
        }
        if (peers[n].socket != NULL && !peers[n].deaf) {
            items[count++] = (zmq_pollitem_t){.socket = peers[n].socket, .events = ZMQ_POLLIN};
        }
    }
    (void)zmq_poll(items, count, -1);
}

static bool has_commands(void)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

int main(void)
{
    struct buf in;
    buf_init(&in, LINE_MAX_BYTES);
    zmq = zmq_ctx_new();
    if (zmq == NULL || zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX) != 0) {
        die("ZeroMQ does not start");
    }
    bool more = true;
    while (more) {
        (void)fflush(stdout);
        wait_for_any();
        for (size_t n = 0; n < PEERS_MAX; n++) {
            if (peers[n].socket != NULL && !peers[n].deaf) {
                read_messages(n); /* what came before the news that it is down */
            }
            if (peers[n].socket != NULL) {
                read_monitor(n);
            }
        }
        more = !has_commands() || read_commands(&in);
    }
    for (size_t n = 0; n < PEERS_MAX; n++) {
        close_peer(&peers[n]);
    }
    buf_free(&in);
    (void)zmq_ctx_term(zmq);
    return 0;
}
