//! Watches the kubelet until it has settled and the request, or its certificate, is there; and says what comes.

use std::cell::RefCell;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::apply::{HealthWatch, KnownRequest, Progress, WatchOutcome};
use crate::cli;
use crate::commands::{Ui, request};
use crate::csr::{Request, State};
use crate::host::kube::WatchEvent;
use crate::host::signals::Interrupts;
use crate::host::systemd;

use super::cluster::ClusterView;
use super::next;
use super::run::NodeRun;

/// How long a kubelet takes at most from its start to its request, where all is well: 1 to 10 s (kubelet-facts).
const TIME_TO_ASK: Duration = Duration::from_secs(15);

impl NodeRun<'_> {
    /// Watches the kubelet as far as `--wait` says.
    pub(super) fn watch(
        &mut self,
        watch: HealthWatch,
        feed: Option<&Receiver<WatchEvent>>,
        interrupts: &Interrupts,
    ) -> WatchOutcome {
        let known = self.known();
        let wait = self.spec.wait;
        let port = self.kubelet.port();
        let cluster = RefCell::new(self.cluster.as_mut());
        let enough = |request: Option<&Request>| {
            let mut borrowed = cluster.borrow_mut();
            let Some(cluster) = borrowed.as_mut() else {
                return true;
            };
            match wait {
                cli::Wait::None => true,
                cli::Wait::Csr => {
                    cluster.kept.is_some() || request.is_some_and(|request| !is_lost(request))
                }
                cli::Wait::Issued => {
                    (cluster.kept.is_some()
                        || request.is_some_and(|request| request.state == State::Issued))
                        && cluster
                            .served(request, port)
                            .is_ok_and(|served| served.verified.is_ok())
                }
            }
        };
        let mut teller = Teller {
            ui: self.ui,
            settle: self.check.settle,
            waits: wait != cli::Wait::None,
            settled: watch.has_settled(),
            lacking: "the kubelet's request".to_owned(),
        };
        teller.begin();
        let end = Instant::now() + self.spec.timeout;
        let notify = |progress: Progress<'_>| teller.tell(progress);
        let watched = watch.run(feed, known, end, interrupts, notify, enough);
        self.ui.waited();
        watched
    }

    /// The request that is there already. One that may be of the kubelet before counts once this one has had its time to
    /// make a request and has made none.
    fn known(&mut self) -> Option<KnownRequest> {
        let age = self
            .cluster
            .as_ref()
            .map_or(Duration::MAX, ClusterView::kubelet_age);
        self.open.take().map(|open| KnownRequest {
            from: Instant::now()
                + if open.sure {
                    Duration::ZERO
                } else {
                    TIME_TO_ASK.saturating_sub(age)
                },
            request: open.request,
        })
    }
}

/// Says what happens to the kubelet, and shows on a terminal what is waited for: its health first, then what its request
/// still lacks.
struct Teller<'a> {
    ui: &'a Ui,
    settle: Duration,
    /// Whether a request is waited for.
    waits: bool,
    settled: bool,
    lacking: String,
}

impl Teller<'_> {
    fn begin(&self) {
        if self.settled {
            self.ui.wait_for(&self.lacking);
        } else {
            self.ui.wait_for(format!("{} to answer", systemd::KUBELET));
        }
    }

    fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Answers(after) => {
                self.ui.say(&format!(
                    "{} answers after {:.1} s",
                    systemd::KUBELET,
                    after.as_secs_f64()
                ));
                self.ui.wait_for(format!(
                    "{} to stay healthy for {} s",
                    systemd::KUBELET,
                    self.settle.as_secs_f64()
                ));
            }
            Progress::Settled => self.settled = true,
            Progress::Request(request) => {
                next::tell_request(request, self.ui);
                self.lacking = request::lacking(request.state, &request.name);
            }
            Progress::Interrupted => self
                .ui
                .say("interrupted: completing the restart and the health check first"),
        }
        if self.settled && self.waits {
            self.ui.wait_for(&self.lacking);
        }
    }
}

/// Whether no certificate can come of a request any more.
pub(super) fn is_lost(request: &Request) -> bool {
    matches!(request.state, State::Denied | State::Failed)
}
