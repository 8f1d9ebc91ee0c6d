//! One kind of object followed: a list in pages, then a watch from where the list ended, and both again when the
//! server says that the history in between is gone (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).
//!
//! Answers are read frame by frame with a cap on each object, so that no server makes it hold more than a page.

use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::admin::{Page, page};
use super::connection::{BACKOFF, Connection, with_query};
use super::event::WatchLines;
use super::list::{HELD, ListEnd};
use super::{Admin, Api, ApiError};

/// How long one list may take before the attempt counts as failed.
const LIST_DEADLINE: Duration = Duration::from_secs(60);
/// How long a watch is asked for: a server closes it by then, and the connection is made again with current credentials.
const WATCH_SECONDS: u64 = 290;

/// What a list and the watch after it tell of one kind of object.
#[derive(Debug)]
pub enum Followed<T> {
    /// A list begins: what it does not name by [`Followed::Synced`] does not exist.
    Restarted,
    /// An object exists, and reads so.
    Put(T),
    /// An object was deleted.
    Gone {
        /// Its namespace; empty for an object without one.
        namespace: String,
        /// Its `metadata.name`.
        name: String,
    },
    /// The list is complete; from now on changes come as they happen.
    Synced,
    /// The server accepted the watch; it has not said anything yet.
    Answered,
    /// The server was heard, and nothing changed.
    Heard,
    /// The server does not answer as it should; following continues.
    Degraded(ApiError),
}

/// What the listener makes of what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listener {
    /// Someone listens; keep following.
    Present,
    /// What was told cannot be used, for this reason; list again, because no later change would tell that it was repaired.
    Misled(String),
    /// The receiver was dropped; stop following.
    Gone,
}

/// Why following ended its current round.
enum Round {
    /// Take the watch up again where it was.
    Again(Option<ApiError>),
    /// Begin with a list.
    Relist(ApiError),
    Unheard,
}

impl From<ApiError> for Round {
    fn from(error: ApiError) -> Self {
        Self::Relist(error)
    }
}

/// Which objects are followed, and over which time.
pub(super) struct Course {
    /// The path of their list, which may have a query.
    pub(super) path: String,
    /// The revision to begin with a watch from; none to begin with a list.
    pub(super) revision: Option<String>,
    /// When following ends; none to follow for good.
    pub(super) end: Option<Instant>,
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
        let course = Course {
            path,
            revision: None,
            end: None,
        };
        follow(&self.0.connection, course, tell)
    }
}

/// Follows objects on a thread of its own, until `course` ends or `tell` says that no one listens.
///
/// # Errors
/// When no thread can be started.
pub(super) fn follow<T: DeserializeOwned + 'static>(
    connection: &Connection,
    course: Course,
    tell: impl Fn(Followed<T>) -> Listener + Send + 'static,
) -> io::Result<()> {
    let connection = connection.clone();
    thread::Builder::new().spawn(move || match connection.again() {
        Ok(Api {
            connection,
            runtime,
        }) => {
            let end = course.end;
            let follower = Follower {
                connection,
                course,
                tell: Box::new(tell),
            };
            runtime.block_on(async {
                match end {
                    None => follower.run().await,
                    Some(end) => {
                        let _ = tokio::time::timeout_at(end.into(), follower.run()).await;
                    }
                }
            });
        }
        Err(error) => drop(tell(Followed::Degraded(error))),
    })?;
    Ok(())
}

struct Follower<T> {
    connection: Connection,
    course: Course,
    tell: Box<dyn Fn(Followed<T>) -> Listener>,
}

impl<T: DeserializeOwned> Follower<T> {
    /// Lists, unless there is a revision to watch from, and watches.
    async fn run(mut self) {
        let mut pause = BACKOFF.0;
        let mut from = self.course.revision.take();
        loop {
            let began = Instant::now();
            let round = match &mut from {
                None => match self.list().await {
                    // The pause stays as it is: a list that is well does not make its watch well.
                    Ok(revision) => {
                        from = Some(revision);
                        continue;
                    }
                    Err(round) => round,
                },
                Some(revision) => self.watch(revision).await,
            };
            let wait = match round {
                Round::Unheard => return,
                Round::Again(None) => pause,
                Round::Again(Some(error)) | Round::Relist(error)
                    if self.told(Followed::Degraded(error.clone())).is_err() =>
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

    /// Tells `what`; a listener that has ended, or was misled, ends the round.
    fn told(&self, what: Followed<T>) -> Result<(), Round> {
        match (self.tell)(what) {
            Listener::Present => Ok(()),
            Listener::Misled(reason) => Err(Round::Relist(self.connection.invalid(reason))),
            Listener::Gone => Err(Round::Unheard),
        }
    }

    /// Tells the whole list and returns its revision.
    async fn list(&self) -> Result<String, Round> {
        self.told(Followed::Restarted)?;
        let end = Instant::now() + LIST_DEADLINE;
        let mut revision = String::new();
        let read = async |target: &str| page::<T>(&self.connection, target).await;
        let mut ended = None;
        let take = |objects: Page<T>| {
            revision = objects.revision;
            let mut items = objects.items.into_iter();
            ended = items.find_map(|object| self.told(Followed::Put(object)).err());
            Ok(match ended {
                None => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(()),
            })
        };
        let read = self
            .connection
            .pages_once(&self.course.path, HELD, end, &read, take);
        match read.await? {
            ListEnd::Complete => self.told(Followed::Synced).map(|()| revision),
            ListEnd::Stopped => Err(ended.unwrap_or(Round::Unheard)),
            ListEnd::Expired => Err(self
                .connection
                .invalid("a list expired before its end")
                .into()),
        }
    }

    /// Watches from `revision`, which is kept current.
    async fn watch(&self, revision: &mut String) -> Round {
        let left = self
            .course
            .end
            .map(|end| end.saturating_duration_since(Instant::now()).as_secs());
        let seconds = left.map_or(WATCH_SECONDS, |left| left.clamp(1, WATCH_SECONDS));
        let parameters = format!(
            "watch=true&allowWatchBookmarks=true&resourceVersion={revision}&timeoutSeconds={seconds}"
        );
        let target = with_query(&self.course.path, &parameters);
        let body = match self.connection.get(&target).await {
            Ok(body) => body,
            Err(error) => return failed(error),
        };
        if let Err(round) = self.told(Followed::Answered) {
            return round;
        }
        let mut events = WatchLines::of(&self.connection, body);
        loop {
            match events.next().await {
                Ok(Some((at, what))) => {
                    *revision = at;
                    if let Err(round) = self.told(what) {
                        return round;
                    }
                }
                Ok(None) => return Round::Again(None),
                Err(error) => return failed(error),
            }
        }
    }
}

/// An answer that cannot be read may have hidden a change, so what is known is listed again.
fn failed(error: ApiError) -> Round {
    match error.is_gone() || matches!(error, ApiError::InvalidResponse { .. }) {
        true => Round::Relist(error),
        false => Round::Again(Some(error)),
    }
}
