//! What the command line selects: files or this node, and what is wanted of them.

use std::path::PathBuf;

use crate::edit::api_server::Verification;
use crate::host::files::Locking;
use crate::host::kube::WriteMode;
use crate::kubelet::Bootstrap;
use crate::report::{Code, Problem};

/// Standard input and output as a FILE.
pub(crate) const STANDARD: &str = "-";

/// What the options want of the key.
pub(crate) fn wanted(disable: bool) -> Bootstrap {
    Bootstrap::of(!disable)
}

/// What the options want of the API server's flag.
pub(crate) fn verification(disable: bool) -> Verification {
    if disable {
        Verification::Disabled
    } else {
        Verification::Enabled
    }
}

/// Whether the API server stores what a run that may be a dry one sends.
pub(crate) fn write_mode(dry_run: bool) -> WriteMode {
    if dry_run {
        WriteMode::DryRun
    } else {
        WriteMode::Persist
    }
}

/// Whether a run that may be a dry one needs its locks.
pub(crate) fn locking(dry_run: bool) -> Locking {
    if dry_run {
        Locking::Optional
    } else {
        Locking::Needed
    }
}

/// Standard input can be read once.
///
/// # Errors
/// [`Code::Usage`] when it is named twice.
pub(crate) fn at_most_one_standard(paths: &[PathBuf]) -> Result<(), Problem> {
    let named = paths
        .iter()
        .filter(|path| path.as_os_str() == STANDARD)
        .count();
    if named > 1 {
        let cause = "cannot read -: standard input is named twice";
        Err(Problem::new(Code::Usage, cause).hint("kubelet-tls diff --help"))
    } else {
        Ok(())
    }
}
