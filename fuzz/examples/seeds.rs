//! Writes the seeds of the targets that read bytes into `corpus/<target>/`.
//!
//! The others build their own input from whatever bytes they get.

use std::error::Error;
use std::fs;
use std::path::Path;

use prost::Message;
use vision_fuzz::{account_proofs, block, genesis, id, transactions};
use vision_primitives::encode;
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlockAnnouncement, BlocksPart, Hello, NewBlock, PeerMessage, Status, Transactions};
use vision_wire::{Cursor, block_to_proto, page};

fn messages() -> Vec<Vec<u8>> {
    let block = block(transactions());
    let (header, signature) = (block.header_bytes().to_vec(), block.signature().0.to_vec());
    let bytes = transactions().iter().map(|transaction| transaction.bytes().to_vec().into()).collect();
    let status = Status {
        height: 5,
        tip_hash: block.hash().0.to_vec().into(),
        header: header.clone().into(),
        header_signature: signature.clone().into(),
        ..Status::default()
    };
    let announcement =
        BlockAnnouncement { header: header.into(), signature: signature.into(), ..Default::default() };
    let kinds = [
        Kind::Hello(Hello { protocol_version: 1, chain_id: "fuzz-1".into(), ..Hello::default() }),
        Kind::Status(status),
        Kind::NewBlock(NewBlock { block: Some(block_to_proto(&block)), ..NewBlock::default() }),
        Kind::BlocksPart(BlocksPart { request_id: 7, block: Some(block_to_proto(&block)) }),
        Kind::Announcement(announcement),
        Kind::Transactions(Transactions { transactions: bytes }),
    ];
    kinds.into_iter().map(|kind| PeerMessage { kind: Some(kind) }.encode_to_vec()).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let block = block(transactions());
    let bodies: Vec<Vec<u8>> = transactions().iter().map(|tx| tx.bytes().to_vec()).collect();
    let text = [
        page::encode_token("blocks", 0x00ab_cdef),
        Cursor { start_id: 0x1234, sequence: 17 }.to_string(),
        id(1).to_string(),
    ];
    let seeds: [(&str, Vec<Vec<u8>>); 6] = [
        ("header", vec![block.header_bytes().to_vec()]),
        ("transaction", bodies),
        ("genesis", vec![genesis().to_json().into_bytes()]),
        ("account_proof", account_proofs().iter().map(encode).collect()),
        ("text", text.map(String::into_bytes).into()),
        ("peer_message", messages()),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in seeds {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
