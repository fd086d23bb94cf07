//! The signing guard: at most one block for a parent, for ever.

mod audit;

pub(crate) use audit::Audit;

use std::collections::BTreeMap;

use vision_primitives::{Hash, Height};

/// Blocks remembered one by one; below them only the floor is known.
pub const MAX_GUARDED_BLOCKS: usize = 10_000;

/// Why a block may not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardFault {
    /// The parent already has another block of this key.
    #[error("block {signed} is already signed for this parent; {wanted} would be a second one")]
    SecondBlock {
        /// The block of this parent.
        signed: Hash,
        /// The one refused.
        wanted: Hash,
    },
    /// What was signed that low is no longer known.
    #[error("height {height} is not above {floor}, at and below which nothing more is signed")]
    BelowFloor {
        /// Height of the block refused.
        height: Height,
        /// The floor.
        floor: Height,
    },
}

/// Which block was signed for which parent. Forgetting a parent raises the floor to its height, so that
/// memory is bounded and nothing forgotten can be signed for again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Guard {
    /// (height of the block, parent) to the block's hash.
    signed: BTreeMap<(Height, Hash), Hash>,
    floor: Height,
    /// Above this height every promise is remembered.
    complete_above: Height,
}

impl Guard {
    /// A guard that never signs at or below `floor`; height 0 for a key never used.
    #[must_use]
    pub const fn new(floor: Height) -> Self {
        Self { signed: BTreeMap::new(), floor, complete_above: floor }
    }

    /// The guard as it was stored: `(height, parent, block)`, any order.
    #[must_use]
    pub fn restore(floor: Height, signed: impl IntoIterator<Item = (Height, Hash, Hash)>) -> Self {
        let signed = signed.into_iter().map(|(height, parent, block)| ((height, parent), block)).collect();
        let mut guard = Self { signed, floor, complete_above: floor };
        guard.forget_lowest();
        guard
    }

    /// At and below this height nothing is signed that is not remembered.
    #[must_use]
    pub const fn floor(&self) -> Height {
        self.floor
    }

    /// The highest height this key is known to have signed at or is barred from.
    #[must_use]
    pub fn highest(&self) -> Height {
        self.signed.last_key_value().map_or(self.floor, |((height, _), _)| (*height).max(self.floor))
    }

    /// How many blocks are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.signed.len()
    }

    /// Whether no block is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signed.is_empty()
    }

    /// The block promised to this parent by a block of this height.
    #[must_use]
    pub fn promised(&self, height: Height, parent: &Hash) -> Option<Hash> {
        self.signed.get(&(height, *parent)).copied()
    }

    /// Whether a block of this key was signed without this guard's promise, as far as can be known: low
    /// promises are forgotten.
    #[must_use]
    pub fn is_foreign(&self, height: Height, parent: &Hash, block: &Hash) -> bool {
        match self.promised(height, parent) {
            Some(promised) => promised != *block,
            None => height > self.complete_above,
        }
    }

    /// Whether a block may be signed.
    ///
    /// # Errors
    /// [`GuardFault`] if it would be a second one for its parent, or that can no longer be known.
    pub fn check(&self, height: Height, parent: &Hash, block: &Hash) -> Result<(), GuardFault> {
        match self.promised(height, parent) {
            Some(signed) if signed == *block => Ok(()),
            Some(signed) => Err(GuardFault::SecondBlock { signed, wanted: *block }),
            None if height <= self.floor => Err(GuardFault::BelowFloor { height, floor: self.floor }),
            None => Ok(()),
        }
    }

    /// Promises the parent to this block. To be stored before the block is signed.
    ///
    /// # Errors
    /// [`GuardFault`] as [`Self::check`].
    pub fn promise(&mut self, height: Height, parent: Hash, block: Hash) -> Result<(), GuardFault> {
        self.check(height, &parent, &block)?;
        self.signed.insert((height, parent), block);
        self.forget_lowest();
        Ok(())
    }

    /// Bars all heights up to `floor`, except for blocks remembered.
    pub fn raise_floor(&mut self, floor: Height) {
        self.floor = self.floor.max(floor);
    }

    fn forget_lowest(&mut self) {
        while self.signed.len() > MAX_GUARDED_BLOCKS {
            if let Some(((height, _), _)) = self.signed.pop_first() {
                self.floor = self.floor.max(height);
                self.complete_above = self.complete_above.max(height);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vision_primitives::hash;

    use super::*;

    fn h(text: &str) -> Hash {
        hash(&[text.as_bytes()])
    }

    #[test]
    fn one_block_for_a_parent() {
        let mut guard = Guard::new(Height(5));
        guard.promise(Height(8), h("p"), h("a")).unwrap();
        let cases = [
            ("the same again", 8, "p", "a", Ok(())),
            ("another", 8, "p", "b", Err(GuardFault::SecondBlock { signed: h("a"), wanted: h("b") })),
            ("another parent", 8, "q", "b", Ok(())),
            ("lower, another parent", 6, "r", "c", Ok(())),
            (
                "at the floor",
                5,
                "s",
                "d",
                Err(GuardFault::BelowFloor { height: Height(5), floor: Height(5) }),
            ),
        ];
        for (desc, height, parent, block, expect) in cases {
            assert_eq!(guard.check(Height(height), &h(parent), &h(block)), expect, "{desc}");
        }
        guard.raise_floor(Height(9));
        guard.raise_floor(Height(3));
        assert_eq!(guard.check(Height(8), &h("p"), &h("a")), Ok(()), "what is remembered may be shown again");
        assert!(guard.check(Height(9), &h("q"), &h("b")).is_err());
        assert_eq!(guard.highest(), Height(9));
    }

    #[test]
    fn what_is_forgotten_raises_the_floor() {
        let mut guard = Guard::default();
        let block = |i: u64| hash(&[b"block", &i.to_le_bytes()]);
        let parent = |i: u64| hash(&[b"parent", &i.to_le_bytes()]);
        let last = MAX_GUARDED_BLOCKS as u64 + 10;
        for i in 1..=last {
            guard.promise(Height(i), parent(i), block(i)).unwrap();
        }
        assert_eq!(
            (guard.len(), guard.floor(), guard.highest()),
            (MAX_GUARDED_BLOCKS, Height(10), Height(last))
        );
        assert!(guard.check(Height(10), &parent(10), &block(10)).is_err(), "not even the same again");
        assert!(guard.check(Height(11), &parent(11), &block(11)).is_ok());
        let rows = (1..=last).map(|i| (Height(i), parent(i), block(i)));
        assert_eq!(Guard::restore(Height(0), rows), guard);
    }

    proptest! {
        #[test]
        fn no_order_of_promises_gives_a_parent_two(
            promises in prop::collection::vec((1_u64..6, 0_u8..3, 0_u8..4), 0..60),
            restart in 0_usize..60,
        ) {
            let mut guard = Guard::default();
            let mut signed: BTreeMap<(u64, u8), u8> = BTreeMap::new();
            for (i, (height, parent, block)) in promises.into_iter().enumerate() {
                if i == restart {
                    let rows: Vec<_> = guard.signed.iter().map(|((h, p), b)| (*h, *p, *b)).collect();
                    guard = Guard::restore(guard.floor(), rows);
                }
                let (p, b) = (hash(&[&[0, parent]]), hash(&[&[1, block]]));
                if guard.promise(Height(height), p, b).is_ok() {
                    prop_assert_eq!(*signed.entry((height, parent)).or_insert(block), block);
                }
            }
        }
    }
}
