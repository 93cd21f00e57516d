/* tests/sim/control.h - what is broken on purpose, to see that the checks see it. */
#ifndef KITBAG_TESTS_SIM_CONTROL_H
#define KITBAG_TESTS_SIM_CONTROL_H

enum control {
    CONTROL_NONE,
    CONTROL_SERVER_DISK_LIES,  /* the journal's syncs do nothing */
    CONTROL_MACHINE_DISK_LIES, /* the outboxes' */
    CONTROL_CHANGED_FRAME,     /* a digit of a value is another one behind CURVE */
    CONTROL_CURSOR_ONLY,       /* a machine moves a cursor and leaves out the data */
    CONTROL_KEEPS_REMOVED,     /* the sessions do not hear that a device was removed */
    CONTROL_SENDS_TWICE,       /* a machine takes a new writer number at each start */
    CONTROLS,
};
extern enum control control;

const char *control_name(enum control which);

#endif
