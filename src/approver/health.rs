//! When each watch last heard from the API server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timestamp;

/// A watch that has heard nothing for this long is deaf: an API server sends a bookmark about every minute.
const DEAF: Duration = Duration::from_secs(120);

/// Why nothing is known at the beginning.
const INCOMPLETE: &str = "not complete yet";

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

#[derive(Debug, Clone)]
struct Watch {
    /// Why changes are not known as they happen; none while they are.
    stale: Option<String>,
    /// What of it cannot be used, so that nothing is approved.
    unusable: Option<String>,
    heard: Instant,
    /// Seconds since 1970; none before the first time.
    heard_at: Option<f64>,
}

impl Health {
    pub(super) fn new() -> Self {
        let watch = Watch {
            stale: Some(INCOMPLETE.to_owned()),
            unusable: None,
            heard: Instant::now(),
            heard_at: None,
        };
        Self(Arc::new(Mutex::new(Kind::ALL.map(|_| watch.clone()))))
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

    /// Changes are known as they happen; or they are not, for this reason.
    pub(super) fn stale(&self, kind: Kind, reason: Option<String>) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.stale = reason;
        }
    }

    /// What was read by this watch cannot be used, for this reason; none where all can be.
    pub(super) fn unusable(&self, kind: Kind, reason: Option<String>) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.unusable = reason;
        }
    }

    /// All watches begin again.
    pub(super) fn restarted(&self) {
        for watch in self.lock().iter_mut() {
            watch.stale = Some(INCOMPLETE.to_owned());
            watch.unusable = None;
        }
    }

    /// Whether every watch has heard from the server lately.
    pub(super) fn is_live(&self) -> bool {
        self.lock().iter().all(|watch| watch.heard.elapsed() < DEAF)
    }

    /// When each watch last heard from the server, in seconds since 1970; those that never did are left out.
    pub(super) fn last_heard(&self) -> Vec<(&'static str, f64)> {
        self.of_each(|kind, watch| Some((kind.as_str(), watch.heard_at?)))
    }

    /// Which watches have heard nothing for two minutes.
    pub(super) fn deaf(&self) -> Vec<String> {
        self.of_each(|kind, watch| {
            let is_deaf = watch.heard.elapsed() >= DEAF;
            let kind = kind.as_str();
            is_deaf.then(|| format!("{kind}: nothing heard from the API server for two minutes"))
        })
    }

    /// What is not known yet or cannot be used, so that nothing is approved.
    pub(super) fn unready(&self) -> Vec<String> {
        self.of_each(|kind, watch| {
            let kind = kind.as_str();
            let reason = watch.unusable.as_ref().or(watch.stale.as_ref());
            reason.map(|reason| format!("{kind}: {reason}"))
        })
    }

    fn of_each<T>(&self, what: impl Fn(Kind, &Watch) -> Option<T>) -> Vec<T> {
        let watches = self.lock();
        let all = Kind::ALL.into_iter().zip(watches.iter());
        all.filter_map(|(kind, watch)| what(kind, watch)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_fails_when_a_watch_hears_nothing() {
        let health = Health::new();
        assert!(health.deaf().is_empty(), "it has just begun");
        assert_eq!(health.unready().len(), 4);
        for kind in Kind::ALL {
            health.heard(kind);
            health.stale(kind, None);
        }
        assert!(health.unready().is_empty());
        health.unusable(Kind::Cluster, Some("forbidden".into()));
        assert_eq!(health.unready(), ["cluster: forbidden"]);
        health.unusable(Kind::Cluster, None);
        assert!(health.unready().is_empty());
        health.stale(Kind::Nodes, Some("cannot be watched".into()));
        assert_eq!(health.unready(), ["nodes: cannot be watched"]);
        health.stale(Kind::Nodes, None);
        let past = Instant::now().checked_sub(DEAF).unwrap();
        health.lock()[Kind::Nodes as usize].heard = past;
        assert_eq!(
            health.deaf(),
            ["nodes: nothing heard from the API server for two minutes"]
        );
        assert!(!health.is_live());
        health.restarted();
        assert_eq!(health.unready().len(), 4);
    }
}
