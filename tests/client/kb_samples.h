/* tests/client/kb_samples.h - a machine in a folder of the test's own, alone or with a toy server.
 */
#ifndef KITBAG_TESTS_CLIENT_KB_SAMPLES_H
#define KITBAG_TESTS_CLIENT_KB_SAMPLES_H

#include "tests/client/toy.h"

struct machine {
    char folder[TMP_FOLDER_MAX];
    char dir[TMP_FOLDER_MAX];
    struct kb *kb;
};

static inline void machine_open(struct machine *machine)
{
    struct kb_options options = {
        .size = sizeof options, .data_dir = machine->dir, .map_bytes = 64 << 20};
    struct kb_error error = {0};
    int rc = kb_open(&machine->kb, &options, &error);
    if (rc != 0) {
        print_message("kb_open: %s\n", error.text);
    }
    assert_int_equal(rc, 0);
}

static inline void machine_begin(struct machine *machine)
{
    memset(machine, 0, sizeof *machine);
    tmp_folder_make(machine->folder);
    tmp_folder_path(machine->dir, machine->folder, "data");
    machine_open(machine);
}

static inline void machine_again(struct machine *machine)
{
    kb_close(&machine->kb);
    machine_open(machine);
}

static inline void machine_end(struct machine *machine)
{
    kb_close(&machine->kb);
    tmp_folder_remove(machine->folder);
}

/* 0, with the sentence shown when it is not. */
static inline void ok(int rc, const struct kb_error *error)
{
    if (rc != 0) {
        print_message("%d: %s\n", rc, error->text);
    }
    assert_int_equal(rc, 0);
}

static inline void machine_join(struct machine *machine, struct toy *toy)
{
    char token[TOKEN_TEXT_MAX];
    struct kb_error error = {0};
    toy_token(toy, token);
    ok(kb_join(machine->kb, token, NULL, NULL, &error), &error);
}

static inline void machine_start(struct machine *machine)
{
    struct kb_error error = {0};
    ok(kb_start(machine->kb, &error), &error);
}

static inline void login(struct machine *machine, const char *user)
{
    struct kb_error error = {0};
    ok(kb_login(machine->kb, user, NULL, 10000, &error), &error);
}

static inline uint64_t set(struct machine *machine, const char *bag, const char *item,
                           const char *value)
{
    struct kb_error error = {0};
    uint64_t op = 0;
    ok(kb_set(machine->kb, bag, item, value, strlen(value), NULL, &op, &error), &error);
    return op;
}

/* "value" or, while it is a local write, "value*"; NULL: not found. */
static inline const char *get(struct machine *machine, const char *bag, const char *item)
{
    static char text[512];
    struct kb_value value = {0};
    struct kb_error error = {0};
    int rc = kb_get(machine->kb, bag, item, &value, &error);
    if (rc == KB_E_NOT_FOUND) {
        return NULL;
    }
    ok(rc, &error);
    (void)snprintf(text, sizeof text, "%.400s%s", (const char *)value.data,
                   value.pending ? "*" : "");
    kb_value_free(&value);
    return text;
}

static inline struct kb_status status_of(struct machine *machine)
{
    struct kb_status status = {.size = sizeof status};
    kb_status(machine->kb, &status);
    return status;
}

/* Looks again and again, at most ten seconds. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        uint64_t give_up_ms = clock_mono_ms(&clock_system) + 10000;                                \
        while (!(condition)) {                                                                     \
            const struct timespec pause = {.tv_nsec = 2000000};                                    \
            (void)nanosleep(&pause, NULL);                                                         \
            assert_true(clock_mono_ms(&clock_system) < give_up_ms);                                \
        }                                                                                          \
    } while (0)

#endif
