/* tests/e2e/dying_machine.c - preloaded into a machine's agent: it is killed while it judges what
 * it had when it joined.
 *
 * KITBAG_DIE names how many syncs of a file's data it lives on after the file of what is replaced
 * has got its name: 0 kills it at once then, before anything is replaced. Each sync that counts is
 * a step of replacing: a write to the outbox, or a commit of the replica.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int rename_fn(const char *, const char *);
typedef int fdatasync_fn(int);

static atomic_int steps_left = -1; /* not counting yet */

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    (void)pause();
}

int rename(const char *from, const char *to)
{
    static rename_fn *real;
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "rename");
        memcpy(&real, &symbol, sizeof real); /* ISO C has no cast for this */
    }
    int rc = real(from, to);
    const char *steps = getenv("KITBAG_DIE");
    if (rc == 0 && steps != NULL && strstr(to, "/replaced-") != NULL) {
        atomic_store(&steps_left, atoi(steps));
        if (atoi(steps) == 0) {
            die();
        }
    }
    return rc;
}

int fdatasync(int fd)
{
    static fdatasync_fn *real;
    if (real == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "fdatasync");
        memcpy(&real, &symbol, sizeof real);
    }
    int rc = real(fd);
    if (atomic_load(&steps_left) > 0 && atomic_fetch_sub(&steps_left, 1) == 1) {
        die();
    }
    return rc;
}
