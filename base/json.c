/* base/json.c - one pass over the text, with a bit for each container that is open. */
#include "base/json.h"

#include <string.h>
#include <utf8proc.h>

/* Where reading has come to. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t objects; /* bit n: the container at depth n is an object */
    unsigned depth;
};

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r')) {
        reader->at++;
    }
}

/* The next byte, not taken; 0 at the end: no rule knows a 0. */
static uint8_t peek(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : 0;
}

static bool take(struct reader *reader, uint8_t byte)
{
    bool there = reader->at < reader->end && *reader->at == byte;
    reader->at += there;
    return there;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0) {
        return false;
    }
    reader->at += size;
    return true;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take_digits(struct reader *reader)
{
    const uint8_t *first = reader->at;
    while (is_digit(peek(reader))) {
        reader->at++;
    }
    return reader->at > first;
}

static bool take_number(struct reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader)) {
        return false;
    }
    if (take(reader, '.') && !take_digits(reader)) {
        return false;
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        (void)(take(reader, '+') || take(reader, '-'));
        return take_digits(reader);
    }
    return true;
}

/* Four digits; negative when they are not there. */
static int take_unit(struct reader *reader)
{
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = peek(reader);
        int digit = is_digit(byte)               ? byte - '0'
                    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
        reader->at++;
    }
    return unit;
}

static bool take_escape(struct reader *reader)
{
    uint8_t byte = peek(reader);
    if (byte == 0) {
        return false;
    }
    reader->at++;
    if (byte != 'u') {
        return strchr("\"\\/bfnrt", byte) != NULL;
    }
    int unit = take_unit(reader);
    if (unit >= 0xd800 && unit <= 0xdbff) { /* the first half of a pair */
        int second = take(reader, '\\') && take(reader, 'u') ? take_unit(reader) : -1;
        return second >= 0xdc00 && second <= 0xdfff;
    }
    return unit >= 0 && (unit < 0xdc00 || unit > 0xdfff);
}

static bool take_character(struct reader *reader)
{
    if (*reader->at < 0x80) {
        reader->at++;
        return reader->at[-1] >= ' ';
    }
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t size = utf8proc_iterate(reader->at, reader->end - reader->at, &c);
    reader->at += size > 0 ? size : 0;
    return size > 0;
}

static bool take_string(struct reader *reader)
{
    if (!take(reader, '"')) {
        return false;
    }
    while (reader->at < reader->end && *reader->at != '"') {
        bool good = take(reader, '\\') ? take_escape(reader) : take_character(reader);
        if (!good) {
            return false;
        }
    }
    return take(reader, '"');
}

static bool take_name(struct reader *reader)
{
    skip_blanks(reader);
    bool good = take_string(reader);
    skip_blanks(reader);
    return good && take(reader, ':');
}

static bool in_object(const struct reader *reader)
{
    return reader->depth > 0 && (reader->objects >> (reader->depth - 1) & 1) != 0;
}

/* A value, or the beginning of a container that is not empty: `*more` says that another value has
 * to come. */
static bool begin_value(struct reader *reader, bool *more)
{
    skip_blanks(reader);
    uint8_t first = peek(reader);
    *more = false;
    if (first != '{' && first != '[') {
        return first == '"'   ? take_string(reader)
               : first == 't' ? take_word(reader, "true")
               : first == 'f' ? take_word(reader, "false")
               : first == 'n' ? take_word(reader, "null")
                              : take_number(reader);
    }
    reader->at++;
    skip_blanks(reader);
    if (take(reader, first == '{' ? '}' : ']')) {
        return reader->depth < JSON_DEPTH_MAX;
    }
    if (reader->depth == JSON_DEPTH_MAX) {
        return false;
    }
    uint64_t bit = UINT64_C(1) << reader->depth++;
    reader->objects = first == '{' ? reader->objects | bit : reader->objects & ~bit;
    *more = true;
    return first != '{' || take_name(reader);
}

/* Behind a value: containers end, or go on with another value. */
static bool end_value(struct reader *reader, bool *more)
{
    *more = false;
    while (reader->depth > 0) {
        skip_blanks(reader);
        if (take(reader, ',')) {
            *more = true;
            return !in_object(reader) || take_name(reader);
        }
        if (!take(reader, in_object(reader) ? '}' : ']')) {
            return false;
        }
        reader->depth--;
    }
    return true;
}

bool json_is_utf8(struct span text)
{
    const uint8_t *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        utf8proc_int32_t c = -1;
        utf8proc_ssize_t size = utf8proc_iterate(at, (utf8proc_ssize_t)left, &c);
        if (size <= 0) {
            return false;
        }
        at += size;
        left -= (size_t)size;
    }
    return true;
}

bool json_is_valid(struct span text)
{
    struct reader reader = {.at = text.data, .end = text.data + text.size};
    bool more = text.size > 0;
    bool good = more;
    while (good && more) {
        good = begin_value(&reader, &more);
        if (good && !more) {
            good = end_value(&reader, &more);
        }
    }
    skip_blanks(&reader);
    return good && reader.at == reader.end;
}
