/* server/descriptors.h - how many files and connections the process may have open. */
#ifndef KITBAG_SERVER_DESCRIPTORS_H
#define KITBAG_SERVER_DESCRIPTORS_H

#include <stdint.h>

#include "base/err.h"

/* Raise the limit to what the system allows. A machine needs a descriptor; the router lets three
 * quarters of them be connections: when that is less than `machines`, the log says so. E_SYSTEM. */
MUST_CHECK int descriptors_raise(uint64_t machines, struct err *err);

#endif
