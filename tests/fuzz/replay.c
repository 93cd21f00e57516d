/* tests/fuzz/replay.c - a fuzz target as a test: `test_fuzz_NAME FOLDER`.
 *
 * Each file of FOLDER is given to the target as it is, cut at each length, and with each byte
 * inverted (the first VARIED_MAX of either). Prints one TAP line a file; what is wrong ends the
 * process, as it does under libFuzzer.
 */
#include <dirent.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 4 * 1024 * 1024, VARIED_MAX = 512 };

/* A copy of exactly `size` bytes, so that reading one byte too many is seen. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, size);
    FUZZ_CHECK(LLVMFuzzerTestOneInput(size > 0 ? copy : NULL, size) == 0);
    free(copy);
}

static void feed_variants(uint8_t *data, size_t size)
{
    feed(data, size);
    for (size_t i = 0; i < size && i < VARIED_MAX; i++) {
        feed(data, i);
        data[i] = (uint8_t)~data[i];
        feed(data, size);
        data[i] = (uint8_t)~data[i];
    }
}

/* Whether the file could be read; it is then replayed. */
static int replay(const char *folder, const char *name)
{
    static uint8_t data[INPUT_MAX];
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return 0;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    size_t size = fread(data, 1, sizeof data, file);
    int good = ferror(file) == 0 && size < sizeof data;
    (void)fclose(file); /* only read from */
    if (good) {
        feed_variants(data, size);
    }
    return good;
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
    if (count < 0) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    int number = 0;
    int failed = 0;
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            int good = replay(argv[1], entries[i]->d_name);
            failed += !good;
            (void)printf("%sok %d - %s\n", good ? "" : "not ", ++number, entries[i]->d_name);
            (void)fflush(stdout);
        }
        free(entries[i]);
    }
    free(entries);
    (void)printf("1..%d\n", number);
    return failed > 0;
}
