use prost_reflect::Kind as Type;
use serde_json::{Value, json};

use super::*;
use crate::chain::{GetAccountResponse, GetProducersResponse, Peer, Producer, producer};

fn route(path: &str) -> &'static Route {
    let is_it = |route: &&Route| route.verb == "GET" && route.path == path;
    api().routes().iter().find(is_it).unwrap_or_else(|| panic!("no {path}"))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_method_has_a_route_or_a_reason_why_not() {
    assert_eq!(api().undecided(), [""; 0], "annotate it in the protocol file");
    let known =
        api().routes().iter().map(|route| route.method.clone()).chain(api().without_route().keys().cloned());
    let mut known: Vec<String> = known.collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known, crate::METHODS);
    for private in ["ChainService/PrepareBlock", "ChainService/SubmitBlock", "ChainService/ReportSnapshot"] {
        assert!(api().without_route().contains_key(&format!("vision.chain.v1.{private}")), "{private}");
    }
    assert!(!api().routes().iter().any(|route| route.package().contains("p2p")));
}

#[test]
fn parameters_become_a_request() {
    let hash = "ab".repeat(32);
    let accounts = route("/api/accounts/{address}");
    let asked = accounts.ask(&pairs(&[("address", &format!("0x{hash}"))]), &pairs(&[("proof", "true")]));
    let expect = crate::chain::GetAccountRequest { address: hash.clone(), with_proof: true };
    let decoded: crate::chain::GetAccountRequest =
        prost::Message::decode(asked.expect("fits").request).expect("decodes");
    assert_eq!(decoded, expect);
    type Query<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, &str, Query<'_>, Reason, Option<&str>); 8] = [
        ("capitals", &hash.to_uppercase(), &[], Reason::InvalidHash, Some("address")),
        ("two prefixes", &format!("0x0x{hash}"), &[], Reason::InvalidHash, Some("address")),
        ("nothing", "", &[], Reason::InvalidHash, Some("address")),
        ("no flag", &hash, &[("proof", "1")], Reason::InvalidArgument, Some("proof")),
        ("twice", &hash, &[("proof", "true"), ("proof", "true")], Reason::InvalidArgument, Some("proof")),
        ("unknown", &hash, &[("poof", "true")], Reason::InvalidArgument, None),
        ("the field's own name", &hash, &[("with_proof", "true")], Reason::InvalidArgument, None),
        ("what stands in the path", &hash, &[("address", &hash)], Reason::InvalidArgument, None),
    ];
    for (desc, address, query, reason, field) in cases {
        let refused = accounts.ask(&pairs(&[("address", address)]), &pairs(query)).expect_err(desc);
        assert_eq!((refused.reason, refused.field.as_deref()), (reason, field), "{desc}: {}", refused.detail);
        assert!(refused.detail.len() < 200, "{desc}");
    }
    let producers = route("/api/chain/producers");
    for (text, fits) in [
        ("0", true),
        ("18446744073709551615", true),
        ("-1", false),
        ("+1", false),
        ("0x1", false),
        ("", false),
    ] {
        assert_eq!(producers.ask(&[], &pairs(&[("height", text)])).is_ok(), fits, "{text}");
    }
    assert!(producers.ask(&[], &pairs(&[("hash", &hash)])).is_err(), "hidden");
}

#[test]
fn messages_become_json() {
    let text = |json: Result<Bytes, Status>| String::from_utf8(json.expect("known").to_vec()).expect("text");
    let peer = Peer { node_id: "ab".into(), state: 1, rtt_ms: Some(0.5), delivers: true, ..Peer::default() };
    let expect = concat!(
        r#"{"node_id":"ab","address":"","state":"connected","height":0,"tip_hash":"","rtt_ms":0.5,"#,
        r#""clock_offset_ms":null,"version":"","inbound":false,"last_status_at_ms":0,"charge":0}"#,
    );
    assert_eq!(text(api().json(&peer)), expect);
    let account = GetAccountResponse {
        balance: u64::MAX,
        nonce: 7,
        pending_nonce: 9,
        height: 5,
        ..GetAccountResponse::default()
    };
    let expect = r#"{"address":"","balance":"18446744073709551615","nonce":7,"pending_nonce":9,"height":5}"#;
    assert_eq!(text(api().json(&account)), expect, "as the file has them, not by number");
    for (status, word) in [(producer::Status::Suspended as i32, "suspended"), (0, "unknown"), (99, "unknown")]
    {
        let answer = GetProducersResponse {
            registered: vec![Producer { status, ..Producer::default() }],
            ..Default::default()
        };
        let value: Value = serde_json::from_slice(&api().json(&answer).expect("known")).expect("JSON");
        assert_eq!(value["registered"][0]["status"], word);
    }
}

