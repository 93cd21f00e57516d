/* admin/moment.c - reading what a person calls a moment. */
#include "admin/moment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/past.h"

enum { SEQ_DIGITS_MAX = 19 };

static int no_moment(const char *text, struct err *err)
{
    return err_set(err, E_INVALID,
                   "'%.60s' is no moment: give a change's number, a time of UTC such as "
                   "2026-11-22T17:51:37Z or 2026-11-22, -2h for two hours ago, or now",
                   text);
}

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= SEQ_DIGITS_MAX && text[digits] == '\0';
}

/* `count` digits at *at, and *at behind them; -1 when they are not there. */
static int take_digits(const char **at, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return -1;
        }
        value = value * 10 + (**at - '0');
    }
    return value;
}

/* What follows `mark`, or `value` as it was when the mark is not there. False: nonsense. */
static bool take_after(const char **at, char mark, int *value)
{
    if (**at != mark) {
        return true;
    }
    (*at)++;
    *value = take_digits(at, 2);
    return *value >= 0;
}

/* The thousandths behind a '.', however many digits they were given with. */
static bool take_fraction(const char **at, unsigned *ms)
{
    if (**at != '.') {
        return true;
    }
    unsigned weight = 100;
    size_t digits = strspn(++*at, "0123456789");
    for (size_t i = 0; i < digits; i++, (*at)++) {
        *ms += weight * (unsigned)(**at - '0');
        weight /= 10;
    }
    return digits > 0;
}

static bool take_clock(const char **at, struct tm *tm, unsigned *ms)
{
    if (**at != 'T' && **at != 't' && **at != ' ') {
        return true; /* a day alone */
    }
    (*at)++;
    tm->tm_hour = take_digits(at, 2);
    return tm->tm_hour >= 0 && take_after(at, ':', &tm->tm_min) &&
           take_after(at, ':', &tm->tm_sec) && take_fraction(at, ms);
}

static bool parse_time(const char *text, uint64_t *time_ms)
{
    struct tm tm = {0};
    unsigned ms = 0;
    const char *at = text;
    int year = take_digits(&at, 4);
    if (year < 1970 || *at++ != '-') {
        return false;
    }
    int month = take_digits(&at, 2);
    if (month < 1 || month > 12 || *at++ != '-') {
        return false;
    }
    int day = take_digits(&at, 2);
    if (day < 1 || day > 31 || !take_clock(&at, &tm, &ms)) {
        return false;
    }
    at += *at == 'Z' || *at == 'z';
    if (*at != '\0' || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
        return false;
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    time_t seconds = timegm(&tm);
    if (seconds < 0 || tm.tm_mday != day) { /* February has no 31st */
        return false;
    }
    *time_ms = (uint64_t)seconds * 1000 + ms;
    return true;
}

int admin_moment_parse(const char *text, uint64_t now_ms, uint64_t *seq, uint64_t *time_ms,
                       struct err *err)
{
    ASSERT(text != NULL && seq != NULL && time_ms != NULL);
    uint64_t ago_ms = 0;
    uint64_t when_ms = 0;
    if (is_number(text)) {
        *seq = strtoull(text, NULL, 10);
        *time_ms = 0;
        return 0;
    }
    if (strcmp(text, "now") == 0) {
        when_ms = now_ms;
    } else if (text[0] == '-' && clock_parse_duration(text + 1, &ago_ms) == 0) {
        when_ms = ago_ms < now_ms ? now_ms - ago_ms : 1;
    } else if (!parse_time(text, &when_ms)) {
        return no_moment(text, err);
    }
    *seq = 0;
    *time_ms = when_ms > 0 ? when_ms : 1;
    return 0;
}

int admin_moment_seq(struct journal *journal, const char *text, uint64_t *seq, struct err *err)
{
    ASSERT(journal != NULL && seq != NULL);
    struct journal_position head;
    uint64_t number = 0;
    uint64_t time_ms = 0;
    int rc = admin_moment_parse(text, clock_wall_ms(&clock_system), &number, &time_ms, err);
    if (rc != 0) {
        return rc;
    }
    if (time_ms != 0) {
        return journal_seek_time(journal, time_ms, seq, err);
    }
    journal_head(journal, &head);
    if (number == 0 || number > head.seq) {
        return err_set(err, E_INVALID,
                       "there is no change %" PRIu64 " yet: the newest one is %" PRIu64, number,
                       head.seq);
    }
    *seq = number;
    return 0;
}

int admin_moment_whole(struct journal *journal, uint64_t *seq, struct err *err)
{
    ASSERT(journal != NULL && seq != NULL);
    if (*seq == 0 || *seq < journal_floor(journal)) {
        return 0; /* what is that old is not taken apart any more */
    }
    struct past_change change = {0};
    int rc = journal_change_at(journal, *seq, &change, err);
    if (rc == 0) {
        *seq += change.change.set_left;
    }
    past_change_free(&change);
    return rc == E_TOO_OLD ? 0 : rc; /* let go of at this very moment */
}
