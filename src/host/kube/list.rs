//! Lists of the API read page by page, with a bound on each page and none on their sum
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>).

use std::io::{BufRead as _, Cursor};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use crate::csr::Listing;
use crate::host::clock;

use super::answers::parse_date;
use super::client::Body;
use super::connection::{ANSWER_DEADLINE, Connection, OBJECT_CAP, with_query};
use super::event::is_revision;
use super::{ApiError, Unreachable, escaped, serving_requests};

/// How a list is cut into pages.
#[derive(Clone, Copy)]
pub(super) struct Paging {
    /// Objects to a page at most.
    most: usize,
    /// A page that is too large is asked for again with so many times fewer objects.
    shrink: usize,
}

/// Pages that are held whole, of as many objects as kubectl asks for.
pub(super) const HELD: Paging = Paging {
    most: 500,
    shrink: 2,
};
/// Pages of requests, which are read item by item, so that a page costs little memory and an attempt time alone; most
/// clusters have one page.
const STREAMED: Paging = Paging {
    most: 5_000,
    shrink: 8,
};
/// The longest page of requests that is read, in bytes; two or three kilobytes are normal for a request.
const REQUESTS_PAGE_CAP: usize = 16 * 1024 * 1024;

/// What asking for one page came to.
pub(super) enum Part<P> {
    /// The page, and the token of the next one; empty at the end.
    Read(P, String),
    /// More bytes than are read of one page.
    TooLarge,
}

/// How reading a list ended.
#[derive(PartialEq, Eq)]
pub(super) enum ListEnd {
    /// The last page was taken.
    Complete,
    /// The caller wants no more pages.
    Stopped,
    /// What the server keeps of its history does not reach back to the first page.
    Expired,
}

impl Connection {
    /// Reads the list at `path` page by page with `read` and gathers the pages by `take`. When the list expires on the way
    /// it is read again from its first page, once, and what was gathered is forgotten. Failed attempts are repeated until
    /// `end`.
    pub(super) async fn pages<P, C: Default>(
        &self,
        path: &str,
        paging: Paging,
        end: Instant,
        read: impl AsyncFn(&str) -> Result<Part<P>, ApiError>,
        take: impl Fn(&mut C, P) -> Result<(), ApiError>,
    ) -> Result<C, ApiError> {
        for _ in 0..2 {
            let mut gathered = C::default();
            let each = |page| take(&mut gathered, page).map(ControlFlow::Continue);
            if self.pages_once(path, paging, end, &read, each).await? != ListEnd::Expired {
                return Ok(gathered);
            }
        }
        let reason = "a list expires before it is read to its end";
        Err(self.unreachable(Unreachable::Other(reason.to_owned())))
    }

    /// Reads the list at `path` page by page with `read` and hands each page to `take`, until that breaks. Fewer objects
    /// are asked for at a time where they are large. Failed attempts are repeated until `end`.
    pub(super) async fn pages_once<P>(
        &self,
        path: &str,
        paging: Paging,
        end: Instant,
        read: &impl AsyncFn(&str) -> Result<Part<P>, ApiError>,
        mut take: impl FnMut(P) -> Result<ControlFlow<()>, ApiError>,
    ) -> Result<ListEnd, ApiError> {
        let (mut token, mut limit) = (String::new(), paging.most);
        loop {
            let mut target = with_query(path, &format!("limit={limit}"));
            if !token.is_empty() {
                target.push_str("&continue=");
                target.push_str(&escaped(&token));
            }
            let attempt = || async {
                match read(&target).await {
                    // A 410 for a first page may pass; for a later one it does not.
                    Err(error) if error.is_gone() && !token.is_empty() => Ok(None),
                    answer => answer.map(Some),
                }
            };
            match self.repeat(end, attempt).await? {
                Some(Part::Read(page, next)) => {
                    if take(page)?.is_break() {
                        return Ok(ListEnd::Stopped);
                    }
                    if next.is_empty() {
                        return Ok(ListEnd::Complete);
                    }
                    if next == token || Instant::now() >= end {
                        return Err(self.invalid("the list never ends"));
                    }
                    token = next;
                    limit = (limit * 2).min(paging.most);
                }
                Some(Part::TooLarge) if limit > 1 => limit = (limit / paging.shrink).max(1),
                Some(Part::TooLarge) => return Err(self.invalid("an object never ends")),
                None => return Ok(ListEnd::Expired),
            }
        }
    }

