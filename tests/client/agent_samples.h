/* tests/client/agent_samples.h - asking an agent, here or by its socket. */
#ifndef KITBAG_TESTS_CLIENT_AGENT_SAMPLES_H
#define KITBAG_TESTS_CLIENT_AGENT_SAMPLES_H

#include <sys/eventfd.h>
#include <unistd.h>

#include "client/agent.h"
#include "tests/client/kb_samples.h"

/* What was answered: "[a,1,true] [b,2,nil] end 0 [7]". */
struct answer {
    char text[4096];
    int code; /* of the end; 1: none came */
    char why[384];
    unsigned rows;
    int stop_after; /* rows; 0: never */
};

static inline void put_field(struct answer *answer, const msgpack_object *field)
{
    size_t used = strlen(answer->text);
    char *at = answer->text + used;
    size_t left = sizeof answer->text - used;
    switch (field->type) {
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
        (void)snprintf(at, left, "%.*s", (int)(field->via.bin.size < 60 ? field->via.bin.size : 60),
                       field->via.bin.ptr);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        (void)snprintf(at, left, "%llu", (unsigned long long)field->via.u64);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        (void)snprintf(at, left, "%s", field->via.boolean ? "true" : "false");
        break;
    default:
        (void)snprintf(at, left, "nil");
        break;
    }
}

static inline void put_fields(struct answer *answer, struct walk *walk)
{
    const char *before = "[";
    while (walk->left > 0) {
        size_t used = strlen(answer->text);
        (void)snprintf(answer->text + used, sizeof answer->text - used, "%s", before);
        put_field(answer, walk_any(walk));
        before = ",";
    }
    size_t used = strlen(answer->text);
    (void)snprintf(answer->text + used, sizeof answer->text - used, "%s",
                   *before == ',' ? "]" : "");
}

static inline int take_frame(void *context, struct span frame)
{
    struct answer *answer = context;
    struct unpacked scratch = {0};
    struct agent_frame read;
    assert_int_equal(answer->code, 1); /* nothing comes after the end */
    assert_int_equal(agent_frame_read(frame, &scratch, &read), 0);
    size_t used = strlen(answer->text);
    if (read.end) {
        answer->code = read.code;
        (void)snprintf(answer->why, sizeof answer->why, "%s", read.text);
        (void)snprintf(answer->text + used, sizeof answer->text - used, "%send %d%s",
                       used > 0 ? " " : "", read.code, read.fields.left > 0 ? " " : "");
    } else {
        answer->rows++;
        (void)snprintf(answer->text + used, sizeof answer->text - used, "%s", used > 0 ? " " : "");
    }
    put_fields(answer, &read.fields);
    unpack_close(&scratch);
    return answer->stop_after != 0 && (int)answer->rows >= answer->stop_after ? 77 : 0;
}

/* A request from a short notation: "get user:Ann a" with "~" nil, "#5" a number, "!x" bytes, "()"
 * an empty list, "(a,b)" a list of texts, "+" true, "-" false. */
static inline void put_argument(struct buf *out, char *word)
{
    if (strcmp(word, "~") == 0) {
        pack_nil(out);
    } else if (word[0] == '#') {
        pack_u64(out, strtoull(word + 1, NULL, 10));
    } else if (word[0] == '!') {
        pack_bin(out, span_str(word + 1));
    } else if (strcmp(word, "+") == 0 || strcmp(word, "-") == 0) {
        pack_bool(out, word[0] == '+');
    } else if (word[0] == '(') {
        char *names[16];
        uint32_t count = 0;
        char *save = NULL;
        for (char *name = strtok_r(word, "(,)", &save); name != NULL;
             name = strtok_r(NULL, "(,)", &save)) {
            names[count++] = name;
        }
        pack_array(out, count);
        for (uint32_t i = 0; i < count; i++) {
            pack_cstr(out, names[i]);
        }
    } else {
        pack_cstr(out, word);
    }
}

static inline void request_of(struct buf *out, const char *text)
{
    char copy[4096];
    char *words[32];
    uint32_t count = 0;
    char *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        words[count++] = word;
    }
    buf_init(out, 10000);
    agent_begin(out, words[0], count - 1);
    for (uint32_t i = 1; i < count; i++) {
        put_argument(out, words[i]);
    }
    assert_int_equal(buf_error(out), 0);
}

/* Done here. The text of the answer, as above. */
static inline const char *ask(struct machine *machine, struct answer *answer, const char *text)
{
    struct buf request;
    *answer = (struct answer){.code = 1};
    request_of(&request, text);
    assert_int_equal(agent_handle(machine->kb, buf_span(&request), -1, take_frame, answer), 0);
    buf_free(&request);
    assert_true(answer->code != 1);
    return answer->text;
}

/* --- an agent in a thread --- */

struct serving {
    struct machine *machine;
    char socket[TMP_FOLDER_MAX];
    int stop_fd;
    struct thread *thread;
    int rc;
};

static inline void serving_ready(void *context)
{
    thread_ready(context, 0, NULL);
}

static inline void serving_run(struct thread *self, void *context)
{
    struct serving *serving = context;
    struct err err = {0};
    serving->rc = agent_run(serving->machine->kb, serving->socket, serving->stop_fd, serving_ready,
                            self, &err);
    if (serving->rc != 0) {
        print_message("agent_run: %s\n", err.text);
    }
}

static inline void serving_begin(struct serving *serving, struct machine *machine)
{
    *serving = (struct serving){.machine = machine};
    tmp_folder_path(serving->socket, machine->dir, "agent.sock");
    serving->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(serving->stop_fd >= 0);
    assert_int_equal(thread_start(&serving->thread, "agent", serving_run, serving, NULL), 0);
}

static inline void serving_end(struct serving *serving)
{
    uint64_t one = 1;
    assert_int_equal(write(serving->stop_fd, &one, sizeof one), sizeof one);
    thread_join(&serving->thread);
    (void)close(serving->stop_fd);
    assert_int_equal(serving->rc, 0);
}

/* By the socket. */
static inline const char *call(struct serving *serving, struct answer *answer, const char *text)
{
    struct buf request;
    struct err err = {0};
    *answer = (struct answer){.code = 1};
    request_of(&request, text);
    int rc = agent_call(serving->socket, buf_span(&request), take_frame, answer, &err);
    if (rc != 0) {
        print_message("agent_call: %s\n", err.text);
    }
    assert_int_equal(rc, 0);
    buf_free(&request);
    return answer->text;
}

#endif
