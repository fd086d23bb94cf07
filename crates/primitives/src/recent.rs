//! What was seen last, bounded by count: the oldest is forgotten.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};

/// The last keys inserted, each with a value. A key that is inserted again stays as old as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentMap<K, V> {
    max: usize,
    /// Oldest first.
    order: VecDeque<K>,
    values: BTreeMap<K, V>,
}

impl<K: Ord + Clone, V> RecentMap<K, V> {
    /// An empty map that remembers `max` keys.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self { max, order: VecDeque::new(), values: BTreeMap::new() }
    }

    /// Remembers a key with a value, in place of the value it had; whether the key was new.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        if self.values.insert(key.clone(), value).is_some() {
            return false;
        }
        self.order.push_back(key);
        while self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        true
    }

    /// Forgets a key at once, and gives its value; None if it is not remembered. Looks through all keys.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let value = self.values.remove(key)?;
        self.order.retain(|other| other.borrow() != key);
        Some(value)
    }

    /// The value of a key that is remembered.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key)
    }

    /// Whether a key is remembered.
    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.values.contains_key(key)
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// The last keys inserted, without repetition. A key that is inserted again stays as old as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecentSet<K>(RecentMap<K, ()>);

impl<K: Ord + Clone> RecentSet<K> {
    /// An empty set that remembers `max` keys.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self(RecentMap::new(max))
    }

    /// Remembers a key; whether it was new.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ())
    }

    /// Forgets a key at once; whether it was remembered. Looks through all keys.
    pub fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key).is_some()
    }

    /// Whether a key is remembered.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains(key)
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_a_repetition_makes_nothing_younger() {
        let mut map = RecentMap::new(3);
        assert!(map.is_empty());
        let news =
            [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("d", 5)].map(|(key, value)| map.insert(key, value));
        assert_eq!(news, [true, true, false, true, true]);
        let found = ["a", "b", "c", "d"].map(|key| map.get(&key).copied());
        assert_eq!(found, [None, Some(2), Some(4), Some(5)]);
        assert!(!map.insert("b", 6), "and has the newest value");
        assert_eq!((map.get(&"b"), map.len()), (Some(&6), 3));
        assert!(map.insert("a", 7), "forgotten, so new");
        assert!(!map.contains(&"b") && map.contains(&"a"));
    }

    #[test]
    fn what_is_removed_is_forgotten_and_leaves_its_room() {
        let mut map = RecentMap::new(3);
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            map.insert(key, value);
        }
        assert_eq!([map.remove(&"b"), map.remove(&"b"), map.remove(&"d")], [Some(2), None, None]);
        assert_eq!((map.len(), map.get(&"b")), (2, None));
        assert!(map.insert("b", 4), "new again");
        assert_eq!(["a", "b", "c"].map(|key| map.get(&key).copied()), [Some(1), Some(4), Some(3)]);
        // As young as if it had not been there before.
        map.insert("d", 5);
        map.insert("e", 6);
        assert_eq!(["a", "b", "c"].map(|key| map.contains(&key)), [false, true, false]);
        assert_eq!(["b", "d", "e"].map(|key| map.remove(&key)), [Some(4), Some(5), Some(6)]);
        assert!(map.is_empty());
    }

    #[test]
    fn a_set_is_a_map_without_values() {
        let mut set = RecentSet::new(2);
        assert_eq!([1, 1, 2, 3].map(|key| set.insert(key)), [true, false, true, true]);
        assert_eq!(([1, 2, 3].map(|key| set.contains(&key)), set.len()), ([false, true, true], 2));
        assert_eq!([2, 2, 4].map(|key| set.remove(&key)), [true, false, false]);
        assert!(!set.contains(&2) && set.contains(&3) && set.insert(2) && set.len() == 2);
        let mut none = RecentSet::new(0);
        assert!(
            none.insert(1) && !none.contains(&1) && none.is_empty(),
            "a bound of none is kept to as well"
        );
    }
}
