//! Where people find the pages of the nodes. Never reported by peers.

use std::collections::BTreeMap;

use axum::http::Uri;
use serde::Deserialize;

/// Most nodes whose pages are named.
const MAX_PAGES: usize = 256;

/// URLs by the name or id of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Pages(BTreeMap<String, String>);

/// URLs that are none.
#[derive(Debug, thiserror::Error)]
pub enum NoPages {
    /// Not something a browser can open.
    #[error("{0}: the value is not a URL that begins with http:// or https://")]
    NoUrl(String),
    /// More than there is room for.
    #[error("at most {MAX_PAGES} nodes may have one")]
    TooMany,
}

impl TryFrom<BTreeMap<String, String>> for Pages {
    type Error = NoPages;

    fn try_from(urls: BTreeMap<String, String>) -> Result<Self, NoPages> {
        if urls.len() > MAX_PAGES {
            return Err(NoPages::TooMany);
        }
        let is_url = |url: &str| {
            url.parse::<Uri>()
                .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        };
        match urls.iter().find(|(_, url)| !is_url(url)) {
            Some((node, _)) => Err(NoPages::NoUrl(node.chars().take(64).collect())),
            None => Ok(Self(urls)),
        }
    }
}

impl Pages {
    /// The URL of a node, by its id or else by its name.
    pub fn url_of(&self, node_id: &str, name: &str) -> Option<&str> {
        self.0.get(node_id).or_else(|| self.0.get(name)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Pages, NoPages> {
        BTreeMap::from([("node2".to_owned(), url.to_owned())]).try_into()
    }

    #[test]
    fn only_what_a_browser_opens_is_a_page() {
        let cases = [
            ("http://127.0.0.1:8081", true),
            ("https://node2.example.org/vision/", true),
            ("127.0.0.1:8081", false),
            ("javascript:alert(1)", false),
            ("http://", false),
            ("", false),
        ];
        for (url, expect) in cases {
            assert_eq!(read(url).is_ok(), expect, "{url}");
        }
        let many: BTreeMap<String, String> =
            (0..=MAX_PAGES).map(|n| (n.to_string(), "http://a".to_owned())).collect();
        assert!(Pages::try_from(many).is_err());
    }

    #[test]
    fn an_id_goes_before_a_name() {
        let pages = BTreeMap::from([
            ("node2".to_owned(), "http://name".to_owned()),
            ("ab".repeat(32), "http://id".to_owned()),
        ]);
        let pages = Pages::try_from(pages).expect("URLs");
        assert_eq!(pages.url_of(&"ab".repeat(32), "node2"), Some("http://id"));
        assert_eq!(pages.url_of(&"cd".repeat(32), "node2"), Some("http://name"));
        assert_eq!(pages.url_of(&"cd".repeat(32), "node3"), None);
    }
}
