//! The events of a watch, read line by line from its answer.

use std::ops::Range;
use std::time::Duration;

use super::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::{Connection, OBJECT_CAP};
use super::{ApiError, Followed};
use crate::text::brief;

/// A watch is silent for about a minute between bookmarks; the connection behind one silent for this long may be dead.
const WATCH_SILENCE: Duration = Duration::from_secs(75);

/// The answer to a watch, of which no more than one event is held.
pub(super) struct WatchLines<'c> {
    connection: &'c Connection,
    body: Body,
    read: Vec<u8>,
    /// Where in `read` the next line begins, and where the search for its end continues.
    begin: usize,
    searched: usize,
}

impl<'c> WatchLines<'c> {
    pub(super) fn of(connection: &'c Connection, body: Body) -> Self {
        Self {
            connection,
            body,
            read: Vec::new(),
            begin: 0,
            searched: 0,
        }
    }

    /// The next event and the revision that it brings the watch to; none where the server closes the watch.
    ///
    /// # Errors
    /// When the server ends the watch with an error, sends something else than events, or is silent.
    pub(super) async fn next<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(String, Followed<T>)>, ApiError> {
        loop {
            let line = self.line();
            let waiting = line
                .as_ref()
                .map_or(self.read.len(), ExactSizeIterator::len);
            if waiting > OBJECT_CAP {
                return Err(self.connection.invalid("a watch event never ends"));
            }
            match line.and_then(|line| self.read.get(line)) {
                Some(blank) if blank.iter().all(u8::is_ascii_whitespace) => {}
                Some(line) => return self.event(line).map(Some),
                None => match self.connection.frame(&mut self.body, WATCH_SILENCE).await? {
                    Some(data) => self.read.extend_from_slice(&data),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Where the next whole line is; none where its end is not read yet.
    fn line(&mut self) -> Option<Range<usize>> {
        let rest = self.read.get(self.searched..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.read.drain(..self.begin);
            self.begin = 0;
            self.searched = self.read.len();
            return None;
        };
        let line = self.begin..self.searched + end + 1;
        (self.begin, self.searched) = (line.end, line.end);
        Some(line)
    }

    fn event<T: DeserializeOwned>(&self, line: &[u8]) -> Result<(String, Followed<T>), ApiError> {
        match parse(line) {
            Ok(WatchLine::Changed(revision, what)) => Ok((revision, what)),
            Ok(WatchLine::Error { code, message }) => Err(ApiError::Status {
                server: self.connection.server.clone(),
                code,
                message,
                retry_after: None,
            }),
            Err(error) => Err(self.connection.invalid(error)),
        }
    }
}

#[derive(Debug)]
enum WatchLine<T> {
    Changed(String, Followed<T>),
    Error { code: u16, message: String },
}

/// Reads one line of a watch, field by field: as a tree, four megabytes of JSON would take some hundred times as much.
fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<WatchLine<T>, serde_json::Error> {
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
        return Ok(WatchLine::Error {
            code: head.object.code.unwrap_or(500),
            message: brief(&head.object.message.unwrap_or_default()),
        });
    }
    let metadata = head.object.metadata.unwrap_or_default();
    let revision = metadata.resource_version;
    if !is_revision(&revision) {
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
    Ok(WatchLine::Changed(revision, what))
}

/// Whether `text` can be a resourceVersion: what a watch is begun from becomes part of a query.
pub(super) fn is_revision(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::super::watch::Seen;
    use super::*;

    fn parse(line: &[u8]) -> Result<WatchLine<Seen>, serde_json::Error> {
        super::parse(line)
    }

    #[test]
    fn every_event_of_a_captured_watch_is_read() {
        let lines = include_str!("../../../testdata/captured/1.36/csr-watch-restart-approve.jsonl");
        let seen: Vec<String> = lines
            .lines()
            .map(|line| match parse(line.as_bytes()).unwrap() {
                WatchLine::Changed(revision, Followed::Put(Seen(Some(request)))) => {
                    format!("{} {} {revision}", request.name, request.state)
                }
                WatchLine::Changed(_, Followed::Put(Seen(None))) => "not ours".into(),
                WatchLine::Changed(revision, _) => format!("passed {revision}"),
                WatchLine::Error { code, .. } => format!("error {code}"),
            })
            .collect();
        assert_eq!(
            seen,
            [
                "csr-mlf85 Pending 542",
                "csr-mlf85 Approved 545",
                "csr-mlf85 Issued 546",
                "csr-5wmhs Pending 549",
                "csr-5wmhs Denied 559",
                "csr-b7vfl Pending 560",
                "passed 560",
                "passed 560",
            ]
        );
    }

    #[test]
    fn an_expired_watch_and_an_error_event_end_the_watch() {
        let expired = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#;
        let WatchLine::Error { code, message } = parse(expired).unwrap() else {
            panic!("not an error");
        };
        assert_eq!(
            (code, message.as_str()),
            (410, "too old resource version: 1 (2)")
        );
        let long = format!(
            r#"{{"type":"ERROR","object":{{"code":500,"message":"\u001b[2J{}"}}}}"#,
            "x".repeat(5000)
        );
        let WatchLine::Error { message, .. } = parse(long.as_bytes()).unwrap() else {
            panic!("{long}");
        };
        assert!(message.starts_with("\u{fffd}[2Jx") && message.len() < 400);
        for odd in [
            &b"{"[..],
            b"null",
            b"{\"type\":\"ADDED\"}",
            b"{\"type\":\"ADDED\",\"object\":{}}",
            b"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"\"}}}",
            b"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1&x=y\"}}}",
            b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":1,\"resourceVersion\":\"1\"}}}",
        ] {
            assert!(parse(odd).is_err(), "{}", String::from_utf8_lossy(odd));
        }
    }
}
