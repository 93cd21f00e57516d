/* transport/text.c - text that peers send. */
#include "transport/text.h"

#include <string.h>

/* The size of the character at `at`, 0 when it is none; its code point to `point`. */
static size_t next_char(const uint8_t *at, size_t left, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = at[0];
    if (lead < 0x80) {
        *point = lead;
        return 1;
    }
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc0 || lead >= 0xf8 || size > left) {
        return 0;
    }
    uint32_t value = lead & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *point = value;
    return size;
}

static bool scan(struct span text, bool controls_allowed)
{
    size_t i = 0;
    while (i < text.size) {
        uint32_t point = 0;
        size_t size = next_char(text.data + i, text.size - i, &point);
        bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
        if (size == 0 || (control && !controls_allowed)) {
            return false;
        }
        i += size;
    }
    return true;
}

bool text_is_utf8(struct span text)
{
    return scan(text, true);
}

bool text_is_printable(struct span text)
{
    return scan(text, false);
}

struct span text_clean(const char *text, char *out, size_t max)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = text != NULL ? strlen(text) : 0;
    size_t used = 0;
    while (left > 0) {
        uint32_t point = 0;
        size_t size = next_char(at, left, &point);
        size_t taken = size > 0 ? size : 1;
        if (taken > max - used) {
            break;
        }
        memcpy(out + used, size > 0 ? (const char *)at : "?", taken);
        used += taken;
        at += taken;
        left -= taken;
    }
    return span_of(out, used);
}
