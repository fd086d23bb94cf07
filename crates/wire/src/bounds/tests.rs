use bytes::Bytes;
use prost::{Message, Name};
use vision_primitives::{Action, Hash, MAX_DATA_BYTES, SecretKey, Transaction};

use super::*;
use crate::p2p::peer_message::Kind;
use crate::{MAX_MESSAGE_BYTES, chain, p2p, reason_of, selection, types};

fn checked<M: Message + Name>(message: &M) -> Result<(), String> {
    check(&message.encode_to_vec(), fields_of(&M::full_name()))
        .map_err(|status| reason_of(&status).expect("a reason"))
}

fn said(kind: Kind) -> p2p::ExchangeRequest {
    p2p::ExchangeRequest { message: Some(p2p::PeerMessage { kind: Some(kind) }) }
}

fn block(transactions: Vec<Bytes>) -> Option<types::Block> {
    let (header, signature) = (vec![1; 290].into(), vec![2; 64].into());
    Some(types::Block { header, signature, transactions, certificate: Bytes::new() })
}

fn entries(count: usize, bytes: usize) -> Vec<Bytes> {
    vec![Bytes::from(vec![7; bytes]); count]
}

#[test]
fn lists_are_counted_wherever_they_are() {
    let ask = |count| p2p::GetBlocksRequest { locator: entries(count, 32), ..Default::default() };
    let schedule = |active: usize, registered: usize, slots: usize| selection::GetScheduleRequest {
        active: vec![String::new(); active],
        registered: vec!["ab".into(); registered],
        slots: vec![300; slots],
        ..Default::default()
    };
    let new = |transactions| {
        said(Kind::NewBlock(p2p::NewBlock { block: block(transactions), traceparent: String::new() }))
    };
    let part =
        |transactions| said(Kind::BlocksPart(p2p::BlocksPart { request_id: 1, block: block(transactions) }));
    let reported = |count| said(Kind::Transactions(p2p::Transactions { transactions: entries(count, 0) }));
    let known =
        |count| said(Kind::Addresses(p2p::PeerAddresses { addresses: vec!["a:1".to_owned(); count] }));
    let question =
        |count| said(Kind::BlocksRequest(p2p::BlocksRequest { request_id: 1, query: Some(ask(count)) }));
    let submitted = |count| chain::SubmitTransactionsRequest { transactions: entries(count, 0) };
    let own_block = |transactions| chain::SubmitBlockRequest { transactions, ..Default::default() };
    let verify =
        |slots| selection::VerifySlotRequest { schedule: Some(schedule(0, 0, slots)), ..Default::default() };
    let (ok, bad) = (Ok(()), |reason: &str| Err(reason.to_owned()));
    let (short, whole) = (MIN_TRANSACTION_BYTES - 1, MIN_TRANSACTION_BYTES);
    type Verdict = Result<(), String>;
    let cases: [(&str, Verdict, Verdict); 22] = [
        ("new block", checked(&new(entries(3000, whole))), ok.clone()),
        ("new block, one short", checked(&new(entries(1, short))), bad("INVALID_ARGUMENT")),
        ("part", checked(&part(entries(3000, whole))), ok.clone()),
        ("part of nothing", checked(&part(entries(650_000, 0))), bad("INVALID_ARGUMENT")),
        ("reported", checked(&reported(1024)), ok.clone()),
        ("reported too much", checked(&reported(1025)), bad("MALFORMED_MESSAGE")),
        ("addresses", checked(&known(64)), ok.clone()),
        ("too many addresses", checked(&known(65)), bad("MALFORMED_MESSAGE")),
        ("question", checked(&question(64)), ok.clone()),
        ("long question", checked(&question(65)), bad("INVALID_ARGUMENT")),
        ("call for blocks", checked(&ask(64)), ok.clone()),
        ("long call for blocks", checked(&ask(65)), bad("INVALID_ARGUMENT")),
        ("submitted", checked(&submitted(1024)), ok.clone()),
        ("too much submitted", checked(&submitted(1025)), bad("INVALID_ARGUMENT")),
        ("own block", checked(&own_block(entries(9, whole))), ok.clone()),
        ("own block of nothing", checked(&own_block(entries(9, 0))), bad("INVALID_ARGUMENT")),
        ("schedule", checked(&schedule(MAX_POOL_IDS, MAX_POOL_IDS, MAX_SLOTS)), ok.clone()),
        ("active", checked(&schedule(MAX_POOL_IDS + 1, 0, 0)), bad("TOO_MANY_IDS")),
        ("registered", checked(&schedule(0, MAX_POOL_IDS + 1, 0)), bad("TOO_MANY_IDS")),
        ("slots", checked(&schedule(1, 1, MAX_SLOTS + 1)), bad("TOO_MANY_SLOTS")),
        ("verified", checked(&verify(MAX_SLOTS)), ok.clone()),
        ("verified slots", checked(&verify(MAX_SLOTS + 1)), bad("TOO_MANY_SLOTS")),
    ];
    for (desc, got, expect) in cases {
        assert_eq!(got, expect, "{desc}");
    }
}

