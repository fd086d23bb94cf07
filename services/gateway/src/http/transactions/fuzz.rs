//! Whatever a body holds: it asks for what stands in it, within bounds, or is refused.

use serde_json::Value;

use super::*;

fn run(body: &[u8]) {
    let Ok(wish) = Wish::parse(body) else { return };
    let read = serde_json::from_slice(body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body));
    let read: Value = read.expect("what was parsed is JSON");
    let bytes = |text: &Value| hex::decode(text.as_str().expect("a text")).map(Bytes::from).ok();
    match wish {
        Wish::One { transaction, wait } => {
            assert_eq!(bytes(&read["transaction"]), Some(transaction));
            assert_eq!(wait, read["wait"] == true || read["wait"] == "included");
        }
        Wish::Many(transactions) => {
            assert!((1..=MAX_BATCH).contains(&transactions.len()));
            let given = read["transactions"].as_array().expect("a list").iter().map(bytes);
            assert!(given.eq(transactions.into_iter().map(Some)));
        }
    }
}

#[test]
fn a_body_asks_for_what_stands_in_it_or_is_refused() {
    vision_fuzz::check("submission", run, 10_000);
}
