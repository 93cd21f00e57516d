/* tests/sim/main_sim.c - runs seeds of the simulation and tells what they showed.
 *
 *   sim --seeds A-B            each of them; ends at the first that does not hold
 *   sim --seed N [--trace]     one of them, with all that happens
 *   sim --again A-B            each twice: the same trace, or it fails
 *   sim --control NAME [--seeds A-B]   broken on purpose: fails when no seed notices
 *
 * Prints TAP.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/sim/control.h"
#include "tests/sim/verdict.h"
#include "tests/sim/world.h"
#include "tests/support/tmp_folder.h"

struct wish {
    uint64_t first, last;
    bool again;
};

/* What a seed's process tells. */
struct told {
    bool holds;
    uint64_t step;
    char text[1024]; /* what does not hold */
    struct world_result result;
};

static char folder[TMP_FOLDER_MAX];
static char home[TMP_FOLDER_MAX];
static int told_fd;

_Noreturn static void leave(int code)
{
    (void)fflush(stdout);
    if (chdir(home) == 0) {
        tmp_folder_remove(folder);
    }
    exit(code);
}

/* --- in the process of a seed ---
 *
 * Each has its own: nothing is left of the seed before, and an assertion of the product ends one
 * seed alone. */

_Noreturn static void tell_and_end(const struct told *told)
{
    (void)fflush(stdout);
    (void)!write(told_fd, told,
                 sizeof *told); /* fits a pipe; else the parent says what is missing */
    _exit(0); /* memory and files are left to the system: it may be in the middle of something */
}

static void broken(const char *text)
{
    struct told told = {.step = world.steps};
    (void)snprintf(told.text, sizeof told.text, "%s", text);
    tell_and_end(&told);
}

_Noreturn static void run_here(uint64_t seed)
{
    struct told told = {.holds = true};
    verdict_to(broken);
    world_run(seed, &told.result);
    tell_and_end(&told);
}

/* --- one seed --- */

static void run_seed(uint64_t seed, struct told *told)
{
    int fds[2];
    int status = 0;
    *told = (struct told){.text = "the process of a seed can be started"};
    if (mkdir("world", 0700) != 0 || pipe(fds) != 0) {
        return;
    }
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)close(fds[0]);
        told_fd = fds[1];
        if (chdir("world") == 0) {
            run_here(seed);
        }
        _exit(1);
    }
    (void)close(fds[1]);
    ssize_t got = child > 0 ? read(fds[0], told, sizeof *told) : 0;
    (void)close(fds[0]);
    if (child > 0 && waitpid(child, &status, 0) == child && got != (ssize_t)sizeof *told) {
        *told = (struct told){0};
        (void)snprintf(told->text, sizeof told->text, "it ends in order (signal %d, code %d)",
                       WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                       WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    }
    tmp_folder_remove("world");
}

/* A control is to be noticed; else nothing may be. */
static void judge(uint64_t seed, const struct told *told)
{
    if (told->holds) {
        return;
    }
    if (control != CONTROL_NONE) {
        (void)printf("ok 1 - %s is noticed: seed %" PRIu64 ", step %" PRIu64
                     ": it does not hold that %s\n1..1\n",
                     control_name(control), seed, told->step, told->text);
        leave(0);
    }
    (void)printf("not ok 1 - seed %" PRIu64 ", step %" PRIu64 ": it does not hold that %s\n"
                 "# see it again: sim --seed %" PRIu64 " --trace\n1..1\n",
                 seed, told->step, told->text, seed);
    leave(1);
}

static void add(struct world_result *sum, const struct world_result *one)
{
    sum->steps += one->steps;
    sum->deeds += one->deeds;
    sum->crashes += one->crashes;
    sum->cuts += one->cuts;
    sum->partitions += one->partitions;
    sum->breaks += one->breaks;
    sum->acknowledged += one->acknowledged;
    sum->admin += one->admin;
    sum->compared += one->compared;
    sum->changes += one->changes;
    sum->heal_ms = one->heal_ms > sum->heal_ms ? one->heal_ms : sum->heal_ms;
}