#[test]
fn no_way_to_write_a_list_escapes_the_count() {
    let fields = fields_of("vision.selection.v1.GetScheduleRequest");
    let reason = |bytes: &[u8]| check(bytes, fields).err().and_then(|status| reason_of(&status));
    let field = |number: u8, wire: u8| (number << 3) | wire;
    let unpacked = [field(6, 0), 1].repeat(MAX_SLOTS + 1);
    assert_eq!(reason(&unpacked).as_deref(), Some("TOO_MANY_SLOTS"), "one number after the other");
    let packed = [field(6, 2), 2, 1, 1].repeat(MAX_SLOTS / 2 + 1);
    assert_eq!(reason(&packed).as_deref(), Some("TOO_MANY_SLOTS"), "packed by twos");
    // Behind an unknown group, a fixed number and a number of the longest form.
    let mut hidden =
        vec![field(9, 3), field(9, 4), field(10, 1), 0, 0, 0, 0, 0, 0, 0, 0, field(11, 5), 0, 0, 0, 0];
    hidden.extend([field(12, 0), 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    hidden.extend(&unpacked);
    assert!(selection::GetScheduleRequest::decode(&hidden[..]).is_ok(), "the decoder reads on");
    assert_eq!(reason(&hidden).as_deref(), Some("TOO_MANY_SLOTS"));
    // Parts of one message are one message.
    let half =
        said(Kind::Addresses(p2p::PeerAddresses { addresses: vec!["a:1".into(); 40] })).encode_to_vec();
    let fields = fields_of("vision.p2p.v1.ExchangeRequest");
    assert!(check(&half, fields).is_ok());
    let twice = half.repeat(2);
    let merged = p2p::ExchangeRequest::decode(&twice[..]).expect("it decodes").message.and_then(|m| m.kind);
    assert!(matches!(merged, Some(Kind::Addresses(list)) if list.addresses.len() == 80));
    assert!(check(&twice, fields).is_err());
    for broken in [&[0x0a][..], &[0x0a, 0xff], &[0xff; 11], &[0x0f, 1]] {
        assert!(check(broken, fields).is_ok(), "what does not decode is the decoder's to refuse");
    }
}

#[test]
fn every_list_that_comes_from_outside_is_in_the_table() {
    let set = prost_types::FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).expect("it decodes");
    let messages: BTreeMap<String, &prost_types::DescriptorProto> = set
        .file
        .iter()
        .flat_map(|file| {
            file.message_type
                .iter()
                .map(|message| (format!(".{}.{}", file.package(), message.name()), message))
        })
        .collect();
    // Answers of this node's own services are trusted; those of peers are not.
    let outside = set.file.iter().flat_map(|file| &file.service).flat_map(|service| {
        let peers = service.name() == "PeerService";
        service.method.iter().flat_map(move |method| {
            let answer = peers.then(|| method.output_type().to_owned());
            answer.into_iter().chain([method.input_type().to_owned()])
        })
    });
    for root in outside {
        assert_covered(&messages, &root, fields_of(&root[1..]), &root);
    }
}

fn assert_covered(
    messages: &BTreeMap<String, &prost_types::DescriptorProto>,
    name: &str,
    fields: &[Field],
    path: &str,
) {
    for field in &messages[name].field {
        let path = format!("{path}.{}", field.name());
        let known =
            fields.iter().find(|known| known.number == u64::try_from(field.number()).expect("a number"));
        if field.label() == prost_types::field_descriptor_proto::Label::Repeated {
            assert!(matches!(known, Some(Field { holds: Holds::List(_), .. })), "{path} is not bounded");
        } else if field.r#type() == prost_types::field_descriptor_proto::Type::Message {
            let inner = match known {
                Some(Field { holds: Holds::Message(inner), .. }) => inner,
                _ => &[][..],
            };
            assert_covered(messages, field.type_name(), inner, &path);
        }
    }
}

