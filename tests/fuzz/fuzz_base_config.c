/* tests/fuzz/fuzz_base_config.c - a configuration file of any content.
 *
 * Each key stays within its limits, and what is refused is refused with a sentence.
 */
#include <string.h>

#include "base/config.h"
#include "tests/fuzz/file.h"

static const struct config_key keys[] = {
    {"server.listen", CONFIG_TEXT, "tcp://0.0.0.0:8443", "Where clients connect.", 0, 0},
    {"server.writers", CONFIG_NUMBER, "16", "How many at once.", 1, 100},
    {"journal.segment-size", CONFIG_SIZE, "64M", "The size of a segment.", 4096, 1 << 30},
    {"journal.keep", CONFIG_DURATION, "90d", "How long changes are kept.", 1000, 0},
    {"journal.mirror", CONFIG_BOOL, "no", "Whether mirrors may read it.", 0, 0},
    {NULL, CONFIG_TEXT, NULL, NULL, 0, 0}};

static void check_values(const struct config *config)
{
    uint64_t writers = config_u64(config, "server.writers");
    uint64_t size = config_u64(config, "journal.segment-size");
    FUZZ_CHECK(writers >= 1 && writers <= 100);
    FUZZ_CHECK(size >= 4096 && size <= 1 << 30);
    FUZZ_CHECK(config_u64(config, "journal.keep") >= 1000);
    FUZZ_CHECK(strlen(config_text(config, "server.listen")) < 1 << 20);
    FUZZ_CHECK(config_origin(config, "journal.mirror")[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct err err = {0};
    FUZZ_CHECK(config_new(&config, keys, NULL) == 0);
    int rc = config_load(config, "kitbag-fuzz", fuzz_file_path(data, size), &err);
    FUZZ_CHECK(rc == err.code && (rc == 0 || err.text[0] != '\0'));
    check_values(config);
    config_free(&config);
    return 0;
}
