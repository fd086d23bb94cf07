//! `/api/openapi.json` has every route that is served, but for the page's files, and no other.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::Node;
use support::http::request;

/// Every path that the sources route, with `{}` for what varies.
fn routed(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name == "page.rs") {
            // The page and its files are for browsers, which need no description.
        } else if path.is_dir() {
            routed(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            let routes = text.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
            into.extend(routes.map(any_name));
        }
    }
}

/// `/blocks/{}` of `/blocks/{id}`.
fn any_name(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn what_is_served_is_described_and_what_is_described_is_served() {
    let node = Node::start().await;
    let answer = node.get("/api/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let document = answer.json();
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &"1.2.3".into()));
    let described: BTreeSet<String> =
        document["paths"].as_object().expect("paths").keys().map(|path| any_name(path)).collect();

    let mut served = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut served);
    let of_protocol = vision_wire::rest::api().routes().iter().filter(|route| route.own_code.is_empty());
    served.extend(of_protocol.map(|route| any_name(&route.path)));
    assert!(served.len() >= 17, "{served:?}");
    assert_eq!(described, served);

    for (path, operations) in document["paths"].as_object().expect("paths") {
        let reported = request(node.gateway.address, "OPTIONS", &any_name(path).replace("{}", "5")).await;
        let allowed = reported.header("allow").unwrap_or_else(|| panic!("{path}: {reported:?}"));
        let allowed: BTreeSet<String> = allowed
            .split(',')
            .filter(|verb| !["HEAD", "OPTIONS"].contains(verb))
            .map(str::to_lowercase)
            .collect();
        let verbs: BTreeSet<String> = operations.as_object().expect("operations").keys().cloned().collect();
        assert_eq!(verbs, allowed, "{path}");
    }
}

/// What is written by hand has its reason in ADR 5: that of the protocol file, if it is a route of one.
#[test]
fn every_route_by_hand_has_a_reason() {
    const ADR: &str = include_str!("../../../docs/adr/0005-rest-from-protos.md");
    let rows: Vec<(&str, &str)> = ADR
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .collect();
    let reason = |path: &str| {
        let named = format!("`{path}`");
        let row = rows.iter().find(|(routes, _)| routes.contains(&named));
        row.unwrap_or_else(|| panic!("{path} has no row in ADR 5")).1
    };
    let mut by_hand = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut by_hand);
    assert!(by_hand.len() >= 10, "{by_hand:?}");
    for path in &by_hand {
        assert!(!reason(&path.replace("{}", "{id}")).is_empty(), "{path}");
    }
    let reported = vision_wire::rest::api().routes().iter().filter(|route| !route.own_code.is_empty());
    for route in reported {
        let path = any_name(&route.path);
        assert!(by_hand.contains(&path), "{path} has no code of its own");
        assert_eq!(reason(&path.replace("{}", "{id}")), route.own_code, "{path}");
    }
    let named = rows.iter().flat_map(|(routes, _)| routes.split('`').filter(|text| text.starts_with('/')));
    for path in named {
        assert!(by_hand.contains(&any_name(path)), "{path} is not written by hand any more");
    }
}

/// Names of the parameters in a query, as the description has them, are those that are taken.
#[tokio::test]
async fn parameters_that_are_not_described_are_refused_and_named() {
    let node = Node::start().await;
    let document = node.get("/api/openapi.json").await.json();
    let mut looked_at = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let parameters = operations["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let names: BTreeSet<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
            .collect();
        if operations.get("get").is_none()
            || ["/healthz", "/readyz", "/metrics", "/api/mining/status"].contains(&path.as_str())
        {
            continue;
        }
        let refused =
            node.get(&format!("{}?no_such=1", any_name(path).replace("{}", &"ab".repeat(32)))).await;
        let problem = refused.json();
        assert_eq!(
            (refused.status, &problem["reason"]),
            (400, &Value::from("INVALID_ARGUMENT")),
            "{path}: {refused:?}"
        );
        let known =
            problem["detail"].as_str().and_then(|text| text.split("known: ").nth(1)).unwrap_or_default();
        let known: BTreeSet<String> =
            known.split(", ").filter(|name| *name != "none").map(str::to_owned).collect();
        assert_eq!(known, names, "{path}");
        looked_at += 1;
    }
    assert!(looked_at >= 10, "{looked_at}");
}
