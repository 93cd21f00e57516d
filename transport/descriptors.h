/* transport/descriptors.h - are there descriptors left? ZeroMQ ends the process when there are not.
 */
#ifndef KITBAG_TRANSPORT_DESCRIPTORS_H
#define KITBAG_TRANSPORT_DESCRIPTORS_H

#include "base/err.h"

enum { DESCRIPTORS_MAX = 64 };

/* Can `count` (at most DESCRIPTORS_MAX) be opened now? E_SYSTEM with a sentence that names the
 * limit. Other threads may take them meanwhile: ask for more than are needed. */
MUST_CHECK int descriptors_need(int count, struct err *err);

#endif
