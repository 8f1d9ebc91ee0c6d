//! One kind of object followed for good: a list in pages, then a watch from where the list ended, and both again when the
//! server says that the history in between is gone (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).
//!
//! Answers are read frame by frame with a cap on each object, so that no server makes it hold more than a page.

use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::admin::{Objects, page};
use super::connection::{BACKOFF, Connection, OBJECT_CAP};
use super::list::{HELD, ListEnd};
use super::watch::WATCH_SILENCE;
use super::{Admin, ApiError, Unreachable, client, runtime};
use crate::text::brief;

/// How long one list may take before the attempt counts as failed.
const LIST_DEADLINE: Duration = Duration::from_secs(60);
/// How long a watch is asked for: a server closes it by then, and the connection is made again with current credentials.
const WATCH_SECONDS: u64 = 290;

/// What following tells.
#[derive(Debug)]
pub enum Followed<T> {
    /// A list begins: what it does not name by [`Followed::Synced`] does not exist.
    Restarted,
    /// An object exists, and reads so.
    Put(T),
    /// An object was deleted.
    Gone {
        /// Its namespace; empty where it has none.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The list is complete; from now on changes come as they happen.
    Synced,
    /// The server was heard, and nothing changed.
    Heard,
    /// The server does not answer as it should; following continues.
    Degraded(ApiError),
}

/// Whether anyone still listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Go on.
    Present,
    /// End.
    Gone,
}

/// Why following ended its current round.
enum Round {
    /// Take the watch up again where it was.
    Again(Option<ApiError>),
    /// Begin with a list.
    Relist(ApiError),
    /// No one listens.
    Unheard,
}

impl Admin {
    /// Follows the objects of the list at `path`, which may have a query, on a thread of its own, until `tell` says that no
    /// one listens.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn follow<T: DeserializeOwned + 'static>(
        &self,
        path: String,
        tell: impl Fn(Followed<T>) -> Listener + Send + 'static,
    ) -> io::Result<()> {
        let connection = self.0.connection.clone();
        thread::Builder::new().spawn(move || {
            let started = runtime().and_then(|runtime| {
                let client = client(&runtime, connection.config.clone());
                client
                    .map(|client| (runtime, client))
                    .map_err(io::Error::other)
            });
            match started {
                Ok((runtime, client)) => {
                    let follower = Follower {
                        connection,
                        client,
                        path,
                        tell: &tell,
                    };
                    runtime.block_on(follower.run());
                }
                Err(error) => {
                    let reason = Unreachable::Other(error.to_string());
                    tell(Followed::Degraded(connection.unreachable(reason)));
                }
            }
        })?;
        Ok(())
    }
}

struct Follower<'a, F> {
    connection: Connection,
    client: kube::Client,
    path: String,
    tell: &'a F,
}

