//! Words of commands that people are to type.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// One word as a shell reads it back: bare where nothing in it means anything to a shell, else in quotes.
/// Also for names with line breaks or bytes that are no text, so that the command stays one line.
#[must_use]
pub fn word(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => escaped(bytes),
    }
}

/// In the form that spells bytes as numbers, which bash, zsh, ksh and the POSIX of 2024 know.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text.push_str(&format!("\\{other:03o}")),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases: [(&str, &[u8], &str); 13] = [
            ("plain", b".vision/testnet", ".vision/testnet"),
            ("URL", b"http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("nothing", b"", "''"),
            ("space", b"/a b/c", "'/a b/c'"),
            ("quote", b"it's", r"'it'\''s'"),
            ("dollar", b"$HOME", "'$HOME'"),
            ("home", b"~/x", "'~/x'"),
            ("pattern", b"*?[a]", "'*?[a]'"),
            ("command", b"a;b|c&d`e`", "'a;b|c&d`e`'"),
            ("backslash", br"a\b", r"'a\b'"),
            ("another language", "größe".as_bytes(), "'größe'"),
            ("line break", b"a\n'b\\", r"$'a\012\'b\\'"),
            ("no text", b"a\xffb", r"$'a\377b'"),
        ];
        for (desc, bytes, expect) in cases {
            assert_eq!(word(OsStr::from_bytes(bytes)), expect, "{desc}");
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let every: Vec<u8> = (1..=255).collect();
        let cases: [&[u8]; 6] = [b"a b", b"it's \"$HOME\" `x` \\", b"", b"-n", b"a\tb\nc", &every];
        for bytes in cases {
            let script = format!("printf %s {}", word(OsStr::from_bytes(bytes)));
            let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash");
            assert_eq!(output.stdout, bytes, "{script}");
        }
    }
}
