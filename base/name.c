/* base/name.c - folding and checking names, checking paths and values.
 *
 * Folding is Unicode's NFKC_Casefold (utf8proc): compatibility forms, case, and characters that
 * nobody sees (soft hyphen, zero-width space) make no difference between two names. No memory is
 * allocated: what does not fit the buffer is over the limit many times.
 */
#include "base/name.h"

#include <string.h>
#include <utf8proc.h>

enum { FOLDED_CODEPOINTS_MAX = 4096 }; /* 255 bytes fold to 1,530 at the most */

static const utf8proc_option_t FOLD =
    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;

/* The next character of *text, which is moved behind it; negative when it is not UTF-8. */
static utf8proc_int32_t next_character(struct span *text)
{
    if (text->data[0] < 0x80) {
        utf8proc_int32_t ascii = text->data[0];
        text->data++;
        text->size--;
        return ascii;
    }
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t size = utf8proc_iterate(text->data, (utf8proc_ssize_t)text->size, &c);
    if (size <= 0) {
        return -1;
    }
    text->data += size;
    text->size -= (size_t)size;
    return c;
}

/* Fold valid or invalid UTF-8 of at most NAME_MAX_BYTES into out[out_size]. Returns the size of
 * the folded text, which is negative for bad UTF-8 and may be more than what fits. */
static utf8proc_ssize_t fold(struct span text, char *out, size_t out_size)
{
    utf8proc_int32_t work[FOLDED_CODEPOINTS_MAX + 1];
    utf8proc_ssize_t count = utf8proc_decompose(text.data, (utf8proc_ssize_t)text.size, work,
                                                FOLDED_CODEPOINTS_MAX, FOLD);
    if (count < 0 || count > FOLDED_CODEPOINTS_MAX) {
        return count;
    }
    utf8proc_ssize_t size = utf8proc_reencode(work, count, FOLD);
    if (size >= 0 && (size_t)size < out_size) {
        memcpy(out, work, (size_t)size);
        out[size] = '\0';
    }
    return size;
}

/* Embeddings, overrides and isolates: they make a name look like another one. */
static bool is_bidi_control(const utf8proc_property_t *property)
{
    switch ((utf8proc_bidi_class_t)property->bidi_class) {
    case UTF8PROC_BIDI_CLASS_LRE:
    case UTF8PROC_BIDI_CLASS_RLE:
    case UTF8PROC_BIDI_CLASS_PDF:
    case UTF8PROC_BIDI_CLASS_LRO:
    case UTF8PROC_BIDI_CLASS_RLO:
    case UTF8PROC_BIDI_CLASS_LRI:
    case UTF8PROC_BIDI_CLASS_RLI:
    case UTF8PROC_BIDI_CLASS_FSI:
    case UTF8PROC_BIDI_CLASS_PDI:
        return true;
    default:
        return false;
    }
}

