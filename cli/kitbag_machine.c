/* cli/kitbag_machine.c - joining, starting and stopping, status, verify. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/kitbag_status.h"
#include "cli/kitbag_verbs.h"

enum { JOIN_TIMEOUT_MAX_MS = 600000 };

static void pack_or_nil(struct buf *request, const char *text)
{
    if (text != NULL) {
        pack_cstr(request, text);
    } else {
        pack_nil(request);
    }
}

static void pack_servers(const struct invocation *invocation, struct buf *request)
{
    uint32_t count = 0;
    while (invocation_option_at(invocation, "server", count) != NULL) {
        count++;
    }
    pack_array(request, count);
    for (uint32_t i = 0; i < count; i++) {
        pack_cstr(request, invocation_option_at(invocation, "server", i));
    }
}

/* --- whose values count --- */

/* In the order of enum kb_join_policy. */
static const char *const policies[] = {"server-wins", "client-wins", "newest", "merge"};

static int read_policy(const struct invocation *invocation, uint64_t *policy, struct err *err)
{
    const char *text = invocation_option(invocation, "policy");
    *policy = 0;
    for (uint64_t i = 0; text != NULL && i < sizeof policies / sizeof policies[0]; i++) {
        if (strcmp(text, policies[i]) == 0) {
            *policy = i;
            return 0;
        }
    }
    return text == NULL ? 0
                        : err_set(err, E_USAGE,
                                  "--policy takes server-wins, client-wins, newest or merge, not "
                                  "'%s'",
                                  text);
}

static int read_timeout(const struct invocation *invocation, uint64_t *timeout_ms, struct err *err)
{
    const char *text = invocation_option(invocation, "timeout");
    *timeout_ms = 0;
    bool wrong = text != NULL &&
                 (clock_parse_duration(text, timeout_ms) != 0 || *timeout_ms > JOIN_TIMEOUT_MAX_MS);
    return wrong ? err_set(err, E_USAGE,
                           "--timeout takes a time such as 10s, at most 10m, not '%s'", text)
                 : 0;
}

/* What the agent tells of a policy that was carried out, or goes on. */
static void tell_judged(struct walk *results, uint64_t policy)
{
    bool done = walk_bool(results);
    unsigned long long users = walk_u64(results);
    unsigned long long groups = walk_u64(results);
    unsigned long long same = walk_u64(results);
    unsigned long long taken = walk_u64(results);
    unsigned long long there = walk_u64(results);
    unsigned long long here = walk_u64(results);
    struct span saved = walk_str(results);
    if (users + groups > 0) {
        (void)fprintf(
            stderr,
            "Where both had data (users: %llu, groups: %llu), by %s: the same %llu, taken "
            "to the server %llu, replaced there %llu, replaced here %llu.\n",
            users, groups, policies[policy], same, taken, there, here);
    }
    if (saved.size > 0) {
        (void)fprintf(stderr, "What was replaced is in %.*s; 'kitbag import' brings it back.\n",
                      (int)saved.size, (const char *)saved.data);
    }
    if (!done) {
        (void)fprintf(
            stderr,
            "What both have is not all here yet: %s is carried out when it is, as long as "
            "the agent runs.\n",
            policies[policy]);
    }
}

/* --- joining --- */

static void tell_joined(struct call *call, uint64_t policy)
{
    struct span device = walk_str(&call->end.results);
    unsigned long long users = walk_u64(&call->end.results);
    unsigned long long writes = walk_u64(&call->end.results);
    (void)fprintf(stderr, "Joined as device %.*s.\n", (int)device.size, (const char *)device.data);
    if (users > 0 || writes > 0) {
        (void)fprintf(stderr,
                      "What this machine had (users: %llu, writes: %llu) goes to the server.\n",
                      users, writes);
    }
    tell_judged(&call->end.results, policy);
    if (!call->end.by_agent) {
        (void)fputs("Start the agent to stay connected: kitbag agent\n", stderr);
    }
}

int verb_join(const struct invocation *invocation, struct err *err)
{
    uint64_t policy = 0;
    uint64_t timeout_ms = 0;
    struct call call = {0};
    int rc = read_policy(invocation, &policy, err);
    rc = rc != 0 ? rc : read_timeout(invocation, &timeout_ms, err);
    if (rc != 0) {
        return rc;
    }
    call_begin(&call, "join", 7);
    pack_cstr(&call.request, invocation->args[0]);
    pack_servers(invocation, &call.request);
    pack_or_nil(&call.request, invocation_option(invocation, "name"));
    pack_or_nil(&call.request, invocation_option(invocation, "serial"));
    pack_or_nil(&call.request, invocation_option(invocation, "model"));
    pack_u64(&call.request, timeout_ms);
    pack_u64(&call.request, policy);
    rc = call_run(&call, invocation, err);
    if (rc == 0) {
        tell_joined(&call, policy);
    }
    call_close(&call);
    return rc;
}

