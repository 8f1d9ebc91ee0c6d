//! Watches: events as they happen, one chunk each, with bookmarks in between.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Cluster;
use super::auth::{self, User};
use super::csr::Selector;
use super::fault::WatchFault;
use super::http::{Conn, Request, Response, chunk};
use super::status::Status;
use super::store::{Event, Watched};

/// How often a watch looks whether its client is still there.
const TICK: Duration = Duration::from_millis(50);

/// A watch that has been granted.
pub(crate) struct Watch {
    of: Watched,
    /// Of requests alone.
    selector: Option<Selector>,
    /// None: show what there is first.
    since: Option<u64>,
    bookmarks: bool,
    /// `sendInitialEvents`: a bookmark says where what there was ends.
    marks_initial_end: bool,
    until: Option<Instant>,
}

enum Next {
    Events(Vec<Event>, u64),
    Bookmark(u64),
    End,
}

impl Watch {
    pub(crate) fn parse(
        of: Watched,
        user: &User,
        request: &Request,
        minor: u32,
    ) -> Result<Self, Status> {
        match of {
            Watched::Csrs => auth::csrs(user, "watch", "certificatesigningrequests", "")?,
            Watched::Nodes => auth::nodes(user, "watch", "")?,
            Watched::Services => {
                super::services::read(user, "watch", "services", "", "at the cluster scope")?
            }
        }
        let since = match request.param("resourceVersion").unwrap_or("") {
            "" | "0" => None,
            version => Some(version.parse().map_err(|_| {
                Status::bad_request(format!(
                    "strconv.ParseUint: parsing {version:?}: invalid syntax"
                ))
            })?),
        };
        let asks_for_initial = request.param("sendInitialEvents") == Some("true");
        if asks_for_initial && minor < 32 {
            let why = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            return Err(Status::invalid_options(why));
        }
        let seconds = request
            .param("timeoutSeconds")
            .and_then(|s| s.parse().ok())
            .filter(|s| *s > 0);
        Ok(Self {
            of,
            selector: match of {
                Watched::Csrs => Some(Selector::parse(request)?),
                Watched::Nodes | Watched::Services => None,
            },
            since: since.filter(|_| !asks_for_initial),
            marks_initial_end: asks_for_initial,
            bookmarks: matches!(request.param("allowWatchBookmarks"), Some("true" | "1")),
            until: seconds.map(|s| Instant::now() + Duration::from_secs(s)),
        })
    }
}

impl Watch {
    fn matches(&self, event: &Event) -> bool {
        event.of == self.of
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.matches(&event.name, &event.signer))
    }
}

impl Cluster {
    /// Serves the watch until it times out, the client goes, the server stops, or the fault ends it.
    pub(crate) fn serve_watch(
        &self,
        conn: &mut Conn,
        watch: &Watch,
        fault: &WatchFault,
    ) -> std::io::Result<()> {
        conn.send(
            Response::json(String::new())
                .head("Transfer-Encoding: chunked")
                .as_bytes(),
        )?;
        let mut sent = 0;
        if fault.null_bookmark {
            send_line(
                conn,
                &bookmark(watch.of, self.store.lock().unwrap().version),
                fault,
            )?;
        }
        let mut version = match self.first_events(watch) {
            Ok((events, version)) => {
                for event in events {
                    send_line(conn, &event.line(), fault)?;
                    sent += 1;
                    if fault.ends_after(sent) {
                        return Ok(());
                    }
                }
                version
            }
            Err(status) => {
                send_line(conn, &error(&status), fault)?;
                return conn.send(&chunk(b""));
            }
        };
        if watch.marks_initial_end {
            let annotation = r#","annotations":{"k8s.io/initial-events-end":"true"}}"#;
            let line = bookmark(watch.of, version).replacen('}', annotation, 1);
            send_line(conn, &line, fault)?;
        }
        if fault.ends_after(sent) {
            return Ok(());
        }
        if fault.gone {
            let status = Status::too_old(version, version + 1);
            send_line(conn, &error(&status), fault)?;
            return conn.send(&chunk(b""));
        }
        let mut bookmark_at = Instant::now() + self.config.bookmark_interval;
        loop {
            match self.next(conn, watch, version, bookmark_at) {
                Next::Events(events, at) => {
                    version = at;
                    for event in events {
                        send_line(conn, &event.line(), fault)?;
                        sent += 1;
                        if fault.ends_after(sent) {
                            return Ok(());
                        }
                    }
                }
                Next::Bookmark(at) => {
                    version = at;
                    bookmark_at = Instant::now() + self.config.bookmark_interval;
                    if watch.bookmarks {
                        send_line(conn, &bookmark(watch.of, version), fault)?;
                    }
                }
                Next::End => return conn.send(&chunk(b"")),
            }
        }
    }

    fn first_events(&self, watch: &Watch) -> Result<(Vec<Event>, u64), Status> {
        let store = self.store.lock().unwrap();
        match watch.since {
            Some(version) if version < store.oldest => Err(Status::too_old(version, store.oldest)),
            Some(version) => Ok((Vec::new(), version)),
            None => {
                let all = store.csrs.values().map(super::store::Stored::added);
                let events = all.filter(|e| watch.matches(e)).collect();
                Ok((events, store.version))
            }
        }
    }

    fn next(&self, conn: &Conn, watch: &Watch, version: u64, bookmark_at: Instant) -> Next {
        let mut store = self.store.lock().unwrap();
        loop {
            let now = Instant::now();
            if self.is_stopping()
                || watch.until.is_some_and(|until| now >= until)
                || conn.is_closed()
            {
                return Next::End;
            }
            if self.hushed.load(Ordering::Relaxed) {
                (store, _) = self.changed.wait_timeout(store, TICK).unwrap();
                continue;
            }
            let all = store.events_after(version);
            let at = all.last().map(|e| e.version);
            let mine: Vec<Event> = all.iter().filter(|e| watch.matches(e)).cloned().collect();
            if let (Some(at), false) = (at, mine.is_empty()) {
                return Next::Events(mine, at);
            }
            if now >= bookmark_at {
                return Next::Bookmark(store.version);
            }
            (store, _) = self.changed.wait_timeout(store, TICK).unwrap();
        }
    }
}

/// The request is null in the real one too, against the API's own schema.
fn bookmark(of: Watched, version: u64) -> String {
    if of != Watched::Csrs {
        let fields = of.type_fields();
        return format!(
            "{{\"type\":\"BOOKMARK\",\"object\":{{{fields}\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"spec\":{{}},\"status\":{{}}}}}}\n"
        );
    }
    format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"CertificateSigningRequest\",\"apiVersion\":\"certificates.k8s.io/v1\",\"metadata\":{{\"resourceVersion\":\"{version}\"}},\"spec\":{{\"request\":null,\"signerName\":\"\"}},\"status\":{{}}}}}}\n"
    )
}

fn error(status: &Status) -> String {
    format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status.json())
}

fn send_line(conn: &mut Conn, line: &str, fault: &WatchFault) -> std::io::Result<()> {
    let Some(pause) = fault.trickle else {
        return conn.send(&chunk(line.as_bytes()));
    };
    for byte in line.as_bytes() {
        conn.send(&chunk(&[*byte]))?;
        std::thread::sleep(pause);
        if conn.is_closed() {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
    }
    Ok(())
}
