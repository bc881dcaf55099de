//! A plugin that does on command what plugins must not do. The first word of the payload is the command; a payload that
//! begins otherwise is forwarded. `README.md` lists the commands.

use std::hint::black_box;

use tidegate_guest_sdk::{Batch, Header, Message, Outcome, Output, Transform, export, log};

const MIB: usize = 1 << 20;

struct Hostile {
    /// Messages that this instance has seen.
    seen: u64,
}

impl Transform for Hostile {
    fn new(config: &str) -> Result<Self, String> {
        match command_of(config) {
            Some("init-fails") => Err("line one\nline two".into()),
            Some("init-loops") => spin(),
            Some("init-traps") => panic!("trap in init"),
            Some("init-eats") => eat(),
            _ => Ok(Self { seen: 0 }),
        }
    }

    fn process(&mut self, message: Message<'_>) -> Outcome {
        self.seen += 1;
        let text = String::from_utf8_lossy(message.payload());
        let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match command {
            "drop" => Outcome::Drop,
            "fail" => Outcome::Fail(rest.into()),
            "replace" => Outcome::Replace(rest.into()),
            "seen" => Outcome::Replace(self.seen.to_string().into_bytes()),
            "echo" => echo(message).into(),
            "emit" => {
                Outcome::Emit((0..rest.parse().unwrap_or(1)).map(|number| Output::new(format!("{number}"))).collect())
            }
            "log" => shout(),
            _ => misbehave(command),
        }
    }

    fn process_batch(&mut self, batch: Batch<'_>) -> Vec<Outcome> {
        let mut outcomes: Vec<_> = batch.iter().map(|message| self.process(message)).collect();
        if batch.iter().any(|message| message.payload().starts_with(b"count")) {
            outcomes.pop();
        }
        outcomes
    }
}

export!(Hostile);

/// The value of `mode` in the configuration, which is JSON.
fn command_of(config: &str) -> Option<&str> {
    config.split('"').find(|word| word.starts_with("init-"))
}

fn misbehave(command: &str) -> Outcome {
    match command {
        "trap" => panic!("trap on command"),
        "loop" => spin(),
        "copy" => copy(),
        "memory" => eat(),
        "stack" => Outcome::Replace(vec![recurse(1) as u8]),
        "output" => Outcome::Replace(vec![7; 20 * MIB]),
        "many" => Outcome::Emit(vec![Output::default(); 500_000]),
        "utf8" => Output::new("x").topic(not_utf8()).into(),
        "header" => Output::new("x").header("a\r\nb", "x").into(),
        "pointer" => Outcome::Replace(out_of_range()),
        "sleep" => sleep(),
        _ => Outcome::Pass,
    }
}

/// All that a plugin can read, as headers.
fn echo(message: Message<'_>) -> Output {
    let own = [
        ("topic", Some(message.topic().to_owned())),
        ("received-ms", Some(message.received_ms().to_string())),
        ("qos", Some(message.qos().to_string())),
        ("retain", Some(message.is_retained().to_string())),
        ("content-type", message.content_type()),
        ("response-topic", message.response_topic()),
        ("correlation-data", message.correlation_data().map(|data| String::from_utf8_lossy(&data).into_owned())),
        ("message-expiry", message.message_expiry_s().map(|seconds| seconds.to_string())),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let headers = own.chain(message.user_properties());
    let headers = headers.map(|(name, value)| Header { name, value: value.into() }).collect();
    Output { headers, ..Output::new(message.payload()).topic("to").key("k").timestamp_ms(5) }
}

fn spin<T>() -> T {
    loop {
        black_box(0);
    }
}

/// A loop whose time is spent in bulk copies.
fn copy() -> Outcome {
    let mut block = vec![1_u8; 8 * MIB];
    loop {
        let middle = block.len() / 2;
        block.copy_within(..middle, middle);
        black_box(&block);
    }
}

fn eat<T>() -> T {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; MIB]));
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    recurse(depth + 1) + here[depth as usize % 64]
}

fn shout() -> Outcome {
    log::error(&format!("\x1b[31m{}", "a".repeat(MIB)));
    for number in 0..10_000 {
        log::warn(&format!("line {number}"));
    }
    Outcome::Pass
}

fn not_utf8() -> String {
    // SAFETY: broken on purpose; nothing here looks into it.
    unsafe { String::from_utf8_unchecked(vec![0xFF, 0xFE]) }
}

fn out_of_range() -> Vec<u8> {
    // SAFETY: broken on purpose; nothing here looks into it, and the instance ends before it is freed.
    unsafe { Vec::from_raw_parts(0xF000_0000 as *mut u8, 1024, 1024) }
}

/// Waits in the host. Possible with WASI only; elsewhere the standard library panics.
fn sleep() -> Outcome {
    std::thread::sleep(std::time::Duration::from_secs(3600));
    Outcome::Pass
}
