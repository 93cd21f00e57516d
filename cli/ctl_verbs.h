/* cli/ctl_verbs.h - the functions of kitbagctl's table of commands, by file. */
#ifndef KITBAG_CLI_CTL_VERBS_H
#define KITBAG_CLI_CTL_VERBS_H

#include "cli/command.h"

/* ctl_status.c */
command_fn ctl_status;
/* ctl_owner.c */
command_fn ctl_user_ls, ctl_user_show, ctl_user_rm, ctl_group_ls, ctl_group_show, ctl_group_rm;
/* ctl_device.c */
command_fn ctl_device_ls, ctl_device_rm;
/* ctl_journal.c */
command_fn ctl_journal_stat, ctl_journal_verify, ctl_journal_tail;
/* ctl_import.c */
command_fn ctl_import_people, ctl_import_addresses;

#endif
