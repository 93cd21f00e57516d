/* cli/kitbag_call.h - one verb of client/agent.h, asked by a command.
 *
 * The agent does it when one serves the folder, else this process opens the folder for a moment.
 * When another short-lived command has the folder, it is tried again for up to three seconds.
 */
#ifndef KITBAG_CLI_KITBAG_CALL_H
#define KITBAG_CLI_KITBAG_CALL_H

#include "cli/command.h"
#include "client/agent.h"

/* Told each row's fields; not 0 ends the call with that code. */
typedef int call_row_fn(void *context, struct walk *fields, struct err *err);

/* What ended it. */
struct call_end {
    struct walk results; /* lives until call_close */
    bool by_agent;
};

/* One request and its answer. Born zeroed, freed by call_close. */
struct call {
    struct buf request;
    call_row_fn *row; /* NULL: rows are a mistake of the other side */
    void *context;
    struct call_end end;
    /* inside */
    struct unpacked scratch;
    struct buf end_bytes;
    struct err err;
    int code;
    bool ended;
};

/* Begin: then pack `arguments` arguments into call->request. */
void call_begin(struct call *call, const char *verb, uint32_t arguments);
/* Do it. Returns 0 or the verb's code with its sentence. */
MUST_CHECK int call_run(struct call *call, const struct invocation *invocation, struct err *err);
void call_close(struct call *call);

/* "user:NAME" of the first argument, or --bag; `next` is the index of the argument behind. */
MUST_CHECK int call_bag(const struct invocation *invocation, char *out, size_t size, int *next,
                        struct err *err);

#endif
