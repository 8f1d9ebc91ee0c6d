//! When each watch last heard from the API server, and what the health endpoints say of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::host::endpoint::Answer;

use super::metrics::Metrics;
use super::timestamp;

/// A watch that has heard nothing for this long is deaf: an API server sends a bookmark about every minute.
const DEAF: Duration = Duration::from_secs(120);

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Requests,
    Nodes,
    Services,
    /// The API server's names and the networks, which are read again and again.
    Cluster,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Requests, Self::Nodes, Self::Services, Self::Cluster];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "certificatesigningrequests",
            Self::Nodes => "nodes",
            Self::Services => "services",
            Self::Cluster => "cluster",
        }
    }
}

/// The state of all watches, for the loop and the endpoint.
#[derive(Debug, Clone)]
pub(super) struct Health(Arc<Mutex<[Watch; 4]>>);

#[derive(Debug, Clone, Copy)]
struct Watch {
    synced: bool,
    heard: Instant,
    /// Seconds since 1970; none before the first time.
    heard_at: Option<f64>,
}

impl Health {
    pub(super) fn new() -> Self {
        let watch = Watch {
            synced: false,
            heard: Instant::now(),
            heard_at: None,
        };
        Self(Arc::new(Mutex::new([watch; 4])))
    }

    fn lock(&self) -> MutexGuard<'_, [Watch; 4]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server was heard by this watch.
    pub(super) fn heard(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.heard = Instant::now();
            watch.heard_at = Some(timestamp());
        }
    }

    /// The watch has a complete list.
    pub(super) fn synced(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.synced = true;
        }
    }

    /// All watches begin again.
    pub(super) fn restarted(&self) {
        self.lock()
            .iter_mut()
            .for_each(|watch| watch.synced = false);
    }

    /// Whether every watch has heard from the server lately.
    pub(super) fn is_live(&self) -> bool {
        self.lock().iter().all(|watch| watch.heard.elapsed() < DEAF)
    }

    /// When each watch last heard from the server, in seconds since 1970; those that never did are left out.
    pub(super) fn last_heard(&self) -> Vec<(&'static str, f64)> {
        let watches = *self.lock();
        let all = Kind::ALL.into_iter().zip(watches);
        all.filter_map(|(kind, watch)| Some((kind.as_str(), watch.heard_at?)))
            .collect()
    }

    /// The answer to a request for `path`.
    pub(super) fn answer(&self, path: &str, metrics: &Metrics) -> Answer {
        let watches = *self.lock();
        let failing = |fails: &dyn Fn(&Watch) -> bool, what: &str| {
            let all = Kind::ALL.into_iter().zip(watches);
            all.filter(|(_, watch)| fails(watch))
                .map(|(kind, _)| format!("{}: {what}\n", kind.as_str()))
                .collect::<String>()
        };
        let plain = |failing: String| Answer {
            status: if failing.is_empty() { 200 } else { 503 },
            content_type: "text/plain; charset=utf-8",
            body: if failing.is_empty() {
                "ok\n".to_owned()
            } else {
                failing
            },
        };
        match path {
            "/healthz" | "/livez" => plain(failing(
                &|watch| watch.heard.elapsed() >= DEAF,
                "nothing heard from the API server for two minutes",
            )),
            "/readyz" => plain(failing(&|watch| !watch.synced, "not complete yet")),
            "/metrics" => Answer {
                status: 200,
                content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body: metrics.encode(self),
            },
            _ => Answer {
                status: 404,
                content_type: "text/plain; charset=utf-8",
                body: "try /metrics, /healthz or /readyz\n".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_what_the_watches_heard() {
        let (health, metrics) = (Health::new(), Metrics::new());
        assert_eq!(
            health.answer("/healthz", &metrics).status,
            200,
            "it has just begun"
        );
        assert_eq!(health.answer("/readyz", &metrics).status, 503);
        for kind in Kind::ALL {
            health.heard(kind);
            health.synced(kind);
        }
        assert_eq!(health.answer("/readyz", &metrics).status, 200);
        let past = Instant::now().checked_sub(DEAF).unwrap();
        health.lock()[Kind::Nodes as usize].heard = past;
        let deaf = health.answer("/healthz", &metrics);
        assert_eq!(deaf.status, 503);
        assert!(deaf.body.starts_with("nodes: "), "{}", deaf.body);
        assert!(!health.is_live());
        health.restarted();
        assert_eq!(health.answer("/readyz", &metrics).status, 503);
        assert_eq!(health.answer("/", &metrics).status, 404);
    }
}
