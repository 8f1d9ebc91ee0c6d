//! The fault lab: the real binary under `strace --inject`, killed at every system call that it makes between its first
//! write and its exit, and each of them failing in every way that it can, one at a time; files in odd places, and clocks
//! that jump.
//!
//! After each: the old bytes or the new ones, whole, with owner, mode and attributes; an exit code and a document that
//! are true; and a next run that ends where it must, with nothing left over.
//!
//! `FAULTS=all` tries every fault, `FAULTS=kills` the kill at every call. Without it a sample of them is tried: of each
//! call that writes the kill and one error, of the rest, and of a run that waits for the request, one in ten.
//! `FAULTS_SCENES=12` plays so many runs at once. The tests need root and strace; without them they are
//! skipped in one line, or fail where `KUBELET_TLS_REQUIRE_NODE_TESTS=1`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking, and is about files and processes"
)]

mod faults {
    pub mod clock;
    pub mod instance;
    pub mod lab;
    pub mod places;
    pub mod scene;
    pub mod thread;
    pub mod trace;
    pub mod verdict;
}

use std::process::{Command, ExitCode, Stdio};

use faults::{clock, lab, places};
use support::harness;

/// Names a test after its module and function.
macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*]
    };
}

const TESTS: &[harness::Test] = tests![
    // the longest, beside which the others fit
    lab::a_kubelet_that_dies_of_it,
    lab::a_certificate_before_the_restart,
    lab::a_file_by_itself,
    lab::a_node,
    lab::a_request_that_is_waited_for,
    lab::a_node_and_its_kubeadm_file,
    lab::the_opposite_after_an_earlier_run,
    lab::a_rollback,
    lab::an_api_server,
    lab::an_api_server_that_does_not_come_back,
    lab::an_api_server_rolled_back,
    places::another_users_file,
    places::planted_before,
    places::planted_meanwhile,
    places::swapped_meanwhile,
    places::a_restart_that_comes_late,
    clock::a_clock_that_jumps,
    clock::a_clock_that_is_stepped,
];

fn main() -> ExitCode {
    let code = harness::run(TESTS, "fault tests", ready);
    let tally = lab::TALLY.lock().expect("no panic");
    if tally.injected > 0 {
        println!(
            "faults{}: {} calls tried, {} faults injected, {} not (their calls were not made), {} violations",
            match lab::extent() {
                lab::Extent::All => "",
                lab::Extent::Kills => " (kills alone; FAULTS=all tries the errors too)",
                lab::Extent::Sample => " (a sample; FAULTS=all tries all)",
            },
            tally.calls,
            tally.injected,
            tally.not_fired,
            tally.violations
        );
    }
    code
}

fn ready() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("they give files to other users, which needs root".into());
    }
    let strace = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    match strace {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("strace may not trace here".into()),
        Err(_) => Err("not installed: strace".into()),
    }
}