static void print_sum(const struct wish *wish, const struct world_result *sum, uint64_t trace)
{
    (void)printf("ok 1 - seeds %" PRIu64 " to %" PRIu64 "%s: %" PRIu64 " steps, %" PRIu64
                 " deeds; %" PRIu64 " crashes of the server, %" PRIu64
                 " power cuts of machines, %" PRIu64 " partitions, %" PRIu64
                 " broken connections; %" PRIu64 " operations acknowledged, %" PRIu64
                 " by administrators; %" PRIu64 " bags compared; equal after %" PRIu64
                 " ms at most; trace %016" PRIx64 "\n1..1\n",
                 wish->first, wish->last, wish->again ? ", twice" : "", sum->steps, sum->deeds,
                 sum->crashes, sum->cuts, sum->partitions, sum->breaks, sum->acknowledged,
                 sum->admin, sum->compared, sum->heal_ms, trace);
}

static void run(const struct wish *wish)
{
    struct world_result sum = {0};
    struct told told;
    uint64_t trace = 0;
    for (uint64_t seed = wish->first; seed <= wish->last; seed++) {
        run_seed(seed, &told);
        judge(seed, &told);
        add(&sum, &told.result);
        trace = trace * 31 + told.result.trace;
        if (wish->again) {
            uint64_t first = told.result.trace;
            run_seed(seed, &told);
            judge(seed, &told);
            told.holds = told.result.trace == first;
            (void)snprintf(told.text, sizeof told.text, "the same seed gives the same trace");
            judge(seed, &told);
        }
    }
    if (control != CONTROL_NONE) {
        (void)printf("not ok 1 - %s is not noticed by seeds %" PRIu64 " to %" PRIu64 "\n1..1\n",
                     control_name(control), wish->first, wish->last);
        leave(1);
    }
    print_sum(wish, &sum, trace);
    leave(0);
}

/* --- arguments --- */

static bool read_range(const char *text, struct wish *wish)
{
    char *end = NULL;
    wish->first = strtoull(text, &end, 10);
    wish->last = *end == '-' ? strtoull(end + 1, &end, 10) : wish->first;
    return *end == '\0' && end != text && wish->first <= wish->last;
}

static bool read_control(const char *text)
{
    for (int i = CONTROL_NONE + 1; i < CONTROLS; i++) {
        if (strcmp(control_name((enum control)i), text) == 0) {
            control = (enum control)i;
            return true;
        }
    }
    return false;
}

static bool read_arguments(int count, char **arguments, struct wish *wish)
{
    for (int i = 1; i < count; i++) {
        const char *word = arguments[i];
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(word, "--trace") == 0) {
            verdict_tracing = true;
            log_set_level(LOG_DEBUG);
            continue;
        }
        bool range = strcmp(word, "--seeds") == 0 || strcmp(word, "--seed") == 0;
        wish->again |= strcmp(word, "--again") == 0;
        bool understood = range || strcmp(word, "--again") == 0 ? read_range(value, wish)
                          : strcmp(word, "--control") == 0      ? read_control(value)
                                                                : false;
        if (!understood) {
            return false;
        }
        i++;
    }
    return true;
}

int main(int count, char **arguments)
{
    struct wish wish = {.first = 1, .last = 100};
    log_set_level(LOG_ERROR + 1);
    if (!read_arguments(count, arguments, &wish)) {
        (void)fprintf(stderr, "usage: sim [--seeds A-B | --seed N | --again A-B] "
                              "[--control NAME] [--trace]\n");
        return 2;
    }
    (void)!getcwd(home, sizeof home);
    if (access("/dev/shm", W_OK) == 0) { /* its syncs cost nothing: ours are made up anyway */
        (void)setenv("TMPDIR", "/dev/shm", 1);
    }
    tmp_folder_make(folder);
    if (chdir(folder) != 0) {
        return 2;
    }
    run(&wish);
}
