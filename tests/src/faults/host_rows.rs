//! B: what happens to the bridge's own process and machine.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{Figures, Limit};
use super::kafka_rows::USUAL;
use super::needs::{Need, faketime};
use super::scene::{PATIENCE, Plan, Scene};
use super::{Row, Trial};
use crate::http;
use crate::net::loopback;
use crate::process::{Signal, wait_until};

pub(super) const ROWS: &[Row] = &[
    Row { id: "B3", fault: "SIGTERM at random moments, then a new process", load: USUAL, needs: &[], run: drains },
    Row { id: "B4", fault: "SIGTERM while Kafka is down", load: USUAL, needs: &[], run: drain_without_kafka },
    Row {
        id: "B8",
        fault: "the wall clock jumps by an hour, both ways",
        load: USUAL,
        needs: &[Need::Faketime],
        run: clock_jumps,
    },
    Row { id: "B10", fault: "the process frozen for 10 s", load: USUAL, needs: &[], run: frozen },
    Row {
        id: "B11",
        fault: "64 descriptors, 200 idle connections to the admin port",
        load: USUAL,
        needs: &[],
        run: few_descriptors,
    },
    Row {
        id: "B12",
        fault: "nobody reads the log",
        load: "2,000 msg/s, a log line for each",
        needs: &[],
        run: blocked_log,
    },
    Row {
        id: "B13",
        fault: "500 slow connections and an oversize body on the admin port",
        load: USUAL,
        needs: &[],
        run: slow_loris,
    },
];

/// Drained with Kafka up, nothing comes twice.
fn drains(trial: &Trial) -> Figures {
    let mut random = trial.random();
    let mut scene = Scene::start(&Plan::usual());
    let (count, mut slowest, mut failed) = (trial.scaled(8, 200), 0.0_f64, 0);
    for _ in 0..count {
        thread::sleep(Duration::from_millis(20 + random.below(500)));
        let asked = Instant::now();
        failed += u8::from(scene.bridge.terminate().code() != Some(0));
        slowest = slowest.max(asked.elapsed().as_secs_f64());
        scene.follow_new(false);
    }
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("drains", f64::from(count), "", Limit::Free);
    figures.measure("slowest drain", slowest, "s", Limit::AtMost(10.0));
    figures.measure("exit codes other than 0", f64::from(failed), "", Limit::AtMost(0.0));
    figures
}

fn drain_without_kafka(_: &Trial) -> Figures {
    let more = format!("{}[shutdown]\ndrain = \"2s\"\n", super::scene::DEAD_LETTERS);
    let mut scene = Scene::start(&Plan { more, ..Plan::usual() });
    scene.mock.down();
    scene.go_on(1.0);
    let (acked, asked) = (scene.session.acked(), Instant::now());
    scene.bridge.terminate();
    let took = asked.elapsed().as_secs_f64();
    let acked = scene.session.acked() - acked;
    scene.mock.up();
    scene.follow_new(true);
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("end after", took, "s", Limit::AtMost(3.0));
    figures.measure("acknowledged without Kafka", acked as f64, "", Limit::AtMost(0.0));
    figures
}

