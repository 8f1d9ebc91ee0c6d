//! A watch that is taken up again until its deadline.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use serde::Deserialize;

use super::client::Client;
use super::connection::{BACKOFF, Connection, REQUESTS, signer_selector};
use super::event::Events;
use super::{ApiError, Followed, Unreachable, WatchEvent, start};
use crate::csr::{Request, requestor_of};

pub(super) struct Watch {
    pub(super) connection: Connection,
    pub(super) from: String,
    pub(super) known: BTreeSet<String>,
    pub(super) end: Instant,
    pub(super) events: SyncSender<WatchEvent>,
    /// Trouble was reported, and nothing better since.
    pub(super) troubled: bool,
}

/// A request as an event has it; none where it is not a kubelet's.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Seen(
    #[serde(deserialize_with = "Request::from_json")] pub(super) Option<Request>,
);

/// Why a watch's stream ended.
pub(super) enum Ended {
    /// The server closed it, as it does after a while.
    Closed,
    Failed(ApiError),
    /// No one listens any more.
    Unwanted,
}

impl Watch {
    pub(super) fn run(mut self) {
        match start(&self.connection) {
            Ok((runtime, client)) => runtime.block_on(self.follow(&client)),
            Err(error) => drop(
                self.events.send(WatchEvent::Degraded(
                    self.connection
                        .unreachable(Unreachable::Other(error.to_string())),
                )),
            ),
        }
    }

    async fn follow(&mut self, client: &Client) {
        let mut pause = BACKOFF.0;
        while Instant::now() < self.end {
            let began = Instant::now();
            let ended = match tokio::time::timeout_at(self.end.into(), self.stream(client)).await {
                Ok(ended) => ended,
                Err(_) => return,
            };
            let wait = match ended {
                Ended::Unwanted => return,
                Ended::Closed => pause,
                Ended::Failed(error) => {
                    let wait = error.retry_after().unwrap_or(pause);
                    let gone = error.is_gone();
                    if !self.report(error) {
                        return;
                    }
                    if gone && !self.begin_anew(client).await {
                        return;
                    }
                    wait
                }
            };
            // A watch that held for a while was well; its successor may begin at once.
            pause = if began.elapsed() > BACKOFF.1 {
                BACKOFF.0
            } else {
                (pause * 2).min(BACKOFF.1)
            };
            tokio::time::sleep_until((Instant::now() + wait).min(self.end).into()).await;
        }
    }

    /// Lists again after the history that the watch needed is gone. False when no one listens any more.
    async fn begin_anew(&mut self, client: &Client) -> bool {
        let listed = self.connection.list(client, self.end).await;
        match listed {
            Ok(listing) => {
                self.from = listing.resource_version;
                match listing
                    .newest
                    .filter(|request| !self.known.contains(&request.name))
                {
                    Some(request) => self.events.send(WatchEvent::Request(request)).is_ok(),
                    None => true,
                }
            }
            Err(error) => self.report(error),
        }
    }

    /// False when no one listens any more.
    fn report(&mut self, error: ApiError) -> bool {
        self.troubled = true;
        self.events.send(WatchEvent::Degraded(error)).is_ok()
    }

    async fn stream(&mut self, client: &Client) -> Ended {
        let seconds = self
            .end
            .saturating_duration_since(Instant::now())
            .as_secs()
            .max(1);
        let path = format!(
            "{REQUESTS}?{}&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}",
            signer_selector(),
            self.from
        );
        let body = match self.connection.get(client, &path).await {
            Ok(body) => body,
            Err(error) => return Ended::Failed(error),
        };
        if std::mem::take(&mut self.troubled) && self.events.send(WatchEvent::Recovered).is_err() {
            return Ended::Unwanted;
        }
        let mut events = Events::of(&self.connection, body);
        let requestor = requestor_of(&self.connection.node);
        loop {
            let (revision, what) = match events.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ended::Closed,
                Err(error) => return Ended::Failed(error),
            };
            self.from = revision;
            if let Followed::Put(Seen(Some(request))) = what
                && request.requestor == requestor
                && !self.known.contains(&request.name)
                && self.events.send(WatchEvent::Request(request)).is_err()
            {
                return Ended::Unwanted;
            }
        }
    }
}
