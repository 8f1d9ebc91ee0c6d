//! A watch that is taken up again until its deadline.

use std::collections::BTreeSet;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use crate::csr::requestor_of;

use super::Unreachable;
use super::answers::{Event, parse_event};
use super::connection::{BACKOFF, Connection, OBJECT_CAP, REQUESTS, signer_selector};
use super::{ApiError, Sight, client, runtime};

/// A watch is silent for about a minute between bookmarks; the connection behind one silent for this long may be dead.
pub(super) const WATCH_SILENCE: Duration = Duration::from_secs(75);

pub(super) struct Watch {
    pub(super) connection: Connection,
    pub(super) from: String,
    pub(super) known: BTreeSet<String>,
    pub(super) end: Instant,
    pub(super) sights: SyncSender<Sight>,
    /// Trouble was reported, and nothing better since.
    pub(super) troubled: bool,
}

/// Why a watch's stream ended.
pub(super) enum Ended {
    /// The server closed it, as it does after a while.
    Closed,
    /// It failed.
    Failed(ApiError),
    /// No one listens any more.
    Unwanted,
}

impl Watch {
    pub(super) fn run(mut self) {
        let started = runtime().and_then(|runtime| {
            client(&runtime, self.connection.config.clone())
                .map(|client| (runtime, client))
                .map_err(std::io::Error::other)
        });
        match started {
            Ok((runtime, client)) => runtime.block_on(self.follow(&client)),
            Err(error) => drop(
                self.sights.send(Sight::Trouble(
                    self.connection
                        .unreachable(Unreachable::Other(error.to_string())),
                )),
            ),
        }
    }

    async fn follow(&mut self, client: &kube::Client) {
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
    async fn begin_anew(&mut self, client: &kube::Client) -> bool {
        let listed = self.connection.list(client, self.end).await;
        match listed {
            Ok(listing) => {
                self.from = listing.resource_version;
                match listing
                    .newest
                    .filter(|request| !self.known.contains(&request.name))
                {
                    Some(request) => self.sights.send(Sight::Request(request)).is_ok(),
                    None => true,
                }
            }
            Err(error) => self.report(error),
        }
    }

    /// False when no one listens any more.
    fn report(&mut self, error: ApiError) -> bool {
        self.troubled = true;
        self.sights.send(Sight::Trouble(error)).is_ok()
    }

    async fn stream(&mut self, client: &kube::Client) -> Ended {
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
        let mut body = match self.connection.get(client, &path).await {
            Ok(body) => body,
            Err(error) => return Ended::Failed(error),
        };
        if std::mem::take(&mut self.troubled) && self.sights.send(Sight::Relief).is_err() {
            return Ended::Unwanted;
        }
        let mut line = Vec::new();
        loop {
            let data = match self.connection.frame(&mut body, WATCH_SILENCE).await {
                Ok(Some(data)) => data,
                Ok(None) => return Ended::Closed,
                Err(error) => return Ended::Failed(error),
            };
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if line.len() > OBJECT_CAP {
                    return Ended::Failed(self.connection.invalid("a watch event never ends"));
                }
                if line.ends_with(b"\n") {
                    if let Some(ended) = self.event(&line) {
                        return ended;
                    }
                    line.clear();
                }
            }
        }
    }

    /// Takes one event in; what ends the stream is returned.
    fn event(&mut self, line: &[u8]) -> Option<Ended> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        match parse_event(line) {
            Ok(Event::Changed { request, revision }) => {
                self.from = revision;
                let ours = request.filter(|request| {
                    request.requestor == requestor_of(&self.connection.node)
                        && !self.known.contains(&request.name)
                });
                let unheard =
                    ours.is_some_and(|request| self.sights.send(Sight::Request(request)).is_err());
                unheard.then_some(Ended::Unwanted)
            }
            Ok(Event::Passed { revision }) => {
                self.from = revision;
                None
            }
            Ok(Event::Error { code, message }) => Some(Ended::Failed(ApiError::Status {
                server: self.connection.server.clone(),
                code,
                message,
                retry_after: None,
            })),
            Err(error) => Some(Ended::Failed(self.connection.invalid(error.to_string()))),
        }
    }
}
