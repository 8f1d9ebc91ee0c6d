//! One node's requests, watched with its own credential.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use serde::Deserialize;

use super::follow::{Course, follow};
use super::{Api, ApiError, Followed, Listener, Unreachable, serving_requests};
use crate::csr::{Listing, Request, requestor_of};

/// So many events wait to be seen; a server that sends more waits too.
const QUEUED_EVENTS: usize = 64;

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a few exist at a time")]
pub enum WatchEvent {
    /// A request of this node that was not in the list, or a change of one.
    Request(Request),
    /// The server did not answer as it should; the watch continues.
    Degraded(ApiError),
    /// The server answers the watch again.
    Recovered,
}

/// A request as an event has it; none where it is not a kubelet's.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Seen(
    #[serde(deserialize_with = "Request::from_json")] pub(super) Option<Request>,
);

impl Api {
    /// Watches for this node's requests that are not `known`, from where `listing` ends, on a thread of its own, until
    /// `end` or until no one listens. A dropped watch is taken up again, and an expired one begins with a new list.
    pub fn watch(&self, listing: &Listing, end: Instant) -> Receiver<WatchEvent> {
        let (events, receiver) = sync_channel(QUEUED_EVENTS);
        let sender = events.clone();
        let requestor = requestor_of(self.node_name());
        let known = listing.known.clone();
        let is_degraded = Cell::new(false);
        let tell = move |what: Followed<Seen>| {
            let event = match what {
                Followed::Put(Seen(Some(request)))
                    if request.requestor == requestor && !known.contains(&request.name) =>
                {
                    WatchEvent::Request(request)
                }
                Followed::Degraded(error) => {
                    is_degraded.set(true);
                    WatchEvent::Degraded(error)
                }
                Followed::Answered | Followed::Heard if is_degraded.replace(false) => {
                    WatchEvent::Recovered
                }
                _ => return Listener::Present,
            };
            match events.send(event) {
                Ok(()) => Listener::Present,
                Err(_) => Listener::Gone,
            }
        };
        let course = Course {
            path: serving_requests(),
            revision: Some(listing.resource_version.clone()),
            end: Some(end),
        };
        // No reason to end a run that has changed something: it continues, and hears of no request.
        if let Err(error) = follow(&self.connection, course, tell) {
            let reason = Unreachable::Other(error.to_string());
            let _ = sender.send(WatchEvent::Degraded(self.connection.unreachable(reason)));
        }
        receiver
    }
}
