/* tests/support/no_memory.c - a soft limit on the address space, below what is in use. */
#include "tests/support/no_memory.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/assert.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static void set_limit(rlim_t soft)
{
    struct rlimit limit;
    int rc = getrlimit(RLIMIT_AS, &limit);
    ASSERT(rc == 0);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    rc = setrlimit(RLIMIT_AS, &limit);
    ASSERT(rc == 0);
}

bool no_memory_begin(void)
{
#if defined(SANITIZED)
    (void)puts("a sanitizer reserves the address space: tested without one (plain/)");
    return false;
#else
    set_limit(1);
    return true;
#endif
}

void no_memory_end(void)
{
    set_limit(RLIM_INFINITY);
}
