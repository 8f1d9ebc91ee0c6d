//! Which request of each node is the newest.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

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
/// asked for before belongs to a lost key (kubelet-facts, 3). That holds also when the newest is deleted, so it is known
/// until none of its requestor's requests exists.
#[derive(Debug, Default)]
pub struct Newest {
    /// The newest request of each requestor, by the requestor's name.
    latest: HashMap<String, Latest>,
    /// The requestor of each request that exists, by the request's name.
    requestors: HashMap<String, String>,
}

#[derive(Debug)]
struct Latest {
    name: String,
    uid: String,
    age: Age,
    /// Which of several is the newest cannot be told.
    tied: bool,
    /// How many of the requestor's requests exist.
    existing: usize,
}

impl Newest {
    /// Takes one more request into account, in any order. Returns the name of the request that is the newest of its
    /// requestor no longer.
    pub fn add(&mut self, request: &Request) -> Option<String> {
        let is_more = self.exists(request);
        let one = Latest {
            name: request.name.clone(),
            uid: request.uid.clone(),
            age: Age::of(request),
            tied: false,
            existing: 1,
        };
        let Some(known) = self.latest.get_mut(&request.requestor) else {
            self.latest.insert(request.requestor.clone(), one);
            return None;
        };
        known.existing += usize::from(is_more);
        if (&known.name, &known.uid) == (&one.name, &one.uid) {
            return None;
        }
        match one.age.compare(known.age) {
            Some(Ordering::Greater) => {
                // Of the same second the tie continues: the third may be newer than one of two and not than the other.
                let tied = known.tied && known.age.created == one.age.created;
                let existing = known.existing;
                let one = Latest {
                    tied,
                    existing,
                    ..one
                };
                Some(std::mem::replace(known, one).name)
            }
            Some(_) => None,
            None => {
                known.tied = true;
                None
            }
        }
    }

    /// Remembers whose request this is; whether it is one more of its requestor's.
    fn exists(&mut self, request: &Request) -> bool {
        match self.requestors.get(&request.name) {
            Some(requestor) if *requestor == request.requestor => return false,
            // Another one has its name now.
            Some(_) => self.remove(&request.name),
            None => {}
        }
        let (name, requestor) = (request.name.clone(), request.requestor.clone());
        self.requestors.insert(name, requestor);
        true
    }

    /// The request of this name does not exist any more.
    pub fn remove(&mut self, name: &str) {
        let Some(requestor) = self.requestors.remove(name) else {
            return;
        };
        if let Entry::Occupied(mut latest) = self.latest.entry(requestor) {
            match latest.get().existing {
                0 | 1 => drop(latest.remove()),
                more => latest.get_mut().existing = more - 1,
            }
        }
    }

    /// Whether `node` has asked for anything.
    pub fn knows(&self, node: &str) -> bool {
        self.latest.contains_key(&requestor_of(node))
    }

