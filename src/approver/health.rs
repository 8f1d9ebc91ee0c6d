//! When each watch last heard from the API server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::timestamp;

/// A watch that has heard nothing for this long is deaf: an API server sends a bookmark about every minute.
const DEAF: Duration = Duration::from_secs(120);

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

    /// Which watches have heard nothing for two minutes.
    pub(super) fn deaf(&self) -> Vec<&'static str> {
        self.failing(|watch| watch.heard.elapsed() >= DEAF)
    }

    /// Which watches have no complete list yet.
    pub(super) fn incomplete(&self) -> Vec<&'static str> {
        self.failing(|watch| !watch.synced)
    }

    fn failing(&self, fails: impl Fn(&Watch) -> bool) -> Vec<&'static str> {
        let watches = *self.lock();
        let all = Kind::ALL.into_iter().zip(watches);
        all.filter(|(_, watch)| fails(watch))
            .map(|(kind, _)| kind.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_fails_when_a_watch_hears_nothing() {
        let health = Health::new();
        assert!(health.deaf().is_empty(), "it has just begun");
        assert_eq!(health.incomplete().len(), 4);
        for kind in Kind::ALL {
            health.heard(kind);
            health.synced(kind);
        }
        assert!(health.incomplete().is_empty());
        let past = Instant::now().checked_sub(DEAF).unwrap();
        health.lock()[Kind::Nodes as usize].heard = past;
        assert_eq!(health.deaf(), ["nodes"]);
        assert!(!health.is_live());
        health.restarted();
        assert_eq!(health.incomplete().len(), 4);
    }
}
