/* admin/route.h - requests, responses, and the table that says who answers what. No sockets.
 *
 * Whatever carries HTTP (the local socket, HTTPS) fills a request, finds its route, looks whether
 * who asks may, runs the route's function on a thread of the route's lane, and sends the response.
 * The functions see neither connections nor bytes of HTTP.
 */
#ifndef KITBAG_ADMIN_ROUTE_H
#define KITBAG_ADMIN_ROUTE_H

#include <jansson.h>
#include <stdatomic.h>

#include "admin/backend.h"

enum {
    ADMIN_BODY_MAX_BYTES = 1 << 20,   /* of JSON, kept in memory */
    ADMIN_FILE_MAX_BYTES = 256 << 20, /* of an uploaded file, kept on disk */
    ADMIN_PARTS_MAX = 4,              /* variable parts of a path */
    ADMIN_QUERY_MAX = 16,             /* parameters */
    ADMIN_TEXT_MAX = 1024,            /* a part or a parameter, decoded */
    ADMIN_RESPONSE_MAX_BYTES = 64 << 20,
    ADMIN_ALLOW_MAX = 40, /* "GET, HEAD, PUT, DELETE" */
    ADMIN_IF_MATCH_MAX = 64,
    ADMIN_EVENT_ID_MAX = 64,
    ADMIN_COOKIE_MAX = 256,
    ADMIN_FILE_NAME_MAX = 64, /* a download's file name: letters, digits, '.', '-' and '_' */
    ADMIN_FILE_ETAG_MAX = 64,
    ADMIN_SSE_QUIET_MS = 15000,
};

/* Where a route's function runs: a thread of its own each, so that one kind of work never waits for
 * another. */
enum admin_lane {
    ADMIN_LANE_QUICK, /* a few look-ups */
    ADMIN_LANE_LIST,  /* walks a directory */
    ADMIN_LANE_PAST,  /* reads the journal backwards */
    ADMIN_LANE_LONG,  /* seconds: imports, deletions */
    /* hashes a password, 64 MiB and 100 ms each: two threads, and few requests wait */
    ADMIN_LANE_PASSWORD,
    ADMIN_LANES,
    /* No thread of its own: the loop's thread answers at once. For what takes microseconds, and
     * neither waits nor reads a disk. A function that finds that it would have to returns
     * E_DEFERRED when `at_once` is set, and is run again by ADMIN_LANE_QUICK. */
    ADMIN_LANE_LOOP = ADMIN_LANES,
};

/* What somebody may do; each includes the one before. */
enum admin_role {
    ADMIN_ROLE_NONE,     /* not signed in */
    ADMIN_ROLE_VIEWER,   /* sees everything but accounts and secret values */
    ADMIN_ROLE_OPERATOR, /* and changes user data, runs synchronization, admits machines */
    ADMIN_ROLE_ADMIN,    /* and all the rest */
};

/* How somebody came in. */
enum admin_via {
    ADMIN_VIA_LOCAL,   /* the socket that the server's own account alone may open */
    ADMIN_VIA_SESSION, /* a browser's cookie */
    ADMIN_VIA_TOKEN,   /* a script's API token */
};
struct admin_identity; /* auth/auth.h */
struct admin_auth;

struct admin_pair {
    const char *name;
    const char *value; /* "" when it was given without one */
};

/* Owned by whoever made it, until the response was sent. Texts are decoded, valid UTF-8 without
 * NUL. */
struct admin_request {
    const struct admin_backend *backend;
    const char *actor;                  /* who asks: "admin" */
    enum admin_role role;               /* what they may do */
    enum admin_via via;                 /* how they came in; of no role: by HTTPS */
    const char *address;                /* of the machine they sit at, as a number; "": this one */
    const struct admin_identity *who;   /* all that is known of them; NULL: nobody signed in */
    struct admin_auth *auth;            /* for the routes of accounts, sessions and tokens */
    const char *parts[ADMIN_PARTS_MAX]; /* the path's {}, in order */
    size_t query_count;
    struct admin_pair query[ADMIN_QUERY_MAX];
    char if_match[ADMIN_IF_MATCH_MAX];      /* the header, "" when there is none */
    char last_event_id[ADMIN_EVENT_ID_MAX]; /* the header, "" when there is none */
    bool at_once;     /* the loop's thread asks: a function that would have to wait is E_DEFERRED */
    struct span body; /* of routes without ADMIN_BODY_FILE */
    int file;         /* of routes with it: read from offset 0; else -1 */
    const atomic_bool *given_up; /* nobody waits for the answer any more: long work may end */
    char *memory;                /* parts and query point into it */
};

/* Bytes that come while somebody listens. The loop's thread calls both. */
struct admin_stream {
    /* Append what there is, a few hundred KiB and a few milliseconds' work at most. `idle_ms`: for
     * how long nothing came. Returns 1 when there is more, 0 when there is nothing more yet; a
     * negative code ends the stream: E_CLOSED quietly, others with a last line that tells the
     * problem. */
    int (*next)(struct admin_stream *stream, uint64_t idle_ms, struct buf *out, struct err *err);
    void (*free)(struct admin_stream *stream);
    /* It is text/event-stream: `next` writes whole events. A comment line is sent by itself after
     * ADMIN_SSE_QUIET_MS of nothing, so that nobody on the way takes the connection for dead.
     * Otherwise it is application/x-ndjson. */
    bool sse;
};

