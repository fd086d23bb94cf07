//! Which name a node is shown by, when several say the same. Pure.

use std::collections::BTreeMap;

use vision_primitives::{NodeId, NodeName};

/// The names to show, for nodes in the order in which they have a right to a name: whoever comes later with a
/// name that is taken is shown with the digits of its id behind it, in parentheses, which no name can have.
pub(super) fn shown<'a>(nodes: impl Iterator<Item = (&'a NodeId, NodeName)>) -> BTreeMap<NodeId, String> {
    let mut taken: BTreeMap<NodeName, NodeId> = BTreeMap::new();
    let names = nodes.map(|(id, name)| {
        let owner = *taken.entry(name.clone()).or_insert(*id);
        let text = if owner == *id { name.to_string() } else { format!("{name} ({})", id.short()) };
        (*id, text)
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use vision_primitives::Hash;

    use super::*;

    #[test]
    fn a_name_belongs_to_the_first_who_has_a_right_to_it() {
        let (first, second, third) = (Hash([1; 32]), Hash([2; 32]), Hash([3; 32]));
        let name = |text: &str| text.parse::<NodeName>().unwrap();
        let shown = shown(
            [
                (&first, name("node1")),
                (&second, name("node1")),
                // The name that another one has who gave itself none.
                (&third, NodeName::of_id(&third)),
                (&Hash([4; 32]), NodeName::of_id(&third)),
            ]
            .into_iter(),
        );
        let texts: Vec<&str> = shown.values().map(String::as_str).collect();
        assert_eq!(texts, ["node1", "node1 (02020202)", "03030303", "03030303 (04040404)"]);
    }
}
