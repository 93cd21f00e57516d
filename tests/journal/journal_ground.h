/* tests/journal/journal_ground.h - a journal on a disk that remembers, made anew for each test. */
#ifndef KITBAG_TESTS_JOURNAL_JOURNAL_GROUND_H
#define KITBAG_TESTS_JOURNAL_JOURNAL_GROUND_H

#include "tests/journal/journal_samples.h"
#include "tests/support/crash_disk.h"

enum { MIB = 1 << 20 };

static struct journal *journal;
static struct journal_opened opened;
static struct crash_disk disk;

static inline void reopen(const struct disk *with)
{
    struct err err = {0};
    journal_close(&journal, false);
    if (sample_open(&journal, with, &opened, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static int setup(void **state)
{
    (void)state;
    tmp_folder_make(sample_dir);
    crash_disk_init(&disk);
    reopen(&disk.disk);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_close(&journal, false);
    crash_disk_free(&disk);
    tmp_folder_remove(sample_dir);
    return 0;
}

#endif
