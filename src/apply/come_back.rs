//! What a watch over an API server has seen so far, and how it ends: pure, except for the pause between two looks.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::host::kube::ApiError;
use crate::node::ProcessId;
use crate::text::shown;

/// After this many processes with the wanted flag have ended, another one is not waited for. The kubelet waits 10 s before
/// the second start and 20 s before the third.
const MOST_ENDS: u32 = 3;

/// Why an API server does not count as healthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No process has the manifest's address.
    #[error("no kube-apiserver process of this manifest runs")]
    NotRunning,
    /// The kubelet has not replaced the process of before.
    #[error("the kubelet has not restarted it: the process of before still runs")]
    NotRestarted,
    /// More than one process has the manifest's address.
    #[error("{0} kube-apiserver processes have the address of this manifest")]
    Several(usize),
    /// It runs with another value than the one that the manifest has.
    #[error("its process runs with {}", flag_with(.0.as_deref()))]
    OtherValue(Option<String>),
    /// What answers is another process.
    #[error("{address} is answered by another process than kube-apiserver (PID {pid})")]
    Foreign {
        /// Where that process answers: `--bind-address` and `--secure-port` of the manifest.
        address: SocketAddr,
        /// The API server's process.
        pid: u32,
    },
    /// It does not answer, or not with 200.
    #[error("its /readyz: {0}")]
    Api(#[from] ApiError),
}

/// The flag with this value, for people.
fn flag_with(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("kubelet-certificate-authority {}", shown(value)),
        None => "no kubelet-certificate-authority".to_owned(),
    }
}

/// Why an API server did not come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceFailure {
    /// It ends again and again.
    #[error("it ended {ends} times after its restart; {last}")]
    Ends {
        /// How many processes of it were seen to end since the watch began.
        ends: u32,
        /// What was seen last.
        last: NotReady,
    },
    /// It did not answer in time.
    #[error("it was not healthy within {}; {last}", seconds(.within))]
    TooLate {
        /// How long it was waited for.
        within: Duration,
        /// What was seen last.
        last: NotReady,
    },
}

fn seconds(duration: &Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

/// An API server that came back healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameBack {
    /// The process that answered, to tell a later restart.
    pub id: ProcessId,
    /// From the beginning of the watch to its first healthy answer.
    pub after: Duration,
    /// For how long no healthy instance was seen before that.
    pub outage: Duration,
}

/// What happens to the API server while it is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceProgress {
    /// The process of before has ended.
    Down,
    /// The new one answers, after so long.
    Answers(Duration),
}

/// One look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The process of before still runs.
    Before,
    /// It is not healthy. The process, if one runs with the flag that is waited for.
    Down(Option<ProcessId>, NotReady),
    Ready(ProcessId),
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct WatchState {
    began: Instant,
    settle: Duration,
    timeout: Duration,
    /// When the first instance that was not healthy was seen.
    down: Option<Instant>,
    /// The healthy process, and since when it answers.
    ready: Option<(ProcessId, Instant)>,
    /// The last process that was seen with the flag that is waited for.
    process: Option<ProcessId>,
    /// How many of those have ended.
    ends: u32,
    has_answered: bool,
}

impl WatchState {
    pub(super) fn new(began: Instant, settle: Duration, timeout: Duration) -> Self {
        Self {
            began,
            settle,
            timeout,
            down: None,
            ready: None,
            process: None,
            ends: 0,
            has_answered: false,
        }
    }

    /// Looks again and again until it has ended.
    pub(super) fn run(
        mut self,
        mut look: impl FnMut() -> Look,
        mut notify: impl FnMut(InstanceProgress),
        pause: Duration,
    ) -> Result<CameBack, InstanceFailure> {
        loop {
            let seen = look();
            if let Some(ended) = self.see(seen, Instant::now(), &mut notify) {
                return ended;
            }
            thread::sleep(pause);
        }
    }

    /// Takes in one look at the time `now`, and says how the watch ended, if it did.
    fn see(
        &mut self,
        look: Look,
        now: Instant,
        notify: &mut impl FnMut(InstanceProgress),
    ) -> Option<Result<CameBack, InstanceFailure>> {
        let (process, why) = match look {
            Look::Ready(id) => return self.see_ready(id, now, notify),
            Look::Before => (None, NotReady::NotRestarted),
            Look::Down(process, why) => {
                if self.down.is_none() {
                    self.down = Some(now);
                    notify(InstanceProgress::Down);
                }
                (process, why)
            }
        };
        self.ready = None;
        self.count(process);
        if self.ends >= MOST_ENDS {
            let ends = self.ends;
            return Some(Err(InstanceFailure::Ends { ends, last: why }));
        }
        (now >= self.began + self.timeout).then_some(Err(InstanceFailure::TooLate {
            within: self.timeout,
            last: why,
        }))
    }