/* --- starting and stopping --- */

int verb_sync_start(const struct invocation *invocation, struct err *err)
{
    uint64_t policy = 0;
    uint64_t timeout_ms = 0;
    struct call call = {0};
    int rc = read_policy(invocation, &policy, err);
    rc = rc != 0 ? rc : read_timeout(invocation, &timeout_ms, err);
    if (rc != 0) {
        return rc;
    }
    call_begin(&call, "start", 2);
    pack_u64(&call.request, policy);
    pack_u64(&call.request, timeout_ms);
    rc = call_run(&call, invocation, err);
    if (rc == 0 && policy != 0) {
        tell_judged(&call.end.results, policy);
    }
    if (rc == 0 && !call.end.by_agent) {
        (void)fputs("No agent is running here: start one to connect (kitbag agent).\n", stderr);
    }
    call_close(&call);
    return rc;
}

int verb_sync_stop(const struct invocation *invocation, struct err *err)
{
    struct call call = {0};
    call_begin(&call, "stop", 0);
    int rc = call_run(&call, invocation, err);
    call_close(&call);
    return rc;
}

int verb_status(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {{"phase", "State", false},
                                                   {"code", "Problem", false},
                                                   {"text", "What to do", false},
                                                   {"name", "Machine", false},
                                                   {"device", "Device ID", false},
                                                   {"server", "Server", false},
                                                   {"connected", "Connected", false},
                                                   {"agent", "Agent", false},
                                                   {"last_heard", "Last heard", false},
                                                   {"seq", "Seq here", false},
                                                   {"head_seq", "Seq there", false},
                                                   {"users", "Users", false},
                                                   {"bags", "Bags", false},
                                                   {"bags_complete", "Complete", false},
                                                   {"items", "Items", false},
                                                   {"pending", "To be sent", false},
                                                   {"refused", "Refused", false},
                                                   {"verified", "Compared", false},
                                                   {"healed", "Fetched anew", false},
                                                   {"kept", "Keeps", false},
                                                   {"mirror_seq", "Journal copy", false},
                                                   {"mirror_from", "Copy begins with", false},
                                                   {"mirror_bytes", "Copy's bytes", false},
                                                   {"mirror_code", "Copy's problem", false},
                                                   {"mirror_text", "Journal copy says", false},
                                                   {"history", "History", false},
                                                   {NULL, NULL, false}};
    json_t *status = NULL;
    enum output_format format;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = status_ask(invocation, &status, err);
    }
    if (rc == 0) {
        output_object(format, columns, status);
    }
    json_decref(status);
    return rc;
}

/* What this machine has is whole; is it also what the server has? */
static int tell_compared(const struct invocation *invocation, struct err *err)
{
    json_t *status = NULL;
    int rc = status_ask(invocation, &status, err);
    if (rc != 0) {
        return rc;
    }
    const char *verified = json_string_value(json_object_get(status, "verified"));
    const char *phase = json_string_value(json_object_get(status, "phase"));
    json_int_t healed = json_integer_value(json_object_get(status, "healed"));
    if (phase != NULL && strcmp(phase, "alone") == 0) {
        json_decref(status); /* there is no server to compare with */
        return 0;
    }
    if (verified != NULL && verified[0] != '\0') {
        (void)printf("Every bag was compared with the server's since %s.\n", verified);
    } else {
        (void)printf("Not every bag was compared with the server's yet: the agent does that while "
                     "it is connected.\n");
    }
    if (healed > 0) {
        (void)printf("%" JSON_INTEGER_FORMAT " times a bag differed and was fetched anew.\n",
                     healed);
    }
    json_decref(status);
    return 0;
}

int verb_verify(const struct invocation *invocation, struct err *err)
{
    struct call call = {0};
    call_begin(&call, "verify", 0);
    int rc = call_run(&call, invocation, err);
    if (rc == 0) {
        uint64_t records = walk_u64(&call.end.results);
        (void)walk_u64(&call.end.results);
        uint64_t batches = walk_u64(&call.end.results);
        (void)printf("%llu records of the replica and %llu batches of the outbox are whole.\n",
                     (unsigned long long)records, (unsigned long long)batches);
        rc = tell_compared(invocation, err);
    }
    call_close(&call);
    return rc;
}
