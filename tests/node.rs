//! The real binary on a real node: a Debian with its own systemd, kubeadm's unit for the kubelet, and a stand-in for
//! the kubelet alone.
//!
//! Needs root, debootstrap and systemd-container; without them the tests are skipped in one line, or fail where
//! `KUBELET_TLS_REQUIRE_NODE_TESTS=1`. The Debian is made once, in `target/` or where `KUBELET_TLS_NODE_ROOT` says.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking, is about files and processes, and has no users of its own"
)]

mod node {
    pub mod address;
    pub mod command;
    pub mod debian;
    pub mod machine;
    pub mod worker;

    pub mod ansible;
    pub mod api_server;
    pub mod cloud_init;
    pub mod control_plane;
    pub mod drop_in;
    pub mod files;
    pub mod gate;
    pub mod interruptions;
    pub mod issue_first;
    pub mod kills;
    pub mod kind;
    pub mod main_job;
    pub mod packages;
    pub mod proof;
    pub mod units;
}

use std::process::ExitCode;

use support::harness;

use node::{
    ansible, api_server, cloud_init, debian, drop_in, files, gate, interruptions, issue_first,
    kills, kind, machine, main_job, packages, proof, units, worker,
};

/// Names a test after its module and function.
macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*]
    };
}

const TESTS: &[harness::Test] = tests![
    proof::a_crash_loop_shows_in_the_unit_not_in_the_exit_code,
    proof::machines_leave_nothing_behind,
    proof::commands_run_as_they_would_at_a_shell,
    proof::a_worker_bootstraps_its_certificate_when_told_to,
    main_job::diff_then_apply_then_nothing_left_to_do,
    main_job::apply_waits_for_the_certificate,
    main_job::a_kubelet_older_than_its_config_is_restarted,
    main_job::disable_sets_the_key_to_false,
    main_job::rollback_restores_the_file_and_restarts_the_kubelet,
    main_job::status_follows_the_job,
    gate::a_crash_loop_is_rolled_back_byte_for_byte,
    gate::both_failures_of_a_kubelet_that_dies_either_way_are_reported,
    gate::a_death_while_the_request_is_awaited_counts,
    gate::a_slow_start_is_waited_for,
    gate::a_kubelet_that_never_answers_well_is_rolled_back,
    gate::an_unhealthy_kubelet_is_left_alone,
    gate::every_file_of_the_plan_is_rolled_back,
    gate::a_kubelet_without_healthz_is_judged_by_its_process,
    gate::a_refused_restart_is_rolled_back,
    gate::a_hint_repeats_what_was_asked_for,
    interruptions::a_kill_between_write_and_restart_is_completed_by_the_next_run,
    interruptions::killed_before_the_restart_after_an_earlier_request,
    interruptions::a_kill_while_the_kubelet_crash_loops_is_undone_by_the_next_run,
    interruptions::interrupted_while_the_kubelet_settles,
    interruptions::a_signal_before_the_write_changes_nothing,
    interruptions::interrupted_while_the_kubelet_dies,
    interruptions::a_closed_pipe_does_not_stop_it_halfway,
    interruptions::fifty_at_once,
    issue_first::no_handshake_fails,
    issue_first::killed_at_any_step,
    kind::the_whole_job_in_the_documented_order,
    kind::the_whole_job_with_the_certificate_first,
    kind::a_renewal_is_approved,
    kind::metrics_server_files_are_written_and_applied,
    kind::the_api_server_verifies_kubelets_and_back,
    kills::a_change_that_is_killed_is_completed_or_undone_by_the_next_run,
    kills::a_rollback_that_is_killed_is_completed_by_the_next_run,
    drop_in::an_upgrade_does_not_undo_it,
    drop_in::it_backs_off_while_an_apply_runs,
    drop_in::a_change_that_an_administrator_undid_stays_undone,
    drop_in::a_change_that_was_rolled_back_is_not_tried_again,
    drop_in::a_kubelet_that_dies_of_it_gets_its_file_back,
    drop_in::the_hardened_service_does_its_work,
    drop_in::the_service_never_loops,
    files::a_file_that_cannot_be_replaced_is_refused,
    files::without_room_for_its_receipt_nothing_is_changed,
    files::a_symlink_is_followed_and_kept,
    files::another_user_may_only_read,
    units::drop_ins_in_etc_decide,
    units::a_kubelet_that_never_ran_is_read_from_its_unit,
    units::a_flag_against_it_makes_the_edit_pointless,
    units::a_flag_that_the_next_start_brings_counts,
    units::another_file_that_the_next_start_reads_counts,
    units::a_config_directory_decides,
    units::a_slow_stop_is_waited_for_without_a_message_bus,
    units::a_node_without_kubeadm_is_changed_too,
    api_server::diff_and_an_edit_by_hand,
    api_server::status_tells_control_planes_apart,
    api_server::there_and_back,
    api_server::one_that_does_not_come_back_is_put_back,
    api_server::a_node_that_is_not_secured_is_named_first,
    api_server::a_node_that_stops_answering_meanwhile,
    api_server::two_control_planes_in_turn,
    api_server::killed_at_any_moment,
    api_server::killed_while_it_does_not_come_back,
    cloud_init::a_control_plane_is_initialised_with_the_edited_file,
    cloud_init::a_refused_file_stops_the_script_before_kubeadm_init,
    cloud_init::a_worker_is_switched_after_it_joined,
    cloud_init::a_worker_whose_kubelet_dies_is_rolled_back_and_the_script_fails,
    cloud_init::a_download_is_checked_before_it_runs,
    packages::a_deb_from_download_to_purge,
    ansible::a_whole_cluster_batch_by_batch,
    ansible::the_oldest_ansible_that_runs_here,
];

fn main() -> ExitCode {
    // in the machine, where it was copied to as the kubelet
    if std::env::args()
        .next()
        .is_some_and(|name| name.ends_with("/kubelet"))
    {
        return worker::kubelet();
    }
    // the same, as the API server of a static Pod
    let arguments: Vec<String> = std::env::args().collect();
    if arguments[0] == "kube-apiserver" {
        let code = standins::multicall(&arguments);
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    harness::run(TESTS, "tests on a real node", || {
        debian::root()?;
        machine::sweep();
        Ok(())
    })
}