    /// How `request` stands; one whose requestor has no other is the newest.
    pub fn standing(&self, request: &Request) -> Standing {
        let Some(latest) = self.latest.get(&request.requestor) else {
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
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::vec;
    use proptest::prelude::*;

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

    #[test]
    fn a_deleted_request_still_supersedes_the_older_ones_that_exist() {
        let mut newest = Newest::default();
        let (a, b) = (
            request("a", 1, "1", State::Pending),
            request("b", 2, "2", State::Pending),
        );
        newest.add(&a);
        newest.add(&b);
        newest.remove("b");
        let by = "b".to_owned();
        assert_eq!(newest.standing(&a), Standing::Superseded { by });
        newest.remove("a");
        assert!(!newest.knows("a"));
        assert!(newest.latest.is_empty() && newest.requestors.is_empty());
        newest.remove("a");
        newest.add(&a);
        assert_eq!(newest.standing(&a), Standing::Newest);
    }

    /// What is known from scratch: which requests exist, and all of each requestor since it had none.
    #[derive(Debug, Default)]
    struct Scratch {
        existing: BTreeMap<String, Request>,
        seen: Vec<Request>,
    }

    impl Scratch {
        fn add(&mut self, request: &Request) {
            let other = self.existing.get(&request.name);
            if other.is_some_and(|other| other.requestor != request.requestor) {
                self.remove(&request.name);
            }
            self.existing.insert(request.name.clone(), request.clone());
            let is_it = |one: &Request| one.name == request.name && one.uid == request.uid;
            if !self.seen.iter().any(is_it) {
                self.seen.push(request.clone());
            }
        }

        fn remove(&mut self, name: &str) {
            self.existing.remove(name);
            let existing = &self.existing;
            let has_more = |one: &Request| {
                let mut all = existing.values();
                all.any(|other| other.requestor == one.requestor)
            };
            self.seen.retain(has_more);
        }

        /// As [`Newest::standing`]; the name of the newest counts only where one can be named.
        fn standing(&self, request: &Request) -> Standing {
            let own = self.seen.iter();
            let own: Vec<&Request> = own
                .filter(|one| one.requestor == request.requestor)
                .collect();
            let last = own.iter().map(|one| one.created).max().flatten();
            let last: Vec<&Request> = own.into_iter().filter(|one| one.created == last).collect();
            let tells = |one: &&Request, other: &&Request| {
                one.uid == other.uid || Age::of(one).compare(Age::of(other)).is_some()
            };
            let is_told = last
                .iter()
                .all(|one| last.iter().all(|other| tells(one, other)));
            let at_last = last
                .first()
                .is_some_and(|one| one.created == request.created);
            let newest = last.iter().max_by_key(|one| Age::of(one).revision);
            match newest {
                Some(_) if at_last && !is_told => Standing::Tied,
                Some(newest) if newest.uid != request.uid => Standing::Superseded {
                    by: if is_told {
                        newest.name.clone()
                    } else {
                        String::new()
                    },
                },
                _ => Standing::Newest,
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Change {
        Add(usize),
        Remove(usize),
    }

    /// Twelve requests of three nodes, within three seconds, two of each name; the revision of every third says nothing.
    fn pool() -> Vec<Request> {
        let states = [State::Pending, State::Pending, State::Approved];
        (0..12)
            .map(|number: usize| Request {
                uid: format!("uid-{number}"),
                requestor: requestor_of(["a", "b", "c"][number * 7 % 12 / 4]),
                ..request(
                    &format!("csr-{}", number % 6),
                    (number * 5 % 3) as i64,
                    &match number % 5 {
                        4 => "x".to_owned(),
                        _ => (100 + number * 11 % 12).to_string(),
                    },
                    states[number / 2 % 3],
                )
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn after_any_changes_it_knows_what_it_would_know_from_scratch(changes in vec(prop_oneof![
            2 => (0_usize..12).prop_map(Change::Add),
            1 => (0_usize..6).prop_map(Change::Remove),
        ], 0..60)) {
            let pool = pool();
            let (mut newest, mut scratch) = (Newest::default(), Scratch::default());
            for change in changes {
                match change {
                    Change::Add(number) => {
                        newest.add(&pool[number]);
                        scratch.add(&pool[number]);
                    }
                    Change::Remove(number) => {
                        let name = format!("csr-{number}");
                        newest.remove(&name);
                        scratch.remove(&name);
                    }
                }
                let requestors: BTreeSet<&String> =
                    scratch.existing.values().map(|one| &one.requestor).collect();
                prop_assert_eq!(newest.latest.keys().collect::<BTreeSet<_>>(), requestors);
                prop_assert_eq!(newest.requestors.len(), scratch.existing.len());
                for one in scratch.existing.values() {
                    let (known, expected) = (newest.standing(one), scratch.standing(one));
                    match (known, expected) {
                        (Standing::Superseded { .. }, Standing::Superseded { by }) if by.is_empty() => {}
                        (known, expected) => prop_assert_eq!(known, expected, "{:?}", one),
                    }
                }
            }
        }
    }
}
