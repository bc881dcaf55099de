use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::bridge::{ClusterReadiness, Readiness, ReloadOutcome, ReloadReply, SourceReadiness};
use super::super::status::Status;
use super::*;
use crate::config::Secret;

/// Stands for the running bridge.
#[derive(Default)]
struct FakeBridge {
    subscribed: bool,
    reloads: AtomicU64,
}

impl Bridge for FakeBridge {
    fn readiness(&self) -> Readiness {
        let source = SourceReadiness { name: "plant".into(), connected: true, subscribed: self.subscribed };
        let cluster = ClusterReadiness { name: "main".into(), answered: true };
        Readiness { sources: vec![source], clusters: vec![cluster] }
    }

    fn status(&self) -> Status {
        Status {
            version: "1.2.3",
            generation: 4,
            last_reload: None,
            sources: Vec::new(),
            clusters: Vec::new(),
            rules: Vec::new(),
            plugins: Vec::new(),
        }
    }

    fn metrics(&self) -> String {
        "# EOF\n".into()
    }

    fn reload(&self) -> ReloadReply {
        let generation = self.reloads.fetch_add(1, Ordering::SeqCst) + 1;
        ReloadReply { outcome: ReloadOutcome::Swapped, generation, problems: Vec::new() }
    }
}

fn start(limits: Limits, token: Option<&str>, bridge: FakeBridge) -> AdminHandle {
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = AdminConfig { listen, token: token.map(|token| Secret::new(token.into())) };
    serve_within(limits, &config, Arc::new(bridge)).unwrap().unwrap()
}

fn ready() -> FakeBridge {
    FakeBridge { subscribed: true, ..FakeBridge::default() }
}

/// Everything that the server says until it closes. A reset counts as the end: that is how an over-long request ends.
fn read_all(mut stream: &TcpStream) -> String {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..count]);
    }
    String::from_utf8(answer).unwrap()
}

fn ask(handle: &AdminHandle, request: &str) -> String {
    let mut stream = TcpStream::connect(handle.local_addr()).unwrap();
    // The server may close while an over-long request is still being sent.
    let _ = stream.write_all(request.as_bytes());
    read_all(&stream)
}

fn get(handle: &AdminHandle, path: &str, headers: &str) -> String {
    ask(handle, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"))
}

#[track_caller]
fn check(answer: &str, code: u16, body: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.trim_end(), body);
}

#[test]
fn probes_tell_life_and_readiness() {
    let handle = start(LIMITS, None, ready());
    check(&get(&handle, "/livez", ""), 200, r#"{"live":true}"#);
    let readiness = concat!(
        r#"{"clusters":[{"answered":true,"name":"main"}],"ready":true,"#,
        r#""sources":[{"connected":true,"name":"plant","subscribed":true}]}"#
    );
    check(&get(&handle, "/readyz", ""), 200, readiness);
    let waiting = start(LIMITS, None, FakeBridge::default());
    check(
        &get(&waiting, "/readyz", ""),
        503,
        &readiness.replace("y\":true", "y\":false").replace("d\":true}]}", "d\":false}]}"),
    );
}

#[test]
fn metrics_say_that_they_are_openmetrics() {
    let handle = start(LIMITS, None, ready());
    let answer = get(&handle, "/metrics", "");
    check(&answer, 200, "# EOF");
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.contains(content_type), "{answer}");
}

#[test]
fn status_is_json() {
    let body =
        r#"{"version":"1.2.3","generation":4,"last_reload":null,"sources":[],"clusters":[],"rules":[],"plugins":[]}"#;
    check(&get(&start(LIMITS, None, ready()), "/api/v1/status", ""), 200, body);
}

