/* server/descriptors.c - RLIMIT_NOFILE. */
#include "server/descriptors.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "base/log.h"

int descriptors_raise(uint64_t machines, struct err *err)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return err_sys(err, "getrlimit", "RLIMIT_NOFILE");
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* what it came to is looked at */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t most = limit.rlim_cur / 4 * 3;
    if (limit.rlim_cur != RLIM_INFINITY && most < machines) {
        log_event(
            LOG_WARNING, "server", "files.few",
            "limit=%" PRIu64 " machines=%" PRIu64 " text=\"limits.sessions is more than the "
            "limit of open files allows: raise that one (LimitNOFILE= of the unit, ulimit -n)\"",
            (uint64_t)limit.rlim_cur, most);
    }
    return 0;
}
