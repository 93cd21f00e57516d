/* server/data_folder.h - the folder that holds all of a server, taken by one process.
 *
 *   format      "kitbag-data 1": the version of this layout
 *   lock        the process that has the folder
 *   journal/    the change journal
 *   state/      the state, which is made from the journal
 *   keys/       the server's keys
 *   admin.sock  the local administrative socket, while a server runs
 */
#ifndef KITBAG_SERVER_DATA_FOLDER_H
#define KITBAG_SERVER_DATA_FOLDER_H

#include "base/err.h"

enum { DATA_FOLDER_FORMAT = 1 };

/* Make the folder when it is not there (0700), take it, check or write its format. `lock` is a
 * descriptor that is closed when the folder is let go.
 *
 * E_BUSY (the sentence names the process and the remedy), E_FORMAT (a newer kitbagd made it),
 * E_EXISTS (the folder holds something else), E_PERMISSION, E_NOSPACE, E_IO. Nothing is taken then.
 */
MUST_CHECK int data_folder_open(const char *path, int *lock, struct err *err);

#endif
