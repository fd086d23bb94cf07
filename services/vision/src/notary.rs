//! `vision notarise` and `vision recorded`: that a file existed when a block was made, by its SHA-256 on the
//! chain.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cli::{NotariseArgs, RecordedArgs};
use crate::tx;
use vision_terminal::exit::{Exit, Failure, Outcome};
use vision_terminal::output::{Format, time};
use vision_terminal::rest::Gateway;

/// What the data of such a transaction begins with; the digest follows.
const DIGEST_TAG: &[u8; 16] = b"vision/digest/v1";
/// Bytes of the file read at a time.
const READ_BYTES: usize = 64 << 10;
/// Transactions of a page asked for, and the most pages.
const PAGE_ITEMS: u64 = 500;
const MAX_PAGES: usize = 1_000;

/// Publishes the digest of a file.
pub(crate) async fn notarise(args: &NotariseArgs, format: Format) -> Outcome {
    let digest = digest_of(&args.file)?;
    let first = vec![("sha256", json!(hex::encode(&digest)))];
    tx::publish(&args.send, data_of(&digest), first, format).await
}

/// Looks a file up by its digest, and shows who recorded it first.
pub(crate) async fn recorded(args: &RecordedArgs, format: Format) -> Outcome {
    let digest = digest_of(&args.file)?;
    let gateway = Gateway::new(&args.remote.node)?;
    let found = Records::ask(&gateway, &digest).await?;
    let Some(first) = &found.first else {
        let (file, height, node) = (args.file.display(), found.up_to_height, gateway.url());
        let digest = hex::encode(&digest);
        return Err(Failure::not_found(format!(
            "{file} is not recorded up to block {height}, according to {node}; its SHA-256 is {digest}"
        )));
    };
    let block: Block = gateway.ask(&format!("/api/chain/blocks/{}", first.block_hash)).await?;
    let mut shown = vec![
        ("sha256", json!(hex::encode(&digest))),
        ("height", json!(first.height)),
        ("time", json!(time(block.timestamp_ms))),
        ("sender", json!(first.transaction.sender)),
        ("finalized", json!(first.finalized)),
        ("hash", json!(first.hash)),
        ("block_hash", json!(first.block_hash)),
        ("records", json!(found.count)),
    ];
    if format == Format::Json {
        shown.push(("timestamp_ms", json!(block.timestamp_ms)));
    }
    tx::show(&shown, format)
}

/// What is published of a file with this digest.
fn data_of(digest: &[u8]) -> Vec<u8> {
    [DIGEST_TAG, digest].concat()
}

/// The SHA-256 of a file, read piece by piece.
fn digest_of(path: &Path) -> Outcome<Vec<u8>> {
    let unreadable = |error| Failure::io("read", path, &error).with_exit(Exit::NotFound);
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; READ_BYTES]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hasher.finalize().to_vec()),
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// What the chain has of a digest.
struct Records {
    /// The oldest.
    first: Option<Record>,
    count: usize,
    up_to_height: u64,
}

#[derive(Deserialize)]
struct Page {
    transactions: Vec<Record>,
    next_page_token: Option<String>,
    up_to_height: u64,
}

#[derive(Deserialize)]
struct Record {
    hash: String,
    height: u64,
    block_hash: String,
    finalized: bool,
    transaction: Sent,
}

#[derive(Deserialize)]
struct Sent {
    sender: String,
}

#[derive(Deserialize)]
struct Block {
    timestamp_ms: u64,
}

impl Records {
    async fn ask(gateway: &Gateway, digest: &[u8]) -> Outcome<Self> {
        let path =
            format!("/api/transactions?data_prefix={}&limit={PAGE_ITEMS}", hex::encode(data_of(digest)));
        let (mut token, mut records) = (String::new(), Self { first: None, count: 0, up_to_height: 0 });
        for _ in 0..MAX_PAGES {
            let page: Page = gateway.ask(&format!("{path}{token}")).await?;
            records.count += page.transactions.len();
            records.up_to_height = page.up_to_height;
            // Newest first.
            records.first = page.transactions.into_iter().next_back().or(records.first);
            let Some(next) = page.next_page_token else { return Ok(records) };
            token = format!("&page_token={next}");
        }
        Err(Failure::failed(format!("{} has more than {MAX_PAGES} pages of records of it", gateway.url())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_every_other_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let cases = [
            (Vec::new(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        for (bytes, expect) in cases {
            std::fs::write(&path, &bytes).expect("written");
            let digest = digest_of(&path).expect("readable");
            assert_eq!(hex::encode(&digest), expect, "{} bytes", bytes.len());
            let data = data_of(&digest);
            assert_eq!((data.len(), hex::encode(&data[..16])), (48, hex::encode("vision/digest/v1")));
        }
        let missing = digest_of(&folder.path().join("none")).expect_err("there is none");
        assert_eq!(missing.exit(), Exit::NotFound);
    }
}
