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

#[derive(Debug, Clone)]
struct Watch {
    synced: bool,
    /// Whether it was accepted and then silent or nonsense, or refused for good: that it is accepted again says nothing.
    distrusted: bool,
    /// What of it cannot be used, so that nothing is approved.
    unusable: Option<String>,
    heard: Instant,
    /// Seconds since 1970; none before the first time.
    heard_at: Option<f64>,
}

impl Watch {
    fn hear(&mut self) {
        self.heard = Instant::now();
        self.heard_at = Some(timestamp());
    }
}

impl Health {
    pub(super) fn new() -> Self {
        let watch = Watch {
            synced: false,
            distrusted: false,
            unusable: None,
            heard: Instant::now(),
            heard_at: None,
        };
        Self(Arc::new(Mutex::new(Kind::ALL.map(|_| watch.clone()))))
    }

    fn lock(&self) -> MutexGuard<'_, [Watch; 4]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch told something.
    pub(super) fn heard(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.distrusted = false;
            watch.hear();
        }
    }

    /// The server answered, but the watch told nothing yet: a list is complete, or a watch is accepted. Of one that was
    /// accepted in vain before, that is not a sign of life.
    pub(super) fn answered(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize)
            && !watch.distrusted
        {
            watch.hear();
        }
    }

    /// The watch was accepted in vain, or is refused.
    pub(super) fn distrust(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.distrusted = true;
        }
    }

    /// The watch has a complete list.
    pub(super) fn synced(&self, kind: Kind) {
        if let Some(watch) = self.lock().get_mut(kind as usize) {
            watch.synced = true;
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
            watch.synced = false;
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
            match (&watch.unusable, watch.synced) {
                (Some(reason), _) => Some(format!("{kind}: {reason}")),
                (None, false) => Some(format!("{kind}: not complete yet")),
                (None, true) => None,
            }
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

    impl Health {
        /// Nothing was heard for two minutes.
        pub(in super::super) fn pass_two_minutes(&self) {
            let past = Instant::now().checked_sub(DEAF).unwrap();
            self.lock().iter_mut().for_each(|watch| watch.heard = past);
        }
    }

    #[test]
    fn health_fails_when_a_watch_hears_nothing() {
        let health = Health::new();
        assert!(health.deaf().is_empty(), "it has just begun");
        assert_eq!(health.unready().len(), 4);
        for kind in Kind::ALL {
            health.heard(kind);
            health.synced(kind);
        }
        assert!(health.unready().is_empty());
        health.unusable(Kind::Cluster, Some("forbidden".into()));
        assert_eq!(health.unready(), ["cluster: forbidden"]);
        health.unusable(Kind::Cluster, None);
        assert!(health.unready().is_empty());
        health.pass_two_minutes();
        for kind in [Kind::Requests, Kind::Services, Kind::Cluster] {
            health.heard(kind);
        }
        assert_eq!(
            health.deaf(),
            ["nodes: nothing heard from the API server for two minutes"]
        );
        assert!(!health.is_live());
        health.restarted();
        assert_eq!(health.unready().len(), 4);
    }
}
