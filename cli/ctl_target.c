/* cli/ctl_target.c - what is asked for, as a target of HTTP. */
#include "cli/ctl_target.h"

#include <stdlib.h>
#include <string.h>

void ctl_escape(struct buf *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        bool plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= 'a' && *at <= 'z') || strchr("-._~", *at) != NULL;
        if (plain) {
            (void)buf_append_u8(out, (uint8_t)*at);
        } else {
            (void)buf_printf(out, "%%%02X", (unsigned)(uint8_t)*at);
        }
    }
}

void ctl_put_query(struct buf *out, const char *name, const char *value)
{
    if (value != NULL) {
        (void)buf_printf(out, "&%s=", name);
        ctl_escape(out, value);
    }
}

int ctl_moment(const char *text, const char *option, char room[CLOCK_TEXT_MAX], const char **out,
               struct err *err)
{
    uint64_t ago_ms = 0;
    uint64_t now_ms = clock_wall_ms(&clock_system);
    *out = text;
    if (text[0] != '-') {
        return 0;
    }
    if (clock_parse_duration(text + 1, &ago_ms) != 0 || ago_ms >= now_ms) {
        return err_set(err, E_USAGE, "--%s takes a seq, a time, or how long ago (-2h), not '%s'",
                       option, text);
    }
    clock_format(now_ms - ago_ms, room);
    *out = room;
    return 0;
}

int ctl_put_moment(const struct invocation *invocation, struct buf *out, const char *option,
                   struct err *err)
{
    const char *text = invocation_option(invocation, option);
    char room[CLOCK_TEXT_MAX];
    int rc = text != NULL ? ctl_moment(text, option, room, &text, err) : 0;
    if (rc == 0) {
        ctl_put_query(out, option, text);
    }
    return rc;
}

const char *ctl_target(struct buf *buf, struct err *err)
{
    (void)buf_append_u8(buf, 0);
    int rc = buf_error(buf);
    if (rc != 0) {
        (void)err_set(err, rc, "that is too long to ask for");
        return NULL;
    }
    buf->size--;
    return (const char *)buf->data;
}

int ctl_lines(const struct invocation *invocation, size_t usual, size_t *lines, struct err *err)
{
    const char *text = invocation_option(invocation, "lines");
    *lines = usual;
    if (text == NULL) {
        return 0;
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '\0' || strtoul(text, NULL, 10) == 0) {
        return err_set(err, E_USAGE, "--lines takes a number from 1 on, not '%s'", text);
    }
    *lines = strtoul(text, NULL, 10);
    return 0;
}