#[test]
fn the_largest_block_of_any_parameters_fits_its_messages() {
    for (max_block_txs, max_block_bytes) in [
        (0, 4096),
        (500, 1 << 20),
        (100_000, 4096),
        (100_000, 11_300_354),
        (100_000, 14_000_000),
        (100_000, 33_554_432),
        (500, 33_554_432),
        (1, 33_554_432),
    ] {
        let params = ConsensusParams { max_block_txs, max_block_bytes, ..Default::default() };
        params.check().expect("in range");
        let limit = max_block_message_bytes(&params);
        assert!(limit <= MAX_MESSAGE_BYTES, "{limit}: whoever asks for a block takes it");
        let largest = MIN_TRANSACTION_BYTES + 4 + MAX_DATA_BYTES;
        let even = (max_block_bytes / max_block_txs.max(1)) as usize;
        for size in [MIN_TRANSACTION_BYTES, 127, 128, 16_383, 16_384, even, largest] {
            let size = size.clamp(MIN_TRANSACTION_BYTES, largest);
            let count = max_block_txs.min((max_block_bytes - 354) / size as u64) as usize;
            let (block, desc) =
                (block(entries(count, size)), format!("{count} of {size} in {max_block_bytes}"));
            let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
            let transactions = block.clone().expect("made").transactions;
            let header: Bytes = vec![0; 512].into();
            let submitted = chain::SubmitBlockRequest {
                header,
                signature: vec![0; 64].into(),
                transactions: transactions.clone(),
            };
            let prepared = chain::PrepareBlockResponse { transactions, ..Default::default() };
            let part = p2p::BlocksPart { request_id: u64::MAX, block: block.clone() };
            let new = p2p::NewBlock { block: block.clone(), traceparent };
            let alone = p2p::GetBlocksResponse { block: block.clone() };
            for bytes in [
                said(Kind::NewBlock(new)).encoded_len(),
                said(Kind::BlocksPart(part)).encoded_len(),
                alone.encoded_len(),
                submitted.encoded_len(),
                prepared.encoded_len(),
            ] {
                assert!(bytes <= limit, "{desc}: {bytes} bytes, the limit is {limit}");
            }
        }
    }
}

#[test]
fn the_largest_requests_fit_their_calls() {
    let ids = || (0..MAX_POOL_IDS).map(|_| "f".repeat(64)).collect();
    let schedule = selection::GetScheduleRequest {
        chain_id: "c".repeat(64),
        entropy: "e".repeat(64),
        height: u64::MAX,
        active: ids(),
        registered: ids(),
        slots: vec![u64::MAX; MAX_SLOTS],
        parent_timestamp_ms: u64::MAX,
        params: Some(selection::ScheduleParams::default()),
    };
    let schedule = selection::VerifySlotRequest {
        schedule: Some(schedule),
        slot: u64::MAX,
        node_id: "f".repeat(64),
        timestamp_ms: u64::MAX,
    };
    assert!(schedule.encoded_len() <= MAX_SCHEDULE_BYTES, "{}", schedule.encoded_len());
    let key = SecretKey::from_seed(&[1; 32]);
    let sign = |action| {
        let transaction = Transaction { sender: key.public_key(), nonce: 0, fee: 1, action };
        transaction.sign(&key, &Hash::ZERO).bytes().to_vec()
    };
    assert_eq!(sign(Action::ExitProducer).len(), MIN_TRANSACTION_BYTES, "none is smaller");
    let transaction = sign(Action::Data { bytes: vec![1; MAX_DATA_BYTES] }).into();
    let largest = chain::SubmitTransactionRequest { transaction, wait: true };
    assert!(largest.encoded_len() <= MAX_SMALL_MESSAGE_BYTES);
}