    /// The kubelet-serving requests of the cluster, of which only this node's are kept.
    pub(super) async fn list(&self, end: Instant) -> Result<Listing, ApiError> {
        let read = async |target: &str| self.requests_page(target).await;
        let take = |all: &mut Listing, page| all.append(page).map_err(|error| self.invalid(error));
        self.pages(&serving_requests(), STREAMED, end, read, take)
            .await
    }

    async fn requests_page(&self, target: &str) -> Result<Part<Listing>, ApiError> {
        let answer = self.ask(target).await?;
        let date = answer
            .headers()
            .get(http::header::DATE)
            .and_then(|date| date.to_str().ok());
        let clock_ahead = date.and_then(parse_date).map_or(0, |server| {
            server.as_second() - clock::timestamp().as_second()
        });
        let (frames, received) = sync_channel(4);
        let item_bytes = Arc::new(AtomicUsize::new(0));
        let (node, counter) = (self.node.clone(), item_bytes.clone());
        // serde reads from a blocking reader; the frames come to it through a channel of a few.
        let reader = thread::Builder::new().spawn(move || {
            let frames = Frames {
                received,
                current: Cursor::default(),
                item_bytes,
            };
            Listing::read(std::io::BufReader::new(frames), &node, &|| {
                counter.store(0, Ordering::Relaxed)
            })
        });
        let reader =
            reader.map_err(|error| self.unreachable(Unreachable::Other(error.to_string())))?;
        let forwarded = self.forward(answer.into_body(), frames).await;
        let page = reader
            .join()
            .map_err(|_| self.invalid("the list cannot be read"))?;
        // Where both failed, the connection is the cause and the broken list its consequence.
        if !forwarded? {
            return Ok(Part::TooLarge);
        }
        let (mut page, next) = page.map_err(|error| self.invalid(error))?;
        // A watch from none begins with all that exists, so that nothing is missed.
        let revision = &page.resource_version;
        if !revision.is_empty() && !is_revision(revision) {
            return Err(self.invalid("a list with a malformed resourceVersion"));
        }
        page.clock_ahead = clock_ahead;
        Ok(Part::Read(page, next))
    }

    /// Hands the body on to its reader; whether that got all that it wanted, because no more is read of one page than
    /// [`REQUESTS_PAGE_CAP`].
    async fn forward(&self, mut body: Body, frames: SyncSender<Vec<u8>>) -> Result<bool, ApiError> {
        let mut bytes = 0;
        while let Some(data) = self.frame(&mut body, ANSWER_DEADLINE).await? {
            bytes += data.len();
            if bytes > REQUESTS_PAGE_CAP {
                return Ok(false);
            }
            // The reader gave up; it says why.
            if frames.send(data).is_err() {
                break;
            }
        }
        Ok(true)
    }
}

/// The frames of a body as a blocking reader that stops at an item without end.
struct Frames {
    received: Receiver<Vec<u8>>,
    current: Cursor<Vec<u8>>,
    item_bytes: Arc<AtomicUsize>,
}

impl std::io::Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.fill_buf()?.is_empty() {
            match self.received.recv() {
                Ok(frame) => self.current = Cursor::new(frame),
                Err(_) => return Ok(0),
            }
        }
        let count = self.current.read(buffer)?;
        if self.item_bytes.fetch_add(count, Ordering::Relaxed) > OBJECT_CAP {
            return Err(std::io::Error::other("an item of the list never ends"));
        }
        Ok(count)
    }
}
