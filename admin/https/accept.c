/* admin/https/accept.c - RFC 9110, what of it is used here. */
#include "admin/https/accept.h"

#include <string.h>
#include <strings.h>

/* What stands before the next `end`, trimmed, taken off the front with it. False at the end. */
static bool next_piece(struct span *rest, char end, struct span *piece)
{
    if (rest->size == 0) {
        return false;
    }
    const uint8_t *at = memchr(rest->data, end, rest->size);
    size_t size = at != NULL ? (size_t)(at - rest->data) : rest->size;
    *piece = span_trim(span_of(rest->data, size));
    size += at != NULL;
    *rest = span_of(rest->data + size, rest->size - size);
    return true;
}

static bool begins_with(struct span text, const char *word)
{
    size_t size = strlen(word);
    return text.size >= size && strncasecmp((const char *)text.data, word, size) == 0;
}

static bool same_word(struct span text, const char *word)
{
    return text.size == strlen(word) && begins_with(text, word);
}

/* "q=0", "q=0.0": not at all. */
static bool is_refused(struct span parameters)
{
    struct span one;
    while (next_piece(&parameters, ';', &one)) {
        if (begins_with(one, "q=")) {
            size_t i = 2;
            while (i < one.size && (one.data[i] == '0' || one.data[i] == '.')) {
                i++;
            }
            return i == one.size;
        }
    }
    return false;
}

bool admin_accepts_gzip(struct span accept_encoding)
{
    struct span item;
    while (next_piece(&accept_encoding, ',', &item)) {
        struct span name;
        if (next_piece(&item, ';', &name) && same_word(name, "gzip")) {
            return !is_refused(item);
        }
    }
    return false;
}

bool admin_etag_listed(struct span list, const char *etag)
{
    struct span item;
    while (next_piece(&list, ',', &item)) {
        if (begins_with(item, "W/")) {
            item = span_of(item.data + 2, item.size - 2);
        }
        if (span_equal(item, span_str(etag)) || span_equal(item, SPAN_LITERAL("*"))) {
            return true;
        }
    }
    return false;
}

/* Digits, at most 15 of them. */
static bool read_number(struct span text, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        *out = *out * 10 + (text.data[i] - '0');
    }
    return text.size > 0 && text.size <= 15;
}

int admin_range_read(struct span header, size_t size, struct admin_range *out)
{
    ASSERT(out != NULL);
    if (!begins_with(header, "bytes=")) {
        return E_INVALID;
    }
    struct span last = span_of(header.data + 6, header.size - 6);
    struct span first = {0};
    if (memchr(last.data, '-', last.size) == NULL || !next_piece(&last, '-', &first)) {
        return E_INVALID;
    }
    last = span_trim(last);
    size_t from = 0;
    size_t to = 0;
    if ((first.size > 0 && !read_number(first, &from)) ||
        (last.size > 0 && !read_number(last, &to)) || (first.size == 0 && last.size == 0) ||
        (first.size > 0 && last.size > 0 && to < from)) {
        return E_INVALID;
    }
    if (first.size == 0) { /* the last so many */
        to = to < size ? to : size;
        *out = (struct admin_range){.first = size - to, .size = to};
    } else if (from < size) {
        size_t end = last.size > 0 && to < size - 1 ? to + 1 : size;
        *out = (struct admin_range){.first = from, .size = end - from};
    } else {
        return E_NOT_FOUND;
    }
    return out->size > 0 ? 0 : E_NOT_FOUND;
}
