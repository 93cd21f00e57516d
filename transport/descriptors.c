/* transport/descriptors.c - opens as many as are asked for, and closes them again. */
#include "transport/descriptors.h"

#include <sys/eventfd.h>
#include <unistd.h>

int descriptors_need(int count, struct err *err)
{
    ASSERT(count > 0 && count <= DESCRIPTORS_MAX);
    int fds[DESCRIPTORS_MAX];
    int opened = 0;
    while (opened < count) {
        fds[opened] = eventfd(0, EFD_CLOEXEC);
        if (fds[opened] < 0) {
            break;
        }
        opened++;
    }
    for (int i = 0; i < opened; i++) {
        (void)close(fds[i]);
    }
    if (opened < count) {
        return err_set(err, E_SYSTEM,
                       "only %d of %d descriptors are left: raise the limit of open files "
                       "('ulimit -n', LimitNOFILE= of the unit)",
                       opened, count);
    }
    return 0;
}
