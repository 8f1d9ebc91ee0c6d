//! Which request of each node is the newest.

use std::collections::HashMap;

use jiff::Timestamp;

use super::asked::Asked;
use super::rule::{Broken, Rule, quoted};
use crate::csr::requestor_of;

/// The newest request of each requestor, in whatever state. A kubelet has one key at a time, in memory: whatever it
/// asked for before belongs to a lost key.
#[derive(Debug, Default)]
pub struct Newest(HashMap<String, Latest>);

#[derive(Debug)]
struct Latest {
    name: String,
    created: Option<Timestamp>,
    revision: u64,
    decided: bool,
    /// Which of several is the newest cannot be told.
    tied: bool,
}

impl Latest {
    fn of(asked: &Asked) -> Self {
        Self {
            name: asked.name.clone(),
            created: asked.created,
            // etcd's revision of the last change, and nobody but an administrator changes a pending request.
            revision: asked.version.parse().unwrap_or(0),
            decided: asked.decision.is_some(),
            tied: false,
        }
    }
}

impl Newest {
    /// Takes one more request into account. Times are to the second: within one, the revision tells which of two that are
    /// pending is the newer. A decision changes the revision, so that nothing tells when one of them is decided.
    pub fn add(&mut self, asked: &Asked) {
        let one = Latest::of(asked);
        let Some(known) = self.0.get_mut(&asked.requestor) else {
            self.0.insert(asked.requestor.clone(), one);
            return;
        };
        if known.name == one.name || known.created > one.created {
            return;
        }
        if known.created < one.created {
            *known = one;
            return;
        }
        let tied = known.tied || known.decided || one.decided || known.revision == one.revision;
        if one.revision > known.revision {
            *known = one;
        }
        known.tied = tied;
    }

    /// Whether `node` has asked for anything.
    pub fn knows(&self, node: &str) -> bool {
        self.0.contains_key(&requestor_of(node))
    }

    /// Whether it is the newest request of its requestor.
    ///
    /// # Errors
    /// [`Rule::NewestOfNode`].
    pub fn judge(&self, asked: &Asked) -> Result<(), Broken> {
        let Some(latest) = self.0.get(&asked.requestor) else {
            return Ok(());
        };
        if latest.created == asked.created && latest.tied {
            return Err(Broken::new(
                Rule::NewestOfNode,
                "another one of the same second cannot be told from it",
            ));
        }
        if latest.name == asked.name || latest.created < asked.created {
            return Ok(());
        }
        Err(Broken::new(
            Rule::NewestOfNode,
            format!(
                "{} is newer, and this one's key is lost",
                quoted(&latest.name)
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::Decision;
    use super::*;

    fn asked(name: &str, second: i64, version: &str, decision: Option<Decision>) -> Asked {
        Asked {
            name: name.into(),
            requestor: "system:node:a".into(),
            created: Some(Timestamp::from_second(second).unwrap()),
            version: version.into(),
            decision,
            ..Asked::default()
        }
    }

    fn good(all: &[Asked]) -> Vec<&str> {
        let (mut newest, mut backwards) = (Newest::default(), Newest::default());
        all.iter().for_each(|one| newest.add(one));
        all.iter().rev().for_each(|one| backwards.add(one));
        all.iter()
            .filter(|one| {
                one.decision.is_none() && newest.judge(one).is_ok() && backwards.judge(one).is_ok()
            })
            .map(|one| one.name.as_str())
            .collect()
    }

    #[test]
    fn one_of_each_node_at_most() {
        assert_eq!(
            good(&[asked("a", 1, "9", None), asked("b", 2, "3", None)]),
            ["b"]
        );
        // The kubelet was answered with b: what it asked before is lost, though it is the newest that is pending.
        let issued = asked("b", 2, "3", Some(Decision::Approved));
        assert_eq!(good(&[asked("a", 1, "9", None), issued]), [""; 0]);
        // Of the same second: the revision tells, unless one was decided since.
        assert_eq!(
            good(&[asked("a", 1, "9", None), asked("b", 1, "3", None)]),
            ["a"]
        );
        let decided = asked("a", 1, "9", Some(Decision::Approved));
        assert_eq!(good(&[decided.clone(), asked("b", 1, "3", None)]), [""; 0]);
        assert_eq!(good(&[decided, asked("b", 2, "3", None)]), ["b"]);
        // What cannot be told apart is not guessed.
        assert_eq!(
            good(&[asked("a", 1, "x", None), asked("b", 1, "y", None)]),
            [""; 0]
        );
        let other = Asked {
            requestor: "system:node:b".into(),
            ..asked("b", 2, "3", None)
        };
        assert_eq!(good(&[asked("a", 1, "9", None), other]), ["a", "b"]);
    }
}
