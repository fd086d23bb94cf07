//! A peer's message that decodes survives being sent on, and a block in it is byte for byte the block that
//! was sent.
use crate::values::GENESIS_HASH;
use prost::Message;
use vision_primitives::{Header, SignedTransaction};
use vision_wire::p2p::PeerMessage;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::{block_from_proto, block_to_proto, types};

fn check_block(sent: types::Block) {
    let Ok(block) = block_from_proto(sent.clone(), &GENESIS_HASH) else { return };
    assert_eq!(block.hash(), Header::hash_bytes(&GENESIS_HASH, &sent.header));
    assert_eq!(block_to_proto(&block), sent);
}

fn check_header(bytes: &[u8]) {
    if let Ok(header) = Header::from_bytes(bytes) {
        assert_eq!(header.to_bytes(), bytes);
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Ok(message) = PeerMessage::decode(bytes) else { return };
    let sent = message.encode_to_vec();
    assert_eq!(PeerMessage::decode(&sent[..]).as_ref(), Ok(&message));
    match message.kind {
        Some(Kind::NewBlock(new)) => new.block.into_iter().for_each(check_block),
        Some(Kind::BlocksPart(part)) => part.block.into_iter().for_each(check_block),
        Some(Kind::Status(status)) => check_header(&status.header),
        Some(Kind::Announcement(announcement)) => check_header(&announcement.header),
        Some(Kind::Transactions(sent)) => {
            for bytes in sent.transactions {
                if let Ok(signed) = SignedTransaction::from_bytes(bytes.to_vec(), &GENESIS_HASH) {
                    assert_eq!(signed.bytes(), bytes);
                }
            }
        }
        _ => {}
    }
}