/* Zeroed at first. A function sets one of json, stream, raw and file. */
struct admin_response {
    int status;                  /* 0: 200, or what the error says */
    json_t *json;                /* the document, or members that a problem gets in addition */
    struct admin_stream *stream; /* ndjson */
    struct buf raw;              /* an item's bytes, when `is_raw`; freed by who runs the route */
    bool is_raw;
    /* A file's bytes, when `is_file`: a whole one or the part that Range names. The descriptor is
     * read from any offset, and closed by who sends the answer. */
    bool is_file;
    int file;
    uint64_t file_size;
    char file_etag[ADMIN_FILE_ETAG_MAX]; /* without quotes: another one when the bytes differ */
    uint64_t etag;                       /* the seq that stands for the content; 0: none */
    bool deferred;                       /* not answered yet: it goes to ADMIN_LANE_QUICK */
    char allow[ADMIN_ALLOW_MAX];         /* of a 405 */
    const char *content_type;            /* a literal; NULL: what the kind of the answer says */
    char set_cookie[ADMIN_COOKIE_MAX];   /* the header's value, "": none */
    char disposition_name[ADMIN_FILE_NAME_MAX]; /* a download is saved under this name; "": shown */
    unsigned retry_after_s;                     /* 0: nothing is said about it */
    json_t *about; /* what the audit is to tell: counts and names, never values; owned */
    bool partly;   /* it failed, and a part of it was done: the audit is told of that too */
};

/* Returns 0 or a code: then the response is a problem with the sentence. */
typedef int admin_handler(const struct admin_request *request, struct admin_response *response,
                          struct err *err);

enum admin_body { ADMIN_BODY_NONE, ADMIN_BODY_JSON, ADMIN_BODY_RAW, ADMIN_BODY_FILE };

struct admin_route {
    const char *method;  /* tables end with NULL */
    const char *pattern; /* "/api/v1/owners/{kind}/{name}" */
    enum admin_lane lane;
    enum admin_body body;
    const char *query;    /* the parameters it knows: "kind search limit" */
    enum admin_role role; /* the least that may ask */
    const char *action; /* what it does, for the audit ("user.delete"); NULL: it changes nothing */
    admin_handler *run;
};

/* The route of a method and a path as sent. Returns NULL and a code: E_NOT_FOUND, or E_NOT_ALLOWED
 * with the methods that the path takes in `allow` (ADMIN_ALLOW_MAX bytes). HEAD finds what GET
 * does. */
const struct admin_route *admin_route_find(const struct admin_route *routes, struct span method,
                                           struct span path, char *allow, int *code,
                                           struct err *err);

/* Decode path and query (as sent) into the request: E_MALFORMED (bad encoding, not UTF-8, a NUL),
 * E_TOO_LARGE, E_INVALID (a parameter that the route does not know, or twice), E_NOMEM. */
MUST_CHECK int admin_request_fill(struct admin_request *request, const struct admin_route *route,
                                  struct span path, struct span query, struct err *err);
void admin_request_free(struct admin_request *request);

/* A parameter of the query, NULL when it was not given. */
const char *admin_query(const struct admin_request *request, const char *name);
/* The header If-Match: a seq, in quotes or without, 0 for "there must be none", or "*" for "there
 * must be one". E_INVALID. */
struct admin_condition {
    bool given;
    bool any; /* "*" */
    uint64_t seq;
};
MUST_CHECK int admin_request_condition(const struct admin_request *request,
                                       struct admin_condition *out, struct err *err);

/* A number from min to max; `out` keeps its value when it was not given. E_INVALID. */
MUST_CHECK int admin_query_number(const struct admin_request *request, const char *name,
                                  uint64_t min, uint64_t max, uint64_t *out, struct err *err);
/* "1", "true", "yes" or nothing; "0", "false", "no". E_INVALID. */
MUST_CHECK int admin_query_bool(const struct admin_request *request, const char *name, bool *out,
                                struct err *err);

/* The body as a JSON object with these members alone ("users groups dry_run"): an unknown one is
 * refused, because a misspelt "dry_run" must not delete. E_MALFORMED with the line, E_INVALID. */
MUST_CHECK int admin_body_json(const struct admin_request *request, const char *members,
                               json_t **out, struct err *err);

/* Read a document: E_MALFORMED with its place, E_NOMEM. Members given twice are refused. */
MUST_CHECK int admin_json_read(struct span bytes, json_t **out, struct err *err);
/* Append the document (NULL: there was no memory for it) as compact text. Returns the buffer's
 * error, which stays in it. */
int admin_json_append(struct buf *out, const json_t *json);

/* Run the function and turn its result into bytes: the status and the document of a success or a
 * problem (RFC 9457). A stream stays in the response. A change that was made, whole or in part, and
 * no dry run, is told to the audit. Whether who asks may was looked at before. */
void admin_route_run(const struct admin_route *route, const struct admin_request *request,
                     struct admin_response *response, struct buf *body);
/* Close the file that a response holds, if any. */
void admin_response_drop_file(struct admin_response *response);
/* The same as admin_route_run for what never reached a function. */
void admin_problem(struct admin_response *response, int code, const struct err *err,
                   struct buf *body);

#endif
