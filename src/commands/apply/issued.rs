//! `--issue-first`: waits for the certificate, and examines it before the kubelet is given it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::request;
use crate::csr::{FetchedRequest, Request, State, requestor_of};
use crate::host::key::Key;
use crate::host::kube::WatchEvent;
use crate::host::signals::Interrupts;
use crate::host::{clock, pair};
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::x509::Names;

use super::cluster::IssuableRequest;
use super::issue::{Issue, Ready};

/// Between two looks for a signal.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long a server that is asked about one request may take.
const ANSWER: Duration = Duration::from_secs(30);

impl Issue<'_> {
    /// Waits until the request is decided and its certificate there.
    pub(super) fn wait(
        &mut self,
        made: &Request,
        end: Instant,
        interrupts: &Interrupts,
    ) -> Result<FetchedRequest, Problem> {
        let open = IssuableRequest {
            request: made.clone(),
            sure: true,
        };
        let events = self.cluster.watch(Some(&open), end);
        let mut state = made.state;
        loop {
            if interrupts.received().is_some() {
                return Err(self.not_issued(made, state, "interrupted"));
            }
            self.ui.wait_for(request::lacking(state, &made.name));
            match next_event(&events) {
                Some(WatchEvent::Request(request)) if request.name == made.name => {
                    if request.state != state {
                        self.ui.say(&request::describe(&request));
                    }
                    state = request.state;
                    self.seen = Some(request.clone());
                    match state {
                        State::Issued => {
                            self.ui.waited();
                            return self.held(&made.name);
                        }
                        State::Denied | State::Failed => return Err(self.lost(&request)),
                        State::Pending | State::Approved => {}
                    }
                }
                Some(WatchEvent::Degraded(error)) => self.ui.detail(&error.to_string()),
                Some(_) | None => {}
            }
            if Instant::now() >= end {
                let until = format!("timed out after {}", cli::written(self.patience()));
                return Err(self.not_issued(made, state, &until));
            }
        }
    }

    /// How long the whole may take.
    pub(super) fn patience(&self) -> Duration {
        self.arguments.timeout.max(Duration::from_secs(1))
    }

    /// The wait ended before the certificate was there.
    fn not_issued(&self, made: &Request, state: State, until: &str) -> Problem {
        let name = &made.name;
        let still = if state == State::Pending {
            "still "
        } else {
            ""
        };
        let problem = Problem::new(
            Code::Temporary,
            format!(
                "cannot wait any longer: {until}: {name} is {still}{state}. The kubelet is unchanged; once the request is approved, run the same command again"
            ),
        );
        match state {
            State::Pending => problem.hint(made.approve()),
            _ => problem.hint(Command::new("kubectl").args(["get", "csr", name])),
        }
    }

    fn held(&self, name: &str) -> Result<FetchedRequest, Problem> {
        let held = self
            .api()
            .request(name, Instant::now() + ANSWER)
            .map_err(|error| request::problem("get", &error))?;
        held.ok_or_else(|| {
            Problem::new(
                Code::Temporary,
                format!("cannot get the certificate of {name}: it was deleted meanwhile; the kubelet is unchanged, and the same command creates a new CSR"),
            )
            .rerun()
        })
    }

    fn lost(&self, request: &Request) -> Problem {
        self.forget();
        Problem::new(
            Code::Refused,
            format!(
                "cannot get a certificate: {} is {}{}; the kubelet is unchanged, and the same command creates a new CSR",
                request.name, request.state, request.said()
            ),
        )
        .hint(request.show())
    }

    /// Whatever was issued is looked at as a client of the kubelet would, before the kubelet is given it.
    pub(super) fn verified(
        &self,
        key: &Key,
        held: FetchedRequest,
        names: &Names,
    ) -> Result<Ready, Problem> {
        let name = &held.request.name;
        let refused = |why: anyhow::Error| {
            self.forget();
            Problem::of(Code::Refused, why)
                .context(format!("cannot use the certificate of {name}"))
                .advise("the kubelet is unchanged, and the same command creates a new CSR")
                .hint(held.request.show())
        };
        let certificate = pair::verify_issued(&held.certificate, self.api().roots(), names)
            .map_err(|error| refused(error.into()))?;
        let mut both = held.certificate.clone();
        if !both.ends_with(b"\n") {
            both.push(b'\n');
        }
        both.extend_from_slice(key.to_pem().as_bytes());
        pair::keys_match(&both).map_err(|error| refused(error.into()))?;
        let node = self.api().node_name();
        let keeps = self
            .cluster
            .node
            .as_ref()
            .is_some_and(|known| known.would_serve(node, &certificate, clock::timestamp()));
        if !keeps {
            return Err(refused(anyhow::Error::msg(format!(
                "the kubelet would not serve it: its subject is {:?} and its names are {}, and it must be {} with the Node's addresses, {}",
                certificate.common_name.unwrap_or_default(),
                certificate.names.describe(),
                requestor_of(node),
                names.describe(),
            ))));
        }
        Ok(Ready {
            request: held.request,
            certificate,
            pair: both,
        })
    }

    /// The key is of no more use.
    pub(super) fn forget(&self) {
        if let Err(error) = self.state.remove_key() {
            self.ui.say(&error.to_string());
        }
    }
}

fn next_event(events: &Receiver<WatchEvent>) -> Option<WatchEvent> {
    match events.recv_timeout(LOOK_AGAIN) {
        Ok(event) => Some(event),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => {
            // Its end has come; the caller's is near.
            std::thread::sleep(LOOK_AGAIN);
            None
        }
    }
}
