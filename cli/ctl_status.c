/* cli/ctl_status.c - kitbagctl status. */
#include <stdio.h>
#include <string.h>

#include "cli/ctl_http.h"
#include "cli/ctl_verbs.h"
#include "cli/output.h"

static json_int_t count_of(json_t *status, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(status, "counts"), member));
}

static const char *text_in(json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

/* "2 days 3 h", "5 min 12 s": two units are enough for a person. */
static json_t *duration(json_int_t ms)
{
    long long s = ms / 1000;
    if (s >= 86400) {
        return json_sprintf("%lld d %lld h", s / 86400, s % 86400 / 3600);
    }
    if (s >= 3600) {
        return json_sprintf("%lld h %lld min", s / 3600, s % 3600 / 60);
    }
    return s >= 60 ? json_sprintf("%lld min %lld s", s / 60, s % 60) : json_sprintf("%lld s", s);
}

/* "checked 7, wrong 0, fetched anew by machines 0". */
static json_t *digests_line(json_t *status)
{
    json_t *digests = json_object_get(status, "digests");
    json_int_t wrong = json_integer_value(json_object_get(digests, "wrong"));
    return digests == NULL
               ? json_null()
               : json_sprintf("checked %lld, wrong %lld, fetched anew by machines %lld%s",
                              (long long)json_integer_value(json_object_get(digests, "checked")),
                              (long long)wrong,
                              (long long)json_integer_value(json_object_get(digests, "healed")),
                              wrong > 0 ? " (the server's log names the bags)" : "");
}

static json_t *disk_line(json_t *status)
{
    json_t *disk = json_object_get(status, "disk");
    json_int_t room = json_integer_value(json_object_get(disk, "room_bytes"));
    json_int_t reserve = json_integer_value(json_object_get(disk, "reserve_bytes"));
    return disk == NULL ? json_null()
                        : json_sprintf("%lld MiB free; below %lld MiB writes wait%s",
                                       (long long)(room >> 20), (long long)(reserve >> 20),
                                       room < reserve ? ": they do now, make room" : "");
}

static json_t *clock_line(json_t *status)
{
    return json_is_true(json_object_get(status, "clock_stepped"))
               ? json_string("the clock stepped: nothing is dropped for its age until a day has "
                             "passed; if it "
                             "is right now: kitbagctl clock confirm")
               : json_null();
}

/* "machines behind 1, by at most 12 changes". */
static json_t *lag_line(json_t *status)
{
    json_t *lag = json_object_get(status, "lag");
    return lag == NULL
               ? json_null()
               : json_sprintf("machines behind %lld, by at most %lld changes",
                              (long long)json_integer_value(json_object_get(lag, "devices_behind")),
                              (long long)json_integer_value(json_object_get(lag, "most")));
}

/* What somebody should look at, to standard error: it is no answer to what was asked. */
static void tell_warnings(json_t *status)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(status, "warnings"), i, row)
    {
        output_say("%s: %s\n", text_in(row, "level"), text_in(row, "text"));
    }
}

/* The lines that a person reads. */
static json_t *summary(json_t *status)
{
    json_t *journal = json_object_get(status, "journal");
    const char *why = text_in(status, "state_text");
    return json_pack(
        "{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "state",
        json_sprintf("%s%s%s", text_in(status, "state"), why[0] != '\0' ? ": " : "", why), "seq",
        text_in(status, "seq"), "history", text_in(status, "history"), "people",
        json_sprintf("users %lld, groups %lld", (long long)count_of(status, "users"),
                     (long long)count_of(status, "groups")),
        "kept",
        json_sprintf("items %lld, bytes %lld", (long long)count_of(status, "items"),
                     (long long)count_of(status, "bytes")),
        "machines",
        json_sprintf("registered %lld, connected %lld", (long long)count_of(status, "devices"),
                     (long long)count_of(status, "connected")),
        "journal",
        json_sprintf("changes %s to %s, files %lld, bytes %lld", text_in(journal, "floor"),
                     text_in(journal, "head"),
                     (long long)json_integer_value(json_object_get(journal, "segments")),
                     (long long)json_integer_value(json_object_get(journal, "bytes"))),
        "lag", lag_line(status), "digests", digests_line(status), "disk", disk_line(status),
        "clock", clock_line(status), "uptime",
        duration(json_integer_value(json_object_get(status, "uptime_ms"))), "version",
        text_in(status, "version"));
}

int ctl_status(const struct invocation *invocation, struct err *err)
{
    static const struct output_column columns[] = {
        {"state", "State", false},       {"seq", "Seq", false},
        {"people", "People", false},     {"kept", "Kept", false},
        {"machines", "Machines", false}, {"lag", "Lag", false},
        {"journal", "Journal", false},   {"digests", "Digests", false},
        {"disk", "Disk", false},         {"clock", "Clock", false},
        {"history", "History", false},   {"uptime", "Uptime", false},
        {"version", "Version", false},   {NULL, NULL, false},
    };
    enum output_format format;
    json_t *status = NULL;
    int rc = output_format(invocation, &format, err);
    if (rc == 0) {
        rc = ctl_ask(invocation, "/api/v1/status", NULL, &status, err);
    }
    if (rc == 0 && format == OUTPUT_TABLE) {
        json_t *lines = summary(status);
        output_object(format, columns, lines);
        json_decref(lines);
        tell_warnings(status);
    } else if (rc == 0) {
        output_object(format, columns, status);
    }
    json_decref(status);
    return rc;
}
