/* tests/support/died.c - a fork around an assertion. */
#include "tests/support/died.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

bool died(void (*body)(void *context), void *context)
{
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL); /* cmocka catches it */
        body(context);
        _exit(0);
    }
    int status = 0;
    pid_t ended = waitpid(child, &status, 0);
    ASSERT(ended == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
