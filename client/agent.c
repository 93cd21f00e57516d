/* client/agent.c - requests and answers as bytes; where a request is done. */
#include "client/agent.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void agent_begin(struct buf *out, const char *verb, uint32_t arguments)
{
    pack_array(out, arguments + 1);
    pack_cstr(out, verb);
}

static void copy_text(char *out, size_t size, struct span text)
{
    size_t length = text.size < size - 1 ? text.size : size - 1;
    if (length > 0) {
        memcpy(out, text.data, length);
    }
    out[length] = '\0';
}

int agent_frame_read(struct span bytes, struct unpacked *scratch, struct agent_frame *out)
{
    ASSERT(scratch != NULL && out != NULL);
    int rc = unpack_open(scratch, bytes, AGENT_ELEMENTS_MAX);
    if (rc != 0) {
        return rc;
    }
    struct agent_frame frame = {.fields = walk_array(&scratch->root)};
    frame.end = walk_u64_max(&frame.fields, 1) == 1;
    if (frame.end) {
        frame.code = -(int)walk_u64_max(&frame.fields, INT_MAX);
        copy_text(frame.text, sizeof frame.text, walk_str(&frame.fields));
    }
    if (frame.fields.error != 0) {
        return frame.fields.error;
    }
    *out = frame;
    return 0;
}

int agent_socket_path(const struct kb_options *options, char *out, size_t size, struct err *err)
{
    ASSERT(options != NULL && options->data_dir != NULL);
    int length = options->socket != NULL ? snprintf(out, size, "%s", options->socket)
                                         : snprintf(out, size, "%s/agent.sock", options->data_dir);
    if (length < 0 || (size_t)length >= size || length > AGENT_SOCKET_MAX) {
        return err_set(err, E_INVALID,
                       "the path of the agent's socket is longer than %d bytes: choose a shorter "
                       "one (--socket)",
                       AGENT_SOCKET_MAX);
    }
    return 0;
}

int agent_request(const struct kb_options *options, struct span request, bool *by_agent,
                  agent_reply_fn *reply, void *context, struct err *err)
{
    ASSERT(options != NULL && reply != NULL);
    char socket[AGENT_SOCKET_MAX + 1];
    struct err why = {0};
    int rc = agent_socket_path(options, socket, sizeof socket, err);
    if (rc != 0) {
        return rc;
    }
    rc = agent_call(socket, request, reply, context, &why);
    if (by_agent != NULL) {
        *by_agent = rc != E_UNREACHABLE;
    }
    if (rc != E_UNREACHABLE) {
        return rc == 0 ? 0
                       : err_set(err, rc, "%s", why.text[0] != '\0' ? why.text : err_meaning(rc));
    }
    struct kb *kb = NULL;
    struct kb_error error = {0};
    rc = kb_open(&kb, options, &error);
    if (rc != 0) {
        return err_set(err, rc, "%s", error.text);
    }
    rc = agent_handle(kb, request, -1, reply, context);
    kb_close(&kb);
    return rc;
}
