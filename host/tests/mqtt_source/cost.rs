//! What the source costs. Measurements, run by hand:
//! `cargo test --profile fast --test mqtt_source -- --ignored --nocapture --test-threads 1 cost::`

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tidegate::config::Protocol;
use tidegate::mqtt::convert::Decoder;

use super::broker::Broker;
use super::intake::{Running, cpu_s};

const PACKET_BYTES_MAX: usize = 4_096;

/// A PUBLISH of QoS 1: topic of 24 bytes, payload of 200.
fn packet(id: u16, properties: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let body = [&[0, 24][..], b"site/ulm/line-1/temp/abc", &id, properties, &[b'x'; 200]].concat();
    let length = [body.len() as u8 & 0x7F | 0x80, (body.len() >> 7) as u8];
    [&[0x32][..], &length, &body].concat()
}

#[test]
#[ignore = "a measurement, not a check"]
fn parse_cost() {
    const MESSAGES: usize = 20_000_000;
    for (name, protocol, properties) in [
        ("3.1.1", Protocol::V311, &b""[..]),
        ("5", Protocol::V5, &b"\0"[..]),
        ("5 with id", Protocol::V5, &b"\x02\x0B\x07"[..]),
    ] {
        let packet = packet(1, properties);
        let batch: Vec<u8> = packet.repeat(64 * 1024 / packet.len());
        let mut decoder = Decoder::new(protocol, PACKET_BYTES_MAX);
        let (before, mut read) = (cpu_s(), 0);
        while read < MESSAGES {
            decoder.room().extend_from_slice(&batch);
            while let Ok(Some(packet)) = decoder.take_next() {
                std::hint::black_box(&packet);
                read += 1;
            }
        }
        println!("MQTT {name}: {:.4} CPU-s per million", (cpu_s() - before) * 1e6 / read as f64);
    }
}

/// Sends `messages` in writes of `at_once`, `gap` apart, and tells what the source's thread used for them.
fn check_loop(name: &str, messages: usize, at_once: usize, gap: Duration) {
    let broker = Broker::new(Protocol::V5);
    let source = Running::start(broker.config(), &[("#", 1, 1)]);
    source.desk.at_once.store(true, Ordering::SeqCst);
    let mut connection = broker.link_and_grant(false, 1);
    let mut acks = connection.stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let (mut buffer, mut bytes, mut reads) = (vec![0; 1 << 20], 0, 0u64);
        while bytes < 4 * messages {
            bytes += acks.read(&mut buffer).unwrap();
            reads += 1;
        }
        reads
    });
    let start = Instant::now();
    let mut sent = 0;
    while sent < messages {
        let batch: Vec<u8> = (0..at_once).flat_map(|more| packet(((sent + more) % 65_535 + 1) as u16, b"\0")).collect();
        connection.stream.write_all(&batch).unwrap();
        sent += at_once;
        let due = start + gap * (sent / at_once) as u32;
        while Instant::now() < due {
            std::thread::yield_now();
        }
    }
    let reads = reader.join().unwrap();
    let took = start.elapsed().as_secs_f64();
    drop(connection);
    let cost = source.end_with_cost() * 1e6 / messages as f64;
    let (rate, per_ack) = (messages as f64 / took, messages as f64 / reads as f64);
    println!("{name}: {cost:.3} CPU-s per million at {rate:.0}/s, {per_ack:.1} acknowledgements a read");
}

#[test]
#[ignore = "a measurement, not a check"]
fn loop_cost() {
    check_loop("one by one at 1,000/s", 3_000, 1, Duration::from_millis(1));
    check_loop("one by one at 20,000/s", 100_000, 1, Duration::from_micros(50));
    check_loop("flood", 3_000_000, 1_000, Duration::ZERO);
}
