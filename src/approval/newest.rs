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
    age: Age,
    /// Another one cannot be told from it by its age.
    tied: bool,
}

/// Orders by creation. Of two of the same second, a decision about one changes its revision and not its age: one that
/// is pending counts as the newer. Nobody but an administrator can change a pending request, so between two of them
/// the revision tells.
type Age = (Option<Timestamp>, bool, u64);

fn age(asked: &Asked) -> Age {
    let revision = asked.version.parse().unwrap_or(0);
    (asked.created, asked.decision.is_none(), revision)
}

impl Newest {
    /// Takes one more request into account; the same one again changes nothing.
    pub fn add(&mut self, asked: &Asked) {
        let age = age(asked);
        let latest = || Latest {
            name: asked.name.clone(),
            age,
            tied: false,
        };
        match self.0.get_mut(&asked.requestor) {
            None => drop(self.0.insert(asked.requestor.clone(), latest())),
            Some(known) if known.name == asked.name => {}
            Some(known) if known.age < age => *known = latest(),
            Some(known) => known.tied |= known.age == age,
        }
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
        match self.0.get(&asked.requestor) {
            Some(latest) if latest.name != asked.name && latest.age > age(asked) => {
                Err(Broken::new(
                    Rule::NewestOfNode,
                    format!(
                        "{} is newer, and this one's key is lost",
                        quoted(&latest.name)
                    ),
                ))
            }
            Some(latest) if latest.name != asked.name || latest.tied => Err(Broken::new(
                Rule::NewestOfNode,
                "another one of the same second cannot be told from it",
            )),
            _ => Ok(()),
        }
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
        let mut newest = Newest::default();
        all.iter()
            .chain(all.iter().rev())
            .for_each(|one| newest.add(one));
        all.iter()
            .filter(|one| newest.judge(one).is_ok())
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
        assert_eq!(good(&[asked("a", 1, "9", None), issued]), ["b"]);
        // Of the same second: the revision tells, unless one was decided since.
        assert_eq!(
            good(&[asked("a", 1, "9", None), asked("b", 1, "3", None)]),
            ["a"]
        );
        let denied = asked("a", 1, "9", Some(Decision::Denied));
        assert_eq!(good(&[denied, asked("b", 1, "3", None)]), ["b"]);
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
