//! Whatever text comes: a cursor, or a refusal in few words.

use super::text as text_of;
use super::*;

/// Every cursor has one text, leading zeros apart.
fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Cursor::parse(text) {
        Ok(Cursor::After { height, index, block: Some(block) }) => {
            let whole = text_of(&Position { height, index, block });
            assert_eq!(Cursor::parse(&whole).ok(), Cursor::parse(text).ok());
            assert!(whole.len() <= text.len());
        }
        Ok(Cursor::Now) => assert!(text.is_empty()),
        Ok(_) => assert!(text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')),
        Err(refused) => assert!(refused.message().len() < 200),
    }
}

#[test]
fn a_text_is_a_cursor_or_refused_in_few_words() {
    vision_fuzz::check("follow_cursor", run, 20_000);
}
