//! What is heard from the API while a kubelet is watched.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::csr::Request;
use crate::host::kube::{ApiError, WatchEvent};

/// What happens while a kubelet is watched.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It answers for the first time, so long after its restart.
    Answers(Duration),
    /// It has stayed up and answered for as long as was asked.
    Settled,
    /// A request of this node is new or has changed.
    Request(&'a Request),
    /// A signal came before the proof was complete.
    Interrupted,
}

/// What was heard from the API.
#[derive(Debug, Default)]
pub struct RequestFeed {
    /// The newest request of this node.
    pub request: Option<Request>,
    /// What is wrong, as far as is known.
    pub degraded: Option<ApiError>,
}

impl RequestFeed {
    /// Listens until `end`, or until `enough` holds.
    pub fn wait(
        &mut self,
        events: Option<&Receiver<WatchEvent>>,
        end: Instant,
        notify: &mut impl FnMut(Progress<'_>),
        enough: impl Fn(Option<&Request>) -> bool,
    ) {
        while !enough(self.request.as_ref()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match events.map(|events| events.recv_timeout(left)) {
                Some(Ok(WatchEvent::Request(request))) => self.take(request, notify),
                Some(Ok(WatchEvent::Degraded(error))) => self.degraded = Some(error),
                Some(Ok(WatchEvent::Recovered)) => self.degraded = None,
                Some(Err(RecvTimeoutError::Timeout)) => return,
                None | Some(Err(RecvTimeoutError::Disconnected)) => {
                    return std::thread::sleep(left);
                }
            }
        }
    }

    /// A decided request is not news beside a newer one; a kubelet whose request was denied makes another.
    pub(super) fn take(&mut self, request: Request, notify: &mut impl FnMut(Progress<'_>)) {
        let outdated = self
            .request
            .as_ref()
            .is_some_and(|known| known.name != request.name && known.is_newer_than(&request));
        if !outdated && self.request.as_ref() != Some(&request) {
            notify(Progress::Request(&request));
            self.request = Some(request);
        }
    }
}
