//! An intake whose every answer the test decides, and a source that runs over it on a thread of its own.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidegate::ack::{Ack, AckLedger, Slot};
use tidegate::config::{BrokerUrl, Protocol, Secret, Session, SourceConfig, TlsConfig};
use tidegate::message::{Message, Qos, SubscriptionId};
use tidegate::meters::SourceMeters;
use tidegate::mqtt::{Drained, Standing, Status, Stop, Wires, run};
use tidegate::seam::{Arrival, Intake, Subscription};
use tidegate::topic::TopicFilter;
use tokio::sync::{Notify, watch};

/// Longest wait for anything that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the test sees of the intake, and what it has it do.
#[derive(Default)]
pub(crate) struct Desk {
    arrived: Mutex<Vec<(Slot, Message)>>,
    news: Condvar,
    paid: Mutex<VecDeque<Slot>>,
    full: AtomicBool,
    stuck: AtomicBool,
    /// Settle everything as it arrives.
    pub(crate) at_once: AtomicBool,
    pub(crate) links: Mutex<Vec<bool>>,
    pub(crate) count: AtomicUsize,
}

struct ScriptedIntake {
    desk: Arc<Desk>,
    ledger: AckLedger<()>,
}

impl Intake for ScriptedIntake {
    fn linked(&mut self, resumed: bool) {
        self.desk.links.lock().unwrap().push(resumed);
        self.ledger.linked(resumed);
    }

    fn lost(&mut self) {
        self.ledger.lost();
        self.desk.stuck.store(false, Ordering::SeqCst);
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { message, packet_id, .. } = arrival;
        let slot = self.ledger.arrive(packet_id, message.qos, 1, message.size_bytes(), ());
        self.desk.count.fetch_add(1, Ordering::SeqCst);
        if self.desk.at_once.load(Ordering::SeqCst) {
            self.ledger.pay(slot);
            return;
        }
        self.desk.arrived.lock().unwrap().push((slot, message));
    }

    fn hand_over(&mut self) {
        if !self.desk.at_once.load(Ordering::SeqCst) {
            self.desk.news.notify_all();
        }
    }

    fn take_acks(&mut self, acks: &mut Vec<Ack>) {
        for slot in self.desk.paid.lock().unwrap().drain(..) {
            self.ledger.pay(slot);
        }
        self.ledger.take_acks(acks);
    }

    fn has_room(&self) -> bool {
        !self.desk.full.load(Ordering::SeqCst)
    }

    fn in_flight(&self) -> usize {
        self.ledger.in_flight()
    }

    fn is_stuck(&self) -> bool {
        self.desk.stuck.load(Ordering::SeqCst)
    }
}

/// A running source.
pub(crate) struct Running {
    pub(crate) desk: Arc<Desk>,
    pub(crate) config: watch::Sender<Arc<SourceConfig>>,
    pub(crate) subscriptions: watch::Sender<Arc<[Subscription]>>,
    pub(crate) stop: watch::Sender<Stop>,
    pub(crate) status: Arc<Status>,
    pub(crate) meters: Arc<SourceMeters>,
    settled: Arc<Notify>,
    /// Ends with the CPU seconds of its thread.
    thread: JoinHandle<(Drained, f64)>,
}