static bool is_control(utf8proc_category_t category)
{
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* What is wrong with one character of a name; NULL when nothing is. */
static const char *fault_of(utf8proc_int32_t c)
{
    if (c < 0) {
        return "is not UTF-8";
    }
    if (c == '/') {
        return "contains '/'";
    }
    if (c == ':') {
        return "contains ':'";
    }
    const utf8proc_property_t *property = utf8proc_get_property(c);
    utf8proc_category_t category = (utf8proc_category_t)property->category;
    if (is_control(category)) {
        return "contains a control character";
    }
    if (is_bidi_control(property)) {
        return "contains a character that changes the direction of writing";
    }
    if (category == UTF8PROC_CATEGORY_CN) {
        return "contains a character that Unicode has not assigned";
    }
    return NULL;
}

static bool is_space(utf8proc_int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ZS;
}

/* `form` says which of the two forms the sentence is about. */
static int check_name(struct span name, const char *form, struct err *err)
{
    if (name.size == 0) {
        return err_set(err, E_NAME, "the name%s is empty", form);
    }
    if (name.size > NAME_MAX_BYTES) {
        return err_set(err, E_NAME, "the name%s has %zu bytes, the limit is %d", form, name.size,
                       NAME_MAX_BYTES);
    }
    struct span rest = name;
    utf8proc_int32_t first = -1;
    utf8proc_int32_t last = -1;
    while (rest.size > 0) {
        last = next_character(&rest);
        first = first < 0 ? last : first;
        const char *fault = fault_of(last);
        if (fault != NULL) {
            return err_set(err, E_NAME, "the name%s %s", form, fault);
        }
    }
    if (is_space(first) || is_space(last)) {
        return err_set(err, E_NAME, "the name%s begins or ends with a space", form);
    }
    return 0;
}

int name_fold(struct span shown, char *folded, struct err *err)
{
    ASSERT(folded != NULL);
    static const char after[] = ", with width and case taken away,";
    int rc = check_name(shown, "", err);
    if (rc != 0) {
        return rc;
    }
    char text[NAME_MAX_BYTES + 1];
    utf8proc_ssize_t size = fold(shown, text, sizeof text);
    ASSERT(size >= 0); /* it was found to be UTF-8 */
    if (size > NAME_MAX_BYTES) {
        return err_set(err, E_NAME, "the name%s has more than %d bytes", after, NAME_MAX_BYTES);
    }
    rc = check_name(span_of(text, (size_t)size), after, err);
    if (rc == 0) {
        memcpy(folded, text, (size_t)size + 1);
    }
    return rc;
}

int name_fold_search(struct span text, char *folded, size_t folded_size, struct err *err)
{
    ASSERT(folded != NULL && folded_size > 0);
    if (text.size > NAME_MAX_BYTES) {
        return err_set(err, E_NAME, "the text to search for has %zu bytes, the limit is %d",
                       text.size, NAME_MAX_BYTES);
    }
    utf8proc_ssize_t size = text.size == 0 ? 0 : fold(text, folded, folded_size);
    if (size < 0) {
        return err_set(err, E_NAME, "the text to search for is not UTF-8");
    }
    if ((size_t)size >= folded_size) {
        return err_set(err, E_NAME, "the text to search for is longer than %zu bytes",
                       folded_size - 1);
    }
    folded[size] = '\0';
    return 0;
}

/* The characters of a path; the same faults as in a name, but few are forbidden. */
static int check_characters(struct span path, struct err *err)
{
    while (path.size > 0) {
        utf8proc_int32_t c = next_character(&path);
        if (c < 0) {
            return err_set(err, E_PATH, "the path is not UTF-8");
        }
        if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            return err_set(err, E_PATH, "the path contains a control character");
        }
    }
    return 0;
}

static int check_segment(struct span segment, struct err *err)
{
    if (segment.size == 0) {
        return err_set(err, E_PATH,
                       "the path has an empty segment: it begins or ends with '/' or has '//'");
    }
    if (span_equal(segment, SPAN_LITERAL(".")) || span_equal(segment, SPAN_LITERAL(".."))) {
        return err_set(err, E_PATH, "the path has a segment '.' or '..'");
    }
    return 0;
}

int path_check(struct span path, struct err *err)
{
    if (path.size == 0) {
        return err_set(err, E_PATH, "the path is empty");
    }
    if (path.size > PATH_MAX_BYTES) {
        return err_set(err, E_PATH, "the path has %zu bytes, the limit is %d", path.size,
                       PATH_MAX_BYTES);
    }
    int rc = check_characters(path, err);
    size_t start = 0;
    for (size_t i = 0; i <= path.size && rc == 0; i++) {
        if (i == path.size || path.data[i] == '/') {
            rc = check_segment(span_of(path.data + start, i - start), err);
            start = i + 1;
        }
    }
    return rc;
}

bool path_reserved(struct span path)
{
    return path.size > 0 && path.data[0] == '@';
}

int value_check(struct span path, struct span value, struct err *err)
{
    if (value.size > VALUE_MAX_BYTES) {
        return err_set(err, E_TOO_LARGE, "the value of '%.*s' has %zu bytes, the limit is %d",
                       (int)(path.size < PATH_MAX_BYTES ? path.size : PATH_MAX_BYTES),
                       path.size > 0 ? (const char *)path.data : "", value.size, VALUE_MAX_BYTES);
    }
    return 0;
}
