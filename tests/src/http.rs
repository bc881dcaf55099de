//! The few lines of HTTP/1.1 that asking the admin port takes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::net::loopback;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// Sends one request to `port` on loopback, with `token` as bearer where there is one.
///
/// # Errors
/// Nobody answers, or not with HTTP.
pub fn request(port: u16, method: &str, path: &str, token: Option<&str>) -> io::Result<Answer> {
    let mut socket = TcpStream::connect_timeout(&loopback(port), Duration::from_secs(2))?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: 0\r\n{authorization}\r\n"
    );
    socket.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body)? } else { body.to_owned() };
    Some(Answer { status, body })
}

fn unchunk(mut text: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(rest.get(..size)?);
        text = rest.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_chunked_answers_are_read() {
        let plain = parse("HTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\nno").expect("HTTP");
        assert_eq!((plain.status, plain.body.as_str()), (503, "no"));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).expect("HTTP").body, "abcd");
    }
}
