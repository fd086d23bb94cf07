//! Whatever a peer says: an introduction, a signature, a question, a part or an end of an answer is taken for
//! what it is, or refused in few words that can be shown.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::LazyLock;

use prost::Message as _;
use vision_host::text::MAX_SHOWN_CHARS;
use vision_peering::{Fault, MAX_ADDRESS_BYTES, MAX_BLOCKS, Received};
use vision_primitives::{Hash, Header, PublicKey, SecretKey, Tag};
use vision_wire::p2p::peer_message::Kind;
use vision_wire::p2p::{BlocksRequest, Hello, HelloProof, PeerMessage, Status};

use super::blocks::BlockQuery;
use super::convert;
use super::identity::Identity;

const CHAIN: &str = "fuzz-1";
const GENESIS: Hash = Hash([9; 32]);
/// Longest refusal, characters: words of ours, and what is repeated.
const MAX_DETAIL_CHARS: usize = 200;

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a folder");
    let [node, peer] = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let certificate = node.sign(Tag::PeerKey, &GENESIS, &peer.public_key().0);
    let write = |name: &str, text: String| std::fs::write(home.path().join(name), text).expect("written");
    write("node.pub", node.public_key().to_string());
    write("peer.key", hex::encode([2; 32]));
    write("peer.cert", hex::encode(certificate.0));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(home.path().join("peer.key"), private).expect("set");
    Identity::load(home.path(), CHAIN, GENESIS, "10.0.0.1:7072".into(), "fuzz").expect("an identity")
});

fn check_hello(hello: &Hello) {
    match IDENTITY.check_hello(hello) {
        Ok(remote) => {
            let key: [u8; 32] = hello.node_key.as_ref().try_into().expect("32 bytes");
            assert_eq!(remote.node_id, PublicKey(key).id());
            assert!(remote.listen_address.len() <= MAX_ADDRESS_BYTES);
            assert!(remote.version.chars().count() <= 33 && !remote.version.chars().any(char::is_control));
            let proof = HelloProof { signature: vec![7; 64].into() };
            assert!(IDENTITY.check_proof(&remote, hello, &[3; 32], &proof).is_err());
        }
        Err(refused) => {
            let chars = refused.detail.chars().count();
            assert!((1..=MAX_DETAIL_CHARS).contains(&chars), "{chars} characters");
        }
    }
}

/// As it came; of the right chain; and with keys that belong together.
fn check_hellos(hello: &Hello) {
    check_hello(hello);
    let own = IDENTITY.hello(&[3; 32]);
    let of_chain = Hello {
        protocol_version: own.protocol_version,
        chain_id: own.chain_id.clone(),
        genesis_hash: own.genesis_hash.clone(),
        ..hello.clone()
    };
    check_hello(&of_chain);
    check_hello(&Hello {
        node_key: own.node_key,
        peer_key: own.peer_key,
        peer_key_signature: own.peer_key_signature,
        ..of_chain
    });
}

fn check_status(mut status: Status) {
    let remote = IDENTITY.check_hello(&IDENTITY.hello(&[3; 32])).expect("its own");
    assert!(!IDENTITY.check_status(&remote, &status), "nobody has signed it");
    IDENTITY.sign_status(&mut status);
    assert!(IDENTITY.check_status(&remote, &status));
    status.height = status.height.wrapping_add(1);
    assert!(!IDENTITY.check_status(&remote, &status), "another height");
    assert!(matches!(convert::times(&status), Received::Status(_)));
}

fn check_question(request: BlocksRequest) {
    let Some(query) = request.query else { return };
    match BlockQuery::parse(&query, MAX_BLOCKS as usize) {
        Ok(BlockQuery::One(hash)) => assert_eq!(query.block_hash.as_ref(), hash.0),
        Ok(BlockQuery::Stretch { locator, count, .. }) => {
            assert!((1..=MAX_BLOCKS as usize).contains(&count));
            assert_eq!(locator.len(), query.locator.len());
        }
        Err(refused) => assert!(!refused.message().is_empty()),
    }
}

fn run(bytes: &[u8]) {
    let Ok(PeerMessage { kind: Some(kind) }) = PeerMessage::decode(bytes) else { return };
    match kind {
        Kind::Hello(hello) => check_hellos(&hello),
        Kind::Status(status) => check_status(status),
        Kind::BlocksRequest(request) => check_question(request),
        Kind::NewBlock(new) => {
            let sent = new.block.clone();
            match convert::block(new.block, Fault::NoNewBlock, &GENESIS) {
                Ok(block) => {
                    let header = sent.expect("a block").header;
                    assert_eq!(block.hash(), Header::hash_bytes(&GENESIS, &header));
                }
                Err(fault) => assert!((1..=MAX_DETAIL_CHARS).contains(&fault.why().chars().count())),
            }
        }
        Kind::BlocksPart(part) => {
            let received = convert::part(part, &GENESIS);
            assert!(matches!(received, Received::Part { .. } | Received::Faulty(_)));
        }
        Kind::BlocksEnd(end) => {
            let Received::End { reason, .. } = convert::end(&end) else { panic!("an end") };
            assert!(reason.chars().count() <= MAX_SHOWN_CHARS + 1 && !reason.chars().any(char::is_control));
        }
        _ => {}
    }
}

#[test]
fn whatever_a_peer_says_is_taken_for_what_it_is() {
    vision_fuzz::check("peer_words", run, 5_000);
}
