/* cli/main_kitbag.c - kitbag, the command of a client machine. */
#include <signal.h>

#include "cli/kitbag_program.h"

int main(int argc, char **argv)
{
    /* a reader that went away is an error of a write, not the end of the agent */
    (void)signal(SIGPIPE, SIG_IGN);
    return command_main(&kitbag_program, argc, argv);
}