impl Running {
    pub(crate) fn start(config: SourceConfig, wanted: &[(&str, u8, u32)]) -> Self {
        let (config, config_wire) = watch::channel(Arc::new(config));
        let (subscriptions, subscriptions_wire) = watch::channel(wanted_of(wanted));
        let (stop, stop_wire) = watch::channel(Stop::Run);
        let desk = Arc::new(Desk::default());
        let settled = Arc::new(Notify::new());
        let (status, meters) = (Arc::<Status>::default(), Arc::<SourceMeters>::default());
        let wires = Wires {
            config: config_wire,
            subscriptions: subscriptions_wire,
            settled: settled.clone(),
            stop: stop_wire,
            back: tidegate::mqtt::Back::new(settled.clone()),
            status: status.clone(),
            meters: meters.clone(),
        };
        let intake = ScriptedIntake { desk: desk.clone(), ledger: AckLedger::default() };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            (runtime.block_on(run(wires, intake)), cpu_s())
        });
        Self { desk, config, subscriptions, stop, status, meters, settled, thread }
    }

    pub(crate) fn want(&self, wanted: &[(&str, u8, u32)]) {
        self.subscriptions.send_replace(wanted_of(wanted));
    }

    /// The first `count` messages that arrived, once they have.
    pub(crate) fn arrived(&self, count: usize) -> Vec<(Slot, Message)> {
        let arrived = self.desk.arrived.lock().unwrap();
        let (arrived, _) =
            self.desk.news.wait_timeout_while(arrived, PATIENCE, |arrived| arrived.len() < count).unwrap();
        assert_eq!(arrived.len(), count, "messages that arrived");
        arrived.clone()
    }

    pub(crate) fn arrived_now(&self) -> usize {
        self.desk.arrived.lock().unwrap().len()
    }

    pub(crate) fn pay(&self, slots: &[Slot]) {
        self.desk.paid.lock().unwrap().extend(slots);
        self.settled.notify_one();
    }

    pub(crate) fn set_room(&self, room: bool) {
        self.desk.full.store(!room, Ordering::SeqCst);
        self.settled.notify_one();
    }

    pub(crate) fn set_stuck(&self) {
        self.desk.stuck.store(true, Ordering::SeqCst);
        self.settled.notify_one();
    }

    /// Waits until the source tells what `holds` asks for.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Standing) -> bool) -> Standing {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let standing = self.status.read();
            if holds(&standing) {
                return standing;
            }
            assert!(Instant::now() < deadline, "never {what}: {standing:?}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn drain_within(&self, within: Duration) {
        self.stop.send_replace(Stop::Drain { until: tokio::time::Instant::now() + within });
    }

    pub(crate) fn end(self) -> Drained {
        self.end_all().0
    }

    /// The CPU seconds that the source's thread has used.
    pub(crate) fn end_with_cost(self) -> f64 {
        self.end_all().1
    }

    fn end_all(self) -> (Drained, f64) {
        self.stop.send_if_modified(|stop| {
            let running = *stop == Stop::Run;
            if running {
                *stop = Stop::Now;
            }
            running
        });
        self.thread.join().unwrap()
    }
}

fn wanted_of(wanted: &[(&str, u8, u32)]) -> Arc<[Subscription]> {
    let one = |(filter, qos, id): &(&str, u8, u32)| Subscription {
        filter: TopicFilter::parse(filter).unwrap(),
        qos: Qos::from_level(*qos).unwrap(),
        id: SubscriptionId(*id),
    };
    wanted.iter().map(one).collect()
}

/// Settings for a broker on this loopback port.
pub(crate) fn config(port: u16, protocol: Protocol) -> SourceConfig {
    SourceConfig {
        name: "plant".into(),
        urls: vec![BrokerUrl { tls: false, host: "127.0.0.1".into(), port }],
        protocol,
        client_id: "tidegate-test".into(),
        username: None,
        password: None,
        session: Session::Persistent,
        session_expiry: Duration::from_secs(3600),
        window: 1000,
        window_bytes: 64 << 20,
        keep_alive: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(5),
        reconnect_max: Duration::from_secs(30),
        packet_bytes_max: 268_435_455,
        tls: TlsConfig::default(),
    }
}

pub(crate) fn with_login(config: SourceConfig, username: &str, password: &str) -> SourceConfig {
    SourceConfig { username: Some(username.into()), password: Some(Secret::new(password.into())), ..config }
}

pub(crate) fn with_tls(mut config: SourceConfig, ca: PathBuf, cert: PathBuf, key: PathBuf) -> SourceConfig {
    config.urls[0].tls = true;
    config.tls = TlsConfig { ca: Some(ca), cert: Some(cert), key: Some(key) };
    config
}

/// CPU seconds of this thread.
pub(crate) fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
