//! Whatever bytes come: what passes the count holds no more than it may once it is decoded.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage};

use super::*;
use crate::BARE_DESCRIPTOR_SET;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(BARE_DESCRIPTOR_SET).expect("the protocol files are consistent"));

fn assert_within(message: &DynamicMessage, fields: &[Field], counts: &mut BTreeMap<&'static str, usize>) {
    for field in fields {
        let number = u32::try_from(field.number).expect("a number of a field");
        let Some(value) = message.get_field_by_number(number) else { panic!("no field {number}") };
        match &field.holds {
            Holds::Message(inner) => {
                if let Some(message) = value.as_message().filter(|_| message.has_field_by_number(number)) {
                    assert_within(message, inner, counts);
                }
            }
            Holds::List(list) => {
                let entries = value.as_list().expect("a list");
                let counted = counts.entry(list.name).or_default();
                *counted += entries.len();
                assert!(*counted <= list.most, "{counted} {}", list.name);
                let sizes = entries.iter().filter_map(|entry| entry.as_bytes());
                assert!(sizes.map(|bytes| bytes.len()).all(|size| size >= list.least_bytes));
            }
        }
    }
}

/// The first byte chooses the message.
fn run(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let (name, fields) = MESSAGES[usize::from(*which) % MESSAGES.len()];
    let descriptor = POOL.get_message_by_name(name).expect("a message of the protocol files");
    if check(bytes, fields).is_ok()
        && let Ok(message) = DynamicMessage::decode(descriptor, bytes)
    {
        assert_within(&message, fields, &mut BTreeMap::new());
    }
}

#[test]
fn what_passes_the_count_holds_no_more_than_it_may() {
    vision_fuzz::check("bounds", run, 20_000);
}
