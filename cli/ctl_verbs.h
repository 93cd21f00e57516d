/* cli/ctl_verbs.h - the functions of kitbagctl's table of commands, by file. */
#ifndef KITBAG_CLI_CTL_VERBS_H
#define KITBAG_CLI_CTL_VERBS_H

#include "cli/command.h"

/* ctl_login.c */
command_fn ctl_login, ctl_logout;
/* ctl_status.c */
command_fn ctl_status;
/* ctl_owner.c */
command_fn ctl_user_ls, ctl_user_show, ctl_user_rm, ctl_group_ls, ctl_group_show, ctl_group_rm;
/* ctl_past.c */
command_fn ctl_user_history, ctl_user_diff, ctl_group_history, ctl_group_diff;
/* ctl_item.c */
command_fn ctl_user_set, ctl_user_unset, ctl_user_restore;
command_fn ctl_group_set, ctl_group_unset, ctl_group_restore;
/* ctl_device.c */
command_fn ctl_device_ls, ctl_device_rm, ctl_device_show;
command_fn ctl_device_rename, ctl_device_keep, ctl_device_mirror;
/* ctl_sync.c */
command_fn ctl_sync_start, ctl_sync_stop, ctl_sync_status;
/* ctl_token.c */
command_fn ctl_token_ls, ctl_token_new, ctl_token_rm;
command_fn ctl_device_token, ctl_device_token_ls, ctl_device_token_rm;
/* ctl_account.c */
command_fn ctl_account_ls, ctl_account_add, ctl_account_rm;
command_fn ctl_account_passwd, ctl_account_role, ctl_account_unlock;
/* ctl_wait.c, ctl_log.c, ctl_audit.c */
command_fn ctl_wait, ctl_log, ctl_audit;
/* ctl_fence.c */
command_fn ctl_fence_ls, ctl_fence_set, ctl_fence_lift;
/* ctl_sharing.c, ctl_explain.c */
command_fn ctl_sharing_ls, ctl_sharing_set, ctl_sharing_undo, ctl_user_explain;
/* ctl_journal.c */
command_fn ctl_journal_stat, ctl_journal_tail;
/* ctl_repair.c */
command_fn ctl_journal_verify, ctl_journal_repair;
/* ctl_history.c */
command_fn ctl_history_fork, ctl_clock_confirm;
command_fn ctl_backup, ctl_backup_ls, ctl_backup_forget, ctl_backup_verify;
command_fn ctl_export_prepare, ctl_export_ls, ctl_export_get, ctl_export_address_list,
    ctl_export_rm;
command_fn ctl_restore_status, ctl_restore_confirm;
/* ctl_config.c */
command_fn ctl_config_check, ctl_config_show;
/* ctl_import.c */
command_fn ctl_import_people, ctl_import_addresses;

#endif
