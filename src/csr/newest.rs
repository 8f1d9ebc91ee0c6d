//! Which request of each node is the newest.

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;

use super::{Request, State, requestor_of};

/// What tells which of two requests of one requestor is the newer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    created: Option<Timestamp>,
    /// etcd's revision of the last change; a pending request is changed by no one but an administrator.
    revision: Option<u64>,
    decided: bool,
}

impl Age {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            created: request.created,
            revision: request.resource_version.parse().ok(),
            decided: request.state != State::Pending || request.odd,
        }
    }

    /// Times are to the second. Within one, the revision tells which of two that are pending is the newer. A decision
    /// changes the revision, so that nothing tells when one of them is decided: none.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match self.created.cmp(&other.created) {
            Ordering::Equal if self.decided || other.decided => None,
            Ordering::Equal => {
                let (one, two) = (self.revision?, other.revision?);
                (one != two).then(|| one.cmp(&two))
            }
            order => Some(order),
        }
    }
}

/// How a request stands among those of its requestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is the newest.
    Newest,
    /// A newer one exists, so that this one's key is lost.
    Superseded {
        /// The newest's name, as its writer wrote it.
        by: String,
    },
    /// Another one of the same second exists, and nothing tells which of the two is the newer.
    Tied,
}

/// The newest request of each requestor, in whatever state. A kubelet has one key at a time, in memory: whatever it
/// asked for before belongs to a lost key (kubelet-facts, 3).
#[derive(Debug, Default)]
pub struct Newest(HashMap<String, Latest>);

#[derive(Debug)]
struct Latest {
    name: String,
    age: Age,
    /// Which of several is the newest cannot be told.
    tied: bool,
}

impl Newest {
    /// Takes one more request into account, in any order. Returns the name of the request that is the newest of its
    /// requestor no longer.
    pub fn add(&mut self, request: &Request) -> Option<String> {
        let one = Latest {
            name: request.name.clone(),
            age: Age::of(request),
            tied: false,
        };
        let Some(known) = self.0.get_mut(&request.requestor) else {
            self.0.insert(request.requestor.clone(), one);
            return None;
        };
        if known.name == one.name {
            return None;
        }
        match one.age.compare(known.age) {
            Some(Ordering::Greater) => {
                // Of the same second the tie continues: the third may be newer than one of two and not than the other.
                let tied = known.tied && known.age.created == one.age.created;
                let old = std::mem::replace(known, Latest { tied, ..one });
                Some(old.name)
            }
            Some(_) => None,
            None => {
                known.tied = true;
                None
            }
        }
    }

    /// Whether `node` has asked for anything.
    pub fn knows(&self, node: &str) -> bool {
        self.0.contains_key(&requestor_of(node))
    }

    /// How `request` stands; one whose requestor has no other is the newest.
    pub fn standing(&self, request: &Request) -> Standing {
        let Some(latest) = self.0.get(&request.requestor) else {
            return Standing::Newest;
        };
        let age = Age::of(request);
        if latest.tied && latest.age.created == age.created {
            return Standing::Tied;
        }
        if latest.name == request.name || latest.age.created < age.created {
            return Standing::Newest;
        }
        Standing::Superseded {
            by: latest.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, second: i64, version: &str, state: State) -> Request {
        Request {
            created: Some(Timestamp::from_second(second).unwrap()),
            resource_version: version.into(),
            state,
            ..Request::new(name, "a")
        }
    }

    fn good(all: &[Request]) -> Vec<&str> {
        let (mut newest, mut backwards) = (Newest::default(), Newest::default());
        all.iter().for_each(|one| drop(newest.add(one)));
        all.iter().rev().for_each(|one| drop(backwards.add(one)));
        all.iter()
            .filter(|one| one.state == State::Pending)
            .filter(|one| {
                let standings = [newest.standing(one), backwards.standing(one)];
                standings == [Standing::Newest, Standing::Newest]
            })
            .map(|one| one.name.as_str())
            .collect()
    }

    #[test]
    fn at_most_one_request_of_each_node_is_kept() {
        use State::{Approved, Pending};
        let (a, b) = (request("a", 1, "9", Pending), request("b", 2, "3", Pending));
        assert_eq!(good(&[a.clone(), b.clone()]), ["b"]);
        // The kubelet was answered with b: what it asked before is lost, though it is the newest that is pending.
        assert_eq!(good(&[a.clone(), request("b", 2, "3", Approved)]), [""; 0]);
        // Of the same second: the revision tells, unless one was decided since.
        assert_eq!(good(&[a.clone(), request("b", 1, "3", Pending)]), ["a"]);
        let decided = request("a", 1, "9", Approved);
        let same_second = request("b", 1, "3", Pending);
        assert_eq!(good(&[decided.clone(), same_second]), [""; 0]);
        assert_eq!(good(&[decided, b.clone()]), ["b"]);
        // What cannot be told apart is not guessed.
        let unknown = [request("a", 1, "x", Pending), request("b", 1, "y", Pending)];
        assert_eq!(good(&unknown), [""; 0]);
        let other = Request {
            requestor: "system:node:b".into(),
            ..b
        };
        assert_eq!(good(&[a, other]), ["a", "b"]);
    }

    #[test]
    fn a_newer_request_replaces_the_newest() {
        let mut newest = Newest::default();
        let (a, b) = (
            request("a", 1, "1", State::Pending),
            request("b", 2, "2", State::Pending),
        );
        assert_eq!(newest.add(&a), None);
        assert_eq!(newest.add(&a), None);
        assert_eq!(newest.add(&b).as_deref(), Some("a"));
        assert_eq!(newest.add(&a), None);
        let by = "b".to_owned();
        assert_eq!(newest.standing(&a), Standing::Superseded { by });
        assert!(newest.knows("a") && !newest.knows("b"));
    }
}
