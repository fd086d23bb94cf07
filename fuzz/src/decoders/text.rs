//! Hashes, cursors and page tokens have one text each, and a refusal does
//! not repeat at length what it was given.
use vision_primitives::Hash;
use vision_wire::{Cursor, page, parse_hash};

/// Most bytes of a refusal: 80 characters of the value, escaped, and what is said about them.
const MAX_MESSAGE_BYTES: usize = 1100;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text);
        assert_eq!(&hash.hex_ascii()[..], text.as_bytes());
    }
    match parse_hash("parent", text) {
        Ok(hash) => assert_eq!(hash.to_string(), text),
        Err(status) => assert!(status.message().len() <= MAX_MESSAGE_BYTES),
    }
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
    match page::PageRequest::parse("blocks", 1, text) {
        Ok(page) => {
            let token = page.position.map_or(String::new(), |at| page::encode_token("blocks", at));
            assert_eq!(token, text);
            assert!(text.is_empty() || page::PageRequest::parse("claims", 1, text).is_err());
        }
        Err(status) => assert!(status.message().len() <= MAX_MESSAGE_BYTES),
    }
}
