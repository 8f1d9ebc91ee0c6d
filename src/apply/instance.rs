//! The watch over an API server that is to come back with another flag: the kubelet restarts it by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::come_back::{CameBack, InstanceFailure, InstanceProgress, Look, NotReady, WatchState};
use crate::host::kube::{Admin, ApiError};
use crate::host::{listener, process};
use crate::node::{ApiServerProcess, ProcessId};

/// How often the process table and `/readyz` are looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Which API server is watched, and how long.
pub struct InstanceCheck<'a> {
    /// The credential; the instance itself is dialled, whatever the kubeconfig names.
    pub admin: &'a Admin,
    /// The flags of the manifest, which say where its instance listens.
    pub flags: &'a [String],
    /// How long it must answer before it counts as healthy.
    pub settle: Duration,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// What the instance is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Awaited<'a> {
    /// The CA with which it verifies kubelets; `None` if it verifies none.
    pub kubelet_ca: Option<&'a str>,
    /// The processes of before the edit, which do not count.
    pub before: &'a [ProcessId],
}

impl InstanceCheck<'_> {
    /// The processes of this manifest.
    pub fn processes(&self) -> Vec<ApiServerProcess> {
        let mut processes = process::api_servers();
        processes.retain(|process| process.is_of(self.flags));
        processes
    }

    /// The process of this manifest, whatever its flag, if it is healthy.
    ///
    /// # Errors
    /// Why it is not.
    pub fn healthy(&self) -> Result<ApiServerProcess, NotReady> {
        let processes = self.processes();
        let process = only(&processes)?;
        self.answers(process)?;
        Ok(process.clone())
    }

    /// Where its instance is dialled.
    pub fn address(&self) -> SocketAddr {
        crate::node::instance_address(self.flags).socket
    }

    /// The API of this instance.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn dial(&self, process: &ApiServerProcess) -> Result<Admin, ApiError> {
        self.admin.instance(&process.address())
    }

    /// Watches until it is healthy as `awaited` and has stayed so for the settle time.
    ///
    /// # Errors
    /// Why it is not.
    pub fn wait(
        &self,
        awaited: Awaited<'_>,
        notify: impl FnMut(InstanceProgress),
    ) -> Result<CameBack, InstanceFailure> {
        let watch = WatchState::new(Instant::now(), self.settle, self.timeout);
        watch.run(|| self.look(awaited), notify, LOOK_AGAIN)
    }

    fn look(&self, awaited: Awaited<'_>) -> Look {
        let processes = self.processes();
        match select(&processes, awaited) {
            Ok(process) => match self.answers(process) {
                Ok(()) => Look::Ready(process.id),
                Err(why) => Look::Down(Some(process.id), why),
            },
            Err(NotReady::NotRestarted) => Look::Before,
            Err(why) => Look::Down(None, why),
        }
    }

    /// A fresh connection each time: one that is kept may lead to a process that is ending.
    fn answers(&self, process: &ApiServerProcess) -> Result<(), NotReady> {
        self.dial(process)?.ready()?;
        let address = process.address().socket;
        match listener::listens(process.id.pid, address) {
            Some(false) => Err(NotReady::Foreign {
                address,
                pid: process.id.pid,
            }),
            Some(true) | None => Ok(()),
        }
    }
}

/// The process that is waited for, among those of the manifest.
fn select<'p>(
    processes: &'p [ApiServerProcess],
    awaited: Awaited<'_>,
) -> Result<&'p ApiServerProcess, NotReady> {
    let process = only(processes)?;
    if awaited.before.contains(&process.id) {
        return Err(NotReady::NotRestarted);
    }
    match process.kubelet_ca() {
        ca if ca == awaited.kubelet_ca => Ok(process),
        ca => Err(NotReady::OtherValue(ca.map(str::to_owned))),
    }
}

/// The one process of the manifest.
fn only(processes: &[ApiServerProcess]) -> Result<&ApiServerProcess, NotReady> {
    match processes {
        [] => Err(NotReady::NotRunning),
        [only] => Ok(only),
        several => Err(NotReady::Several(several.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: 7 }
    }

    fn process(pid: u32, line: &str) -> ApiServerProcess {
        ApiServerProcess {
            id: id(pid),
            words: line.split(' ').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn the_process_that_counts_is_new_and_has_the_value_last() {
        let old = process(1, "--v=2");
        let new = process(2, "--kubelet-certificate-authority=/ca.crt");
        let off = process(
            3,
            "--kubelet-certificate-authority=/ca.crt --kubelet_certificate_authority=",
        );
        let before = [id(1)];
        let of =
            |processes: &[&ApiServerProcess], kubelet_ca: Option<&str>, before: &[ProcessId]| {
                let processes: Vec<_> = processes.iter().map(|one| (*one).clone()).collect();
                let awaited = Awaited { kubelet_ca, before };
                select(&processes, awaited).map(|process| process.id.pid)
            };
        let ca = Some("/ca.crt");
        for (processes, wanted, before, expected) in [
            (&[][..], ca, &before[..], Err(NotReady::NotRunning)),
            (&[&old], ca, &before, Err(NotReady::NotRestarted)),
            (&[&old], ca, &[], Err(NotReady::OtherValue(None))),
            (&[&new], ca, &before, Ok(2)),
            // The kubelet has put another manifest in the place of the edited one.
            (&[&off], ca, &before, Err(NotReady::OtherValue(None))),
            (
                &[&new],
                None,
                &before,
                Err(NotReady::OtherValue(Some("/ca.crt".into()))),
            ),
            (&[&old, &new], ca, &before, Err(NotReady::Several(2))),
            // After the rollback the process of before may never have ended.
            (&[&old], None, &[], Ok(1)),
            (&[&off], None, &[], Ok(3)),
        ] {
            assert_eq!(
                of(processes, wanted, before),
                expected,
                "{processes:?} {wanted:?} {before:?}"
            );
        }
    }
}
