//! Walking a tree's leaves in the order of their keys.

use vision_primitives::Hash;

use super::{Node, Value, link_summary};

type Wanted<'a, V> = Box<dyn Fn(&<V as Value>::Summary) -> bool + 'a>;

/// Leaves in the order of their keys.
pub(crate) struct Iter<'a, V: Value> {
    stack: Vec<&'a Node<V>>,
    wanted: Wanted<'a, V>,
}

impl<'a, V: Value> Iter<'a, V> {
    pub(super) fn new(root: Option<&'a Node<V>>, wanted: Wanted<'a, V>) -> Self {
        Self { stack: root.into_iter().collect(), wanted }
    }
}

impl<'a, V: Value> Iterator for Iter<'a, V> {
    type Item = (&'a Hash, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.stack.pop()? {
                Node::Leaf { key, value, .. } => {
                    if (self.wanted)(&value.summary()) {
                        return Some((key, value));
                    }
                }
                Node::Fork { left, right, .. } => {
                    for side in [right, left] {
                        if (self.wanted)(&link_summary(side)) {
                            self.stack.extend(side.as_deref());
                        }
                    }
                }
            }
        }
    }
}