#[test]
fn a_reload_is_a_post_and_tells_its_outcome() {
    let handle = start(LIMITS, None, ready());
    let answer = ask(&handle, "POST /api/v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}");
    check(&answer, 200, r#"{"outcome":"swapped","generation":1,"problems":[]}"#);
    let refused = get(&handle, "/api/v1/reload", "");
    check(&refused, 405, r#"{"error":"use POST"}"#);
    assert!(refused.contains("\r\nallow: POST\r\n"), "{refused}");
}

#[test]
fn the_token_guards_all_but_the_probes() {
    let handle = start(LIMITS, Some("secret"), ready());
    for path in ["/metrics", "/api/v1/status", "/api/v1/reload", "/elsewhere"] {
        let refused = get(&handle, path, "authorization: Bearer wrong\r\n");
        assert!(
            refused.starts_with("HTTP/1.1 401 ") && refused.contains("\r\nwww-authenticate: Bearer\r\n"),
            "{refused}"
        );
        assert!(!refused.contains("secret"));
    }
    check(&get(&handle, "/metrics", "authorization: Bearer secret\r\n"), 200, "# EOF");
    assert!(get(&handle, "/livez", "").starts_with("HTTP/1.1 200 "));
    assert!(get(&handle, "/readyz", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_path_that_is_none_is_told() {
    assert!(get(&start(LIMITS, None, ready()), "/metric", "").starts_with("HTTP/1.1 404 "));
}

#[test]
fn an_oversize_body_is_refused() {
    let handle = start(LIMITS, None, ready());
    let head = format!("POST /api/v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    let answer = ask(&handle, &(head + &"x".repeat(routes::BODY_BYTES_MAX + 8_192)));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn an_oversize_head_is_refused() {
    let answer = get(&start(LIMITS, None, ready()), "/livez", &format!("x: {}\r\n", "x".repeat(20_000)));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn what_is_no_http_harms_nobody() {
    let handle = start(LIMITS, None, ready());
    ask(&handle, "\u{16}\u{3}\u{1}\r\n\r\n");
    check(&get(&handle, "/livez", ""), 200, r#"{"live":true}"#);
}

#[test]
fn a_connection_that_says_nothing_is_closed_and_gives_its_seat_back() {
    let limits = Limits { connections_max: 2, head_time_max: Duration::from_millis(50), ..LIMITS };
    let handle = start(limits, None, ready());
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(handle.local_addr()).unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
        slow.push(stream);
    }
    for stream in &slow {
        assert!(!read_all(stream).contains("live"));
    }
    check(&get(&handle, "/livez", ""), 200, r#"{"live":true}"#);
}

#[test]
fn one_connection_too_many_is_closed_at_once() {
    let handle = start(Limits { connections_max: 2, ..LIMITS }, None, ready());
    let held: Vec<_> = (0..2).map(|_| TcpStream::connect(handle.local_addr()).unwrap()).collect();
    assert_eq!(ask(&handle, "GET /livez HTTP/1.1\r\n"), "");
    drop(held);
}

#[test]
fn a_dropped_handle_frees_the_address() {
    let handle = start(LIMITS, None, ready());
    let address = handle.local_addr();
    let held = TcpStream::connect(address).unwrap();
    drop(handle);
    assert_eq!(read_all(&held), "");
    net::TcpListener::bind(address).unwrap();
}

#[test]
fn an_address_in_use_is_told_at_start() {
    let taken = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = AdminConfig { listen: Some(taken.local_addr().unwrap()), token: None };
    let error = serve(&config, Arc::new(ready())).err().unwrap();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
}

#[test]
fn an_address_for_all_needs_a_token_and_none_serves_nothing() {
    let open = AdminConfig { listen: Some("0.0.0.0:0".parse().unwrap()), token: None };
    assert!(matches!(serve(&open, Arc::new(ready())), Err(AdminError::TokenMissing { .. })));
    let none = AdminConfig { listen: None, token: None };
    assert!(serve(&none, Arc::new(ready())).unwrap().is_none());
}

#[test]
fn few_descriptors_mean_few_connections() {
    assert_eq!(seats(32, Some(64)), 8);
    assert_eq!(seats(32, Some(4)), 1);
    assert_eq!(seats(32, Some(1_048_576)), 32);
    assert_eq!(seats(32, None), 32);
    assert!(descriptors_max().is_some_and(|most| most > 0));
}
