/* tests/fuzz/options.c - how AddressSanitizer runs under libFuzzer. */

/* It keeps what was freed from being used again until so much is freed: enough for all that one
 * input frees. With its own 256 MiB, each allocation is of memory that the processor has not seen
 * for long, and a target that allocates takes up to half as long again. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=8";
}
