//! Two votes of one voter that no [`crate::Lock`] allows: each pair proves that the voter broke the rules, or
//! lost its memory and voted all the same.

use vision_primitives::Vote;

/// How two votes of one voter contradict each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offence {
    /// Both stand at one level and name different targets.
    DoubleVote,
    /// One reaches over the other: it starts below the other's source and ends above its target.
    Surround,
}

/// Whether two votes of one voter contradict each other, in either order.
#[must_use]
pub fn offence(a: &Vote, b: &Vote) -> Option<Offence> {
    if a.target_level() == b.target_level() {
        return (a.target.hash != b.target.hash).then_some(Offence::DoubleVote);
    }
    (surrounds(a, b) || surrounds(b, a)).then_some(Offence::Surround)
}

const fn surrounds(outer: &Vote, inner: &Vote) -> bool {
    outer.source_level() < inner.source_level() && inner.target_level() < outer.target_level()
}