/// The clock that the process sees follows a file: an hour ahead, an hour back.
fn clock_jumps(trial: &Trial) -> Figures {
    let mut scene = Scene::quiet(&Plan::usual());
    let (library, clock) = (faketime().expect("the row needs it"), scene.bridge.path("clock"));
    let set = |offset: &str| std::fs::write(&clock, format!("{offset}\n")).expect("the folder can be written");
    set("+0");
    scene.bridge.kill();
    let mut command = Command::new("env");
    command.arg(format!("LD_PRELOAD={}", library.display()));
    command.arg(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()));
    command.args(["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]);
    scene.bridge.spawn_under(command);
    scene.bridge.wait_ready(PATIENCE);
    scene.breaks += 1;
    scene.whole_books = false;
    let connections = scene.session.connections();
    for offset in ["+3600", "-3600", "+0"] {
        set(offset);
        scene.go_on(trial.scaled(2.0, 10.0));
    }
    scene.heal();
    let reconnects = scene.session.connections() - connections;
    let mut figures = scene.judge();
    figures.measure("MQTT reconnects", reconnects as f64, "", Limit::AtMost(0.0));
    figures
}

fn frozen(_: &Trial) -> Figures {
    let mut scene = Scene::start(&Plan { mqtt: "keep_alive = \"3s\"".into(), ..Plan::usual() });
    scene.bridge.signal(Signal::Stop);
    scene.go_on(10.0);
    scene.bridge.signal(Signal::Continue);
    // It may find its connections gone.
    scene.breaks += 1;
    scene.heal();
    scene.judge()
}

fn few_descriptors(trial: &Trial) -> Figures {
    let mut scene = Scene::quiet(&Plan::usual());
    scene.bridge.kill();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]);
    scene.bridge.spawn_under(command);
    scene.bridge.wait_ready(PATIENCE);
    scene.breaks += 1;
    scene.whole_books = false;
    let connections = scene.session.connections();
    let idle: Vec<_> =
        (0..200).filter_map(|_| std::net::TcpStream::connect(loopback(scene.bridge.admin_port)).ok()).collect();
    let acked = scene.session.acked();
    let seconds = trial.scaled(3.0, 15.0);
    scene.go_on(seconds);
    let rate = (scene.session.acked() - acked) as f64 / seconds;
    let reconnects = scene.session.connections() - connections;
    drop(idle);
    scene.heal();
    let back = Instant::now();
    let answers = wait_until(PATIENCE, || scene.bridge.is_ready());
    let back = back.elapsed().as_secs_f64();
    let mut figures = scene.judge();
    figures.measure("rate meanwhile", rate, "msg/s", Limit::AtLeast(1_800.0));
    figures.measure("MQTT reconnects", reconnects as f64, "", Limit::AtMost(0.0));
    figures.measure(
        "the admin port answers again after",
        if answers { back } else { f64::MAX },
        "s",
        Limit::AtMost(30.0),
    );
    figures
}

/// Both outputs go into a pipe that is never read.
fn blocked_log(trial: &Trial) -> Figures {
    let plan =
        Plan { rules: super::scene::RULES.replace("identity", "hostile"), plugins: vec!["hostile"], ..Plan::usual() };
    let mut scene = Scene::quiet(&plan);
    scene.bridge.kill();
    let mut command = Command::new("sh");
    // `sleep` holds the reading end and reads nothing; it ends with the bridge's folder at the latest.
    command.args(["-c", "mkfifo \"$0\"; sleep 600 < \"$0\" & exec \"$@\" > \"$0\" 2>&1"]);
    command.arg(scene.bridge.path("pipe")).args(["env", "RUST_LOG=trace"]);
    scene.bridge.spawn_under(command);
    scene.bridge.wait_ready(PATIENCE);
    scene.breaks += 1;
    scene.whole_books = false;
    let acked = scene.session.acked();
    let seconds = trial.scaled(5.0, 20.0);
    scene.go_on(seconds);
    let rate = (scene.session.acked() - acked) as f64 / seconds;
    scene.heal();
    let dropped = scene.bridge.metric("tidegate_log_lines_dropped_total", &[]);
    let mut figures = scene.judge();
    figures.measure("rate meanwhile", rate, "msg/s", Limit::AtLeast(1_800.0));
    figures.measure("log lines dropped and counted", dropped, "", Limit::Free);
    figures
}

fn slow_loris(trial: &Trial) -> Figures {
    use std::io::Write;
    let mut scene = Scene::start(&Plan::usual());
    let port = scene.bridge.admin_port;
    let mut slow: Vec<_> = (0..500).filter_map(|_| std::net::TcpStream::connect(loopback(port)).ok()).collect();
    let acked = scene.session.acked();
    let rounds = trial.scaled(3_u8, 15);
    for _ in 0..rounds {
        for socket in &mut slow {
            // Who is cut off has lost.
            let _sent = socket.write_all(b"G");
        }
        scene.go_on(1.0);
    }
    let rate = (scene.session.acked() - acked) as f64 / f64::from(rounds);
    drop(slow);
    let oversize = std::net::TcpStream::connect(loopback(port)).map(|mut socket| {
        let head = "POST /api/v1/reload HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000000000\r\n\r\n";
        let _sent = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&vec![b'x'; 8 << 20]));
    });
    let answers = wait_until(PATIENCE, || http::request(port, "GET", "/livez", None).is_ok());
    scene.heal();
    let mut figures = scene.judge();
    figures.measure("rate meanwhile", rate, "msg/s", Limit::AtLeast(1_800.0));
    let answers = f64::from(u8::from(answers && oversize.is_ok()));
    figures.measure("the admin port answers after", answers, "", Limit::AtLeast(1.0));
    figures
}
