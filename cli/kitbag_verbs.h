/* cli/kitbag_verbs.h - the functions of kitbag's table of commands, by file. */
#ifndef KITBAG_CLI_KITBAG_VERBS_H
#define KITBAG_CLI_KITBAG_VERBS_H

#include "cli/command.h"

/* kitbag_machine.c */
command_fn verb_join, verb_sync_start, verb_sync_stop, verb_status, verb_verify;
/* kitbag_people.c */
command_fn verb_login, verb_logout, verb_users;
/* kitbag_items.c */
command_fn verb_get, verb_ls, verb_watch;
/* kitbag_explain.c */
command_fn verb_explain;
/* kitbag_writes.c */
command_fn verb_set, verb_rm, verb_apply;
/* kitbag_outbox.c */
command_fn verb_outbox_ls, verb_outbox_refused, verb_outbox_retry, verb_outbox_drop;
/* kitbag_files.c */
command_fn verb_import, verb_export, verb_outbox_export;
/* kitbag_agent.c */
command_fn verb_agent;
/* kitbag_doctor.c */
command_fn verb_doctor;

#endif
