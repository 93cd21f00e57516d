/* base/notify.h - what systemd is told: ready, stopping, a line of status, still alive.
 *
 * Does nothing when NOTIFY_SOCKET is not set. Never fails: nobody could act on it.
 */
#ifndef KITBAG_BASE_NOTIFY_H
#define KITBAG_BASE_NOTIFY_H

#include <stdint.h>

#include "base/assert.h"

/* One message of lines such as "READY=1" or "STATUS=...". */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often notify_send("WATCHDOG=1") is due, in ms: half of what systemd asks for; 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