    fn see_ready(
        &mut self,
        id: ProcessId,
        now: Instant,
        notify: &mut impl FnMut(InstanceProgress),
    ) -> Option<Result<CameBack, InstanceFailure>> {
        self.count(Some(id));
        let since = match self.ready {
            Some((known, since)) if known == id => since,
            _ => now,
        };
        self.ready = Some((id, since));
        if !self.has_answered {
            self.has_answered = true;
            notify(InstanceProgress::Answers(now - self.began));
        }
        (now - since >= self.settle).then_some(Ok(CameBack {
            id,
            after: since - self.began,
            outage: self.down.map_or(Duration::ZERO, |down| since - down),
        }))
    }

    fn count(&mut self, process: Option<ProcessId>) {
        let Some(process) = process else {
            return;
        };
        if self
            .process
            .replace(process)
            .is_some_and(|last| last != process)
        {
            self.ends += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(pid: u32) -> ProcessId {
        ProcessId { pid, start: 7 }
    }

    /// How a watch of these looks, one a second, ends; and after how many of them.
    fn ends(looks: Vec<Look>) -> (usize, Option<Result<CameBack, InstanceFailure>>) {
        let began = Instant::now();
        let mut watch = WatchState::new(began, Duration::from_secs(3), Duration::from_secs(20));
        for (second, look) in looks.into_iter().enumerate() {
            let now = began + Duration::from_secs(second as u64);
            if let Some(ended) = watch.see(look, now, &mut |_| {}) {
                return (second, Some(ended));
            }
        }
        (usize::MAX, None)
    }

    fn down(process: Option<u32>) -> Look {
        Look::Down(process.map(id), NotReady::NotRunning)
    }

    fn came(pid: u32, after: u64, outage: u64) -> Option<Result<CameBack, InstanceFailure>> {
        Some(Ok(CameBack {
            id: id(pid),
            after: Duration::from_secs(after),
            outage: Duration::from_secs(outage),
        }))
    }

    #[test]
    fn it_has_come_back_when_the_same_process_answers_for_the_settle_time() {
        use Look::{Before, Ready};
        let restarted = vec![
            Before,
            Before,
            down(None),
            down(Some(2)),
            Ready(id(2)),
            Ready(id(2)),
            Ready(id(2)),
            Ready(id(2)),
        ];
        assert_eq!(ends(restarted), (7, came(2, 4, 2)));
        // An answer between two that are not does not count, and the outage lasts until the one that does.
        let flaps = vec![
            down(Some(2)),
            Ready(id(2)),
            Ready(id(2)),
            down(Some(2)),
            Ready(id(2)),
            Ready(id(2)),
            Ready(id(2)),
            Ready(id(2)),
        ];
        assert_eq!(ends(flaps), (7, came(2, 4, 4)));
        // Another process begins from the beginning.
        let replaced = vec![
            Ready(id(2)),
            Ready(id(2)),
            Ready(id(3)),
            Ready(id(3)),
            Ready(id(3)),
            Ready(id(3)),
        ];
        assert_eq!(ends(replaced), (5, came(3, 2, 0)));
    }

    #[test]
    fn it_has_failed_when_it_ends_again_and_again_or_takes_too_long() {
        let crash_loop = (2..6)
            .flat_map(|pid| [down(Some(pid)), down(None)])
            .collect();
        assert_eq!(
            ends(crash_loop),
            (
                6,
                Some(Err(InstanceFailure::Ends {
                    ends: 3,
                    last: NotReady::NotRunning
                }))
            )
        );
        let late = |last| {
            let within = Duration::from_secs(20);
            (20, Some(Err(InstanceFailure::TooLate { within, last })))
        };
        let hangs = std::iter::repeat_n(down(Some(2)), 30).collect();
        assert_eq!(ends(hangs), late(NotReady::NotRunning));
        let never = std::iter::repeat_n(Look::Before, 30).collect();
        assert_eq!(ends(never), late(NotReady::NotRestarted));
        // One that answers at the deadline may still settle.
        let mut looks = vec![down(Some(2)); 20];
        looks.extend(vec![Look::Ready(id(2)); 5]);
        assert_eq!(ends(looks), (23, came(2, 20, 20)));
    }
}
