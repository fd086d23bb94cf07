//! The dashboard: a few files that lie in the program, at `/` and beside it.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::caching::{ASK_AGAIN, Tag};

/// Nothing but what this gateway serves: no other host, no inline script or style, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src \
                      'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page: its sources, one after the other.
struct File {
    path: &'static str,
    content_type: &'static str,
    sources: &'static [Source],
}

/// A file below `page/`.
struct Source {
    #[cfg_attr(not(test), expect(dead_code, reason = "for the tests, which find what is left out"))]
    name: &'static str,
    text: &'static str,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(Source { name: $name, text: include_str!(concat!("../../page/", $name)) }),*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [File; 4] = [
    File { path: "/", content_type: "text/html; charset=utf-8", sources: sources!["index.html"] },
    File {
        path: "/app.css",
        content_type: "text/css; charset=utf-8",
        sources: sources!["css/00-base.css", "css/10-panels.css", "css/20-views.css"],
    },
    File {
        path: "/app.js",
        content_type: SCRIPT,
        sources: sources![
            "app/00-tools.js",
            "app/10-state.js",
            "app/20-status.js",
            "app/21-next.js",
            "app/22-ribbon.js",
            "app/23-nodes.js",
            "app/24-events.js",
            "app/25-tree.js",
            "app/26-charts.js",
            "app/27-pending.js",
            "app/30-line.js",
            "app/31-draw.js",
            "app/40-commands.js",
            "app/50-views.js",
            "app/51-block.js",
            "app/60-search.js",
            "app/61-file.js",
            "app/70-use.js",
        ],
    },
    File { path: "/hash.js", content_type: SCRIPT, sources: sources!["hash.js"] },
];

/// The rules that the page checks blocks by, as text: a browser shows it, and nobody needs another host for
/// it.
const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

impl File {
    /// What is sent: without leading blanks, without lines that are empty or only a comment, and without ends
    /// of lines that mean nothing.
    fn text(&self) -> Bytes {
        let lines = self.sources.iter().flat_map(|source| source.text.lines()).map(str::trim);
        let is_comment =
            |line: &str| line.starts_with("//") || line.starts_with("/*") && line.ends_with("*/");
        // In scripts and styles; what follows `//` may be a comment, which ends with the line.
        let goes_on = |line: &str| {
            self.path != "/" && line.ends_with([',', ';', '(', '[', '{']) && !line.contains("//")
        };
        lines
            .filter(|line| !line.is_empty() && !is_comment(line))
            .flat_map(|line| [line, if goes_on(line) { "" } else { "\n" }])
            .collect::<String>()
            .into()
    }
}

/// The routes of the page's files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // Browsers ask for a picture by themselves. There is none, and that is no fault.
    let router = Router::new().route("/favicon.ico", get(|| std::future::ready(StatusCode::NO_CONTENT)));
    let files = FILES.iter().map(|file| (file.path, file.content_type, file.text()));
    let protocol = ("/protocol.txt", "text/plain; charset=utf-8", Bytes::from_static(PROTOCOL.as_bytes()));
    files.chain([protocol]).fold(router, |router, (path, content_type, text)| {
        let tag = Tag::of_bytes(&text);
        let answer =
            move |asked: HeaderMap| std::future::ready(answer(content_type, &text, tag.as_ref(), &asked));
        router.route(path, get(answer))
    })
}

fn answer(content_type: &'static str, text: &Bytes, tag: Option<&Tag>, asked: &HeaderMap) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    match tag {
        Some(tag) if tag.is_known(asked) => tag.mark(StatusCode::NOT_MODIFIED.into_response(), ASK_AGAIN),
        Some(tag) => tag.mark((headers, text.clone()).into_response(), ASK_AGAIN),
        None => (headers, text.clone()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_source_is_served_in_the_order_of_names() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        for directory in ["app", "css"] {
            let entries = std::fs::read_dir(page.join(directory)).expect("a directory");
            let name =
                |entry: std::fs::DirEntry| format!("{directory}/{}", entry.file_name().to_string_lossy());
            let mut there: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
            there.sort();
            let path = ["/app.js", "/app.css"][usize::from(directory == "css")];
            let file = FILES.iter().find(|file| file.path == path).expect("a file");
            assert_eq!(file.sources.iter().map(|source| source.name).collect::<Vec<_>>(), there);
        }
    }

    #[test]
    fn no_text_of_a_script_spans_lines() {
        // Else a line of it could be taken for a comment.
        for source in FILES.iter().flat_map(|file| file.sources) {
            for line in source.text.lines() {
                assert!(line.matches('`').count() % 2 == 0, "{}: {line}", source.name);
            }
        }
    }

    #[test]
    fn what_is_sent_is_lean() {
        const TWO: File = File {
            path: "/app.js",
            content_type: SCRIPT,
            sources: &[
                Source { name: "a", text: "// one\n\n  call('// two');\n" },
                Source {
                    name: "b",
                    text: "/* three */\n  /* four */ five\n  six({\n  seven,\n  eight, // nine,\n  })\n",
                },
            ],
        };
        assert_eq!(TWO.text(), "call('// two');\n/* four */ five\nsix({seven,eight, // nine,\n})\n");
        let page = File { path: "/", ..TWO };
        assert_eq!(
            page.text().iter().filter(|byte| **byte == b'\n').count(),
            6,
            "of text every line is sent"
        );
    }
}