impl<F> Follower<'_, F> {
    async fn run<T: DeserializeOwned>(self)
    where
        F: Fn(Followed<T>) -> Listener,
    {
        let mut pause = BACKOFF.0;
        let mut from = None;
        loop {
            let began = Instant::now();
            let round = match &mut from {
                None => match self.list().await {
                    Ok(Some(revision)) => {
                        from = Some(revision);
                        pause = BACKOFF.0;
                        continue;
                    }
                    Ok(None) => Round::Unheard,
                    Err(error) => Round::Relist(error),
                },
                Some(revision) => self.watch(revision).await,
            };
            let wait = match round {
                Round::Unheard => return,
                Round::Again(None) => pause,
                Round::Again(Some(error)) | Round::Relist(error)
                    if self.told(Followed::Degraded(error.clone())).is_none() =>
                {
                    return;
                }
                Round::Again(Some(error)) => error.retry_after().unwrap_or(pause),
                Round::Relist(error) => {
                    from = None;
                    error.retry_after().unwrap_or(pause)
                }
            };
            // A watch that lasted for a while was well; its successor may begin at once.
            pause = match began.elapsed() > BACKOFF.1 {
                true => BACKOFF.0,
                false => (pause * 2).min(BACKOFF.1),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// None when no one listens.
    fn told<T>(&self, what: Followed<T>) -> Option<()>
    where
        F: Fn(Followed<T>) -> Listener,
    {
        ((self.tell)(what) == Listener::Present).then_some(())
    }

    /// Tells the whole list and returns its revision; none when no one listens.
    async fn list<T: DeserializeOwned>(&self) -> Result<Option<String>, ApiError>
    where
        F: Fn(Followed<T>) -> Listener,
    {
        if self.told(Followed::Restarted).is_none() {
            return Ok(None);
        }
        let end = Instant::now() + LIST_DEADLINE;
        let mut revision = String::new();
        let read = async |target: &str| page::<T>(&self.connection, &self.client, target).await;
        let take = |objects: Objects<T>| {
            revision = objects.revision;
            let heard = objects
                .items
                .into_iter()
                .all(|object| self.told(Followed::Put(object)).is_some());
            Ok(match heard {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        };
        let read = self
            .connection
            .pages_once(&self.path, HELD, end, &read, take);
        match read.await? {
            ListEnd::Complete => Ok(self.told(Followed::Synced).map(|()| revision)),
            ListEnd::Stopped => Ok(None),
            ListEnd::Expired => Err(self.connection.invalid("a list expired before its end")),
        }
    }

    fn separator(&self) -> char {
        if self.path.contains('?') { '&' } else { '?' }
    }

    /// Watches from `revision`, which is kept current.
    async fn watch<T: DeserializeOwned>(&self, revision: &mut String) -> Round
    where
        F: Fn(Followed<T>) -> Listener,
    {
        let target = format!(
            "{}{}watch=true&allowWatchBookmarks=true&resourceVersion={revision}&timeoutSeconds={WATCH_SECONDS}",
            self.path,
            self.separator()
        );
        let mut body = match self.connection.get(&self.client, &target).await {
            Ok(body) => body,
            Err(error) => return failed(error),
        };
        if self.told(Followed::Heard).is_none() {
            return Round::Unheard;
        }
        let mut line = Vec::new();
        loop {
            let data = match self.connection.frame(&mut body, WATCH_SILENCE).await {
                Ok(Some(data)) => data,
                Ok(None) => return Round::Again(None),
                Err(error) => return failed(error),
            };
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if line.len() > OBJECT_CAP {
                    let error = self.connection.invalid("a watch event never ends");
                    return Round::Relist(error);
                }
                if line.ends_with(b"\n") {
                    if let Some(round) = self.event(&line, revision) {
                        return round;
                    }
                    line.clear();
                }
            }
        }
    }

    /// Tells one event; what ends the watch is returned.
    fn event<T: DeserializeOwned>(&self, line: &[u8], revision: &mut String) -> Option<Round>
    where
        F: Fn(Followed<T>) -> Listener,
    {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let event = match parse::<T>(line) {
            Ok(event) => event,
            Err(error) => {
                let error = self.connection.invalid(brief(&error.to_string()));
                return Some(Round::Relist(error));
            }
        };
        let what = match event {
            Event::Changed(at, what) => {
                *revision = at;
                what
            }
            Event::Error { code, message } => {
                return Some(failed(ApiError::Status {
                    server: self.connection.server.clone(),
                    code,
                    message,
                    retry_after: None,
                }));
            }
        };
        match self.told(what) {
            Some(()) => None,
            None => Some(Round::Unheard),
        }
    }
}

fn failed(error: ApiError) -> Round {
    match error.is_gone() {
        true => Round::Relist(error),
        false => Round::Again(Some(error)),
    }
}

enum Event<T> {
    Changed(String, Followed<T>),
    Error { code: u16, message: String },
}

/// Reads one line of a watch, field by field: as a tree, four megabytes of JSON would take some hundred times as much.
fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<Event<T>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        kind: String,
        object: Object,
    }
    #[derive(Deserialize)]
    struct Object {
        metadata: Option<Metadata>,
        code: Option<u16>,
        message: Option<String>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Metadata {
        namespace: String,
        name: String,
        resource_version: String,
    }
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Whole<T> {
        object: T,
    }
    let head: Head = serde_json::from_slice(line)?;
    if head.kind == "ERROR" {
        return Ok(Event::Error {
            code: head.object.code.unwrap_or(500),
            message: brief(&head.object.message.unwrap_or_default()),
        });
    }
    let metadata = head.object.metadata.unwrap_or_default();
    let revision = metadata.resource_version;
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(serde::de::Error::custom("an event without resourceVersion"));
    }
    let what = match head.kind.as_str() {
        "ADDED" | "MODIFIED" => Followed::Put(serde_json::from_slice::<Whole<T>>(line)?.object),
        "DELETED" => Followed::Gone {
            namespace: metadata.namespace,
            name: metadata.name,
        },
        _ => Followed::Heard,
    };
    Ok(Event::Changed(revision, what))
}
