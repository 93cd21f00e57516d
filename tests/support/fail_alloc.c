/* tests/support/fail_alloc.c - the wrapped allocators. */
#include "tests/support/fail_alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_uint countdown; /* 0: nothing fails */
static atomic_bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

void fail_alloc_at(unsigned nth)
{
    failed = false;
    countdown = nth;
}

bool fail_alloc_stop(void)
{
    countdown = 0;
    return failed;
}

unsigned fail_alloc_pause(void)
{
    return atomic_exchange(&countdown, 0);
}

void fail_alloc_resume(unsigned paused)
{
    countdown = paused;
}

static bool fails_now(void)
{
    unsigned now = countdown;
    while (now > 0) {
        if (atomic_compare_exchange_weak(&countdown, &now, now - 1)) {
            break;
        }
    }
    if (now != 1) {
        return false;
    }
    failed = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}
