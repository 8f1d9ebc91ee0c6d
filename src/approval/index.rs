//! Who has which thing.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Who has a thing. Each owner is counted once, and taken out by its name.
#[derive(Debug)]
pub(super) struct Index<K>(HashMap<K, BTreeSet<String>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Index<K> {
    pub(super) fn add(&mut self, thing: K, owner: &str) {
        self.0.entry(thing).or_default().insert(owner.to_owned());
    }

    pub(super) fn remove(&mut self, thing: &K, owner: &str) {
        if let Some(owners) = self.0.get_mut(thing) {
            owners.remove(owner);
            if owners.is_empty() {
                self.0.remove(thing);
            }
        }
    }

    pub(super) fn owners<'a, Q: Eq + Hash + ?Sized>(
        &'a self,
        thing: &Q,
    ) -> impl Iterator<Item = &'a str> + use<'a, K, Q>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(thing).into_iter().flatten().map(String::as_str)
    }
}