#[test]
fn the_description_has_every_route_and_a_text_for_everything() {
    let description = api().openapi();
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.contains_key("/api/chain/blocks/{height_or_hash}"), "{:?}", paths.keys());
    for route in api().routes().iter().filter(|route| !route.descriptor.is_server_streaming()) {
        let same = |path: &&String| path.split('{').next() == route.path.split('{').next();
        assert!(paths.keys().any(|path| same(&path)), "{}", route.path);
    }
    for (path, operations) in paths {
        for operation in operations.as_object().expect("operations").values() {
            assert_ne!(operation["summary"], "", "{path}");
            for parameter in operation["parameters"].as_array().expect("a list") {
                assert_ne!(parameter["description"], "", "{path}: {parameter}");
            }
        }
    }
    let peer = &description["components"]["schemas"]["chain.v1.Peer"];
    assert_eq!(peer["properties"]["state"]["enum"], json!(["unknown", "connected", "stale"]));
    assert_eq!(peer["properties"]["node_id"]["pattern"], "^[0-9a-f]{64}$");
    assert!(peer["properties"].get("delivers").is_none());
}

/// What a field of a request may be that a caller sets.
#[test]
fn every_parameter_can_be_given() {
    for route in api().routes().iter().filter(|route| route.verb == "GET") {
        for parameter in &route.parameters {
            let name = parameter.field.full_name().to_owned();
            let is_simple = !matches!(
                parameter.field.kind(),
                Type::Message(_) | Type::Enum(_) | Type::Double | Type::Float
            );
            assert!(is_simple && !parameter.field.is_map(), "{name}");
        }
    }
}

#[test]
fn a_list_is_shown_item_by_item_as_it_would_be_at_once() {
    let peers = vec![Peer { height: 7, ..Peer::default() }, Peer::default()];
    let answer = crate::chain::ListPeersResponse { peers };
    let encoded = prost::Message::encode_to_vec(&answer);
    let shown = api().answer(route("/api/peers"), &encoded).expect("decodes");
    assert_eq!(shown, api().json(&answer).expect("known"));
    assert_eq!(api().answer(route("/api/peers"), &[]).expect("decodes"), r#"{"peers":[]}"#);
    // What stands beside lists, before and behind them.
    let page = crate::chain::GetProducersResponse {
        height: 5,
        active: vec!["ab".into(), "cd".into()],
        registered: vec![Producer { missed: 3, ..Producer::default() }; 3],
        pool_root: "ef".into(),
        ..GetProducersResponse::default()
    };
    let encoded = prost::Message::encode_to_vec(&page);
    let shown = api().answer(route("/api/chain/producers"), &encoded).expect("decodes");
    assert_eq!(shown, api().json(&page).expect("known"));
    for cut in 1..encoded.len() {
        if let Ok(shown) = api().answer(route("/api/chain/producers"), &encoded[..cut]) {
            serde_json::from_slice::<Value>(&shown).expect("whole fields are left out, none is cut");
        }
    }
    let torn = [&encoded[..], &[0x22, 0x05, 0x00]].concat();
    api().answer(route("/api/chain/producers"), &torn).expect_err("an item that is cut off");
}

#[test]
fn a_list_weighs_what_its_items_may_take() {
    let list = route("/api/transactions");
    let of = |limit: &[(&str, &str)]| {
        let query = [
            &[("sender", "ab".repeat(32))][..],
            &limit.iter().map(|(k, v)| (*k, (*v).to_owned())).collect::<Vec<_>>(),
        ]
        .concat();
        let query: Vec<_> = query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        list.ask(&[], &query).expect("fits").weight_bytes
    };
    let (most, largest, each) = (3_956_736, 811_008, 3_072);
    assert_eq!(of(&[("limit", "1")]), largest + each);
    assert_eq!(of(&[]), most + 50 * each);
    assert_eq!(of(&[("limit", "9999")]), most + 500 * each);
    let pending = route("/api/transactions/pending").ask(&[], &pairs(&[("limit", "1")])).expect("fits");
    assert_eq!(pending.weight_bytes, 1 << 20, "without a weight of its items");
}

#[test]
fn what_must_be_given_is_asked_for() {
    let list = route("/api/transactions");
    for query in [&[][..], &[("limit", "5")], &[("page_token", "x")]] {
        let refused = list.ask(&[], &pairs(query)).expect_err("neither");
        let reported = (refused.reason, refused.field.as_deref(), refused.detail.as_str());
        let detail = "sender: give at least one of sender, data_prefix";
        assert_eq!(reported, (Reason::InvalidArgument, Some("sender"), detail), "{query:?}");
    }
    for prefix in ["01ab", "01AB"] {
        let asked = list.ask(&[], &pairs(&[("data_prefix", prefix)])).expect("fits");
        let asked: crate::chain::ListTransactionsRequest =
            prost::Message::decode(asked.request).expect("decodes");
        assert_eq!((&asked.data_prefix[..], asked.page_size), (&[1, 0xab][..], 50));
    }
}
