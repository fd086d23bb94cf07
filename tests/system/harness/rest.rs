//! A blocking HTTP client of a few lines, so that a hanging node cannot hang a test.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

/// GETs a path from a port of this machine.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    let (status, body) = get_text(port, path)?;
    Ok(Answer { status, body: serde_json::from_str(&body).unwrap_or_default() })
}

/// POSTs a JSON body to a path of a port of this machine.
pub fn post(port: u16, path: &str, body: &Value) -> Result<Answer> {
    let body = body.to_string();
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let (status, body) = ask(port, &format!("POST {path}"), &head, &body)?;
    Ok(Answer { status, body: serde_json::from_str(&body).unwrap_or_default() })
}

/// GETs a path that answers with something else than JSON: its status and text.
pub fn get_text(port: u16, path: &str) -> Result<(u16, String)> {
    ask(port, &format!("GET {path}"), "", "")
}

fn ask(port: u16, request: &str, headers: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    write!(
        stream,
        "{request} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n{headers}\r\n{body}"
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = || Error::new(ErrorKind::InvalidData, format!("no HTTP answer: {text:.100}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(bad)?;
    Ok((status, body.to_owned()))
}
