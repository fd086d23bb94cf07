//! A raw client of server-sent events.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

use super::{Node, SOON};

/// An open stream.
pub struct Events {
    /// Lines of the answer's head.
    pub head: Vec<String>,
    lines: Lines<BufReader<TcpStream>>,
}

/// An event with data.
#[derive(Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

impl Events {
    /// Opens the stream of transactions with these headers besides, each with its line end.
    pub async fn open(node: &Node, headers: &str) -> Self {
        Self::open_at(node, "/api/transactions/events", headers).await
    }

    /// Opens the stream of a path.
    pub async fn open_at(node: &Node, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(node.gateway.address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut events = Self { head: Vec::new(), lines: BufReader::new(stream).lines() };
        while let Some(line) = events.line().await.filter(|line| !line.is_empty()) {
            events.head.push(line.to_ascii_lowercase());
        }
        assert_eq!(events.head[0], "http/1.1 200 ok");
        events
    }

    /// The next line, none at the end.
    pub async fn line(&mut self) -> Option<String> {
        tokio::time::timeout(SOON, self.lines.next_line()).await.expect("a line in time").expect("readable")
    }

    /// Reads on until a line is this.
    pub async fn until_line(&mut self, wanted: &str) {
        while self.line().await.expect("the stream goes on") != wanted {}
    }

    /// Reads on until it is said that nothing happened, and gives the cursor that comes with it.
    pub async fn nothing(&mut self) -> String {
        let mut id = String::new();
        loop {
            let line = self.line().await.expect("the stream goes on");
            match line.split_once(": ") {
                Some(("id", text)) => text.clone_into(&mut id),
                Some(("", "nothing happened")) => return id,
                _ => {}
            }
        }
    }

    /// The next event with data.
    pub async fn next(&mut self) -> Event {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let line = self.line().await.expect("the stream goes on");
            match line.split_once(": ") {
                // An id alone moves the cursor on, and is no event.
                None if line.is_empty() => (name, id) = (String::new(), String::new()),
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("id", text)) => text.clone_into(&mut id),
                Some(("data", text)) => {
                    return Event { name, id, data: serde_json::from_str(text).expect("JSON") };
                }
                _ => {}
            }
        }
    }
}
