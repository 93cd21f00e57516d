/* transport/zap.c - the server's end of ZAP.
 *
 * A question is the frames version "1.0", request id, domain, address, routing id, mechanism, and
 * for CURVE the client's public key of 32 bytes. An answer is version, request id, status code,
 * status text, user id, metadata.
 */
#include "transport/zap.h"

#include <string.h>
#include <zmq.h>

#include "transport/socket.h"

enum {
    ZAP_VERSION,
    ZAP_REQUEST,
    ZAP_DOMAIN_FRAME,
    ZAP_ADDRESS,
    ZAP_ROUTING_ID,
    ZAP_MECHANISM,
    ZAP_KEY,
    ZAP_FRAMES,
    FRAME_MAX = 256, /* none of those that count is longer */
};

struct frame {
    size_t size; /* as it was sent: over FRAME_MAX the bytes are cut */
    uint8_t bytes[FRAME_MAX];
};

int zap_open(struct zap *zap, void *zmq_context,
             bool (*admit)(void *context, const uint8_t key[KEY_SIZE]), void *context,
             struct err *err)
{
    ASSERT(admit != NULL);
    *zap = (struct zap){.admit = admit, .context = context};
    zap->socket = zmq_socket(zmq_context, ZMQ_REP);
    if (zap->socket == NULL || socket_set(zap->socket, ZMQ_LINGER, 0) != 0 ||
        zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0) {
        int rc = err_set(err, E_SYSTEM, "can't answer who may connect: %s", zmq_strerror(errno));
        zap_close(zap);
        return rc;
    }
    return 0;
}

void zap_close(struct zap *zap)
{
    if (zap->socket != NULL) {
        (void)zmq_close(zap->socket);
        zap->socket = NULL;
    }
}

static bool frame_is(const struct frame *frame, const char *text)
{
    return frame->size == strlen(text) && memcmp(frame->bytes, text, frame->size) == 0;
}

/* Reads a question to its last frame. Returns the number of frames, 0 when none waits. */
static size_t receive(void *socket, struct frame frames[ZAP_FRAMES])
{
    size_t count = 0;
    int more = 1;
    while (more != 0) {
        struct frame frame = {0};
        int size = zmq_recv(socket, frame.bytes, sizeof frame.bytes, ZMQ_DONTWAIT);
        if (size < 0) {
            return 0;
        }
        frame.size = (size_t)size;
        if (count < ZAP_FRAMES) {
            frames[count] = frame;
        }
        count++;
        size_t more_size = sizeof more;
        int rc = zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
        ASSERT(rc == 0);
    }
    return count;
}

static const char *judge(const struct zap *zap, const struct frame *frames, size_t count)
{
    if (count < ZAP_KEY || !frame_is(&frames[ZAP_VERSION], "1.0") ||
        frames[ZAP_REQUEST].size > FRAME_MAX) {
        return "500";
    }
    if (count != ZAP_FRAMES || !frame_is(&frames[ZAP_DOMAIN_FRAME], ZAP_DOMAIN) ||
        !frame_is(&frames[ZAP_MECHANISM], "CURVE") || frames[ZAP_KEY].size != KEY_SIZE) {
        return "400";
    }
    return zap->admit(zap->context, frames[ZAP_KEY].bytes) ? "200" : "400";
}

static void answer(const struct zap *zap, const struct frame *frames, size_t count)
{
    const char *status = judge(zap, frames, count);
    char user[KEY_Z85_MAX] = "";
    if (strcmp(status, "200") == 0) {
        key_z85(frames[ZAP_KEY].bytes, user);
    }
    struct span request = {NULL, 0};
    if (count > ZAP_REQUEST && frames[ZAP_REQUEST].size <= FRAME_MAX) {
        request = span_of(frames[ZAP_REQUEST].bytes, frames[ZAP_REQUEST].size);
    }
    const struct span parts[] = {
        SPAN_LITERAL("1.0"), request, span_str(status), {NULL, 0}, span_str(user), {NULL, 0},
    };
    enum { PARTS = sizeof parts / sizeof parts[0] };
    for (size_t i = 0; i < PARTS; i++) {
        int more = i + 1 < PARTS ? ZMQ_SNDMORE : 0;
        /* Whoever asked may be gone: then there is nobody to tell. */
        (void)zmq_send(zap->socket, parts[i].data, parts[i].size, ZMQ_DONTWAIT | more);
    }
}

void zap_answer(struct zap *zap)
{
    struct frame frames[ZAP_FRAMES];
    for (size_t count = receive(zap->socket, frames); count > 0;
         count = receive(zap->socket, frames)) {
        answer(zap, frames, count);
    }
}
