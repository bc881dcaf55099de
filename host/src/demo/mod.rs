//! `tidegate demo`: a plant, an MQTT broker, the bridge and Kafka in one process, on loopback, with nothing to install.
//! Ends with the books: what was sent, and what can be read back from Kafka.
//!
//! Invariant: the bridge in the middle is the one that `tidegate run` starts, from a file of the same kind; only what
//! stands at its two ends is simulated.

pub mod accounts;
pub mod bridge;
pub mod broker;
pub mod feed;
pub mod interrupt;
pub mod plant;
pub mod settings;
pub mod sink;
pub mod view;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use bridge::{BoxError, RunningBridge};

use accounts::{Accounts, Bridged};
use feed::Feed;
use interrupt::Interrupts;
use settings::{Addresses, SettingsFile};
use sink::Counter;
use view::{Moment, View};

use crate::kafka::mock::{MockError, MockKafka};
use crate::kafka::reader::{ReadError, Reader};
use crate::meters::Meters;

/// Readings a second where the user asks for no other number.
pub const RATE: u32 = 2_000;
/// Longest wait until the bridge is subscribed and Kafka has answered.
const READY_MAX: Duration = Duration::from_secs(20);
/// Longest wait, after the last reading was sent, until all have arrived.
const SETTLE_MAX: Duration = Duration::from_secs(30);
/// How often the demo looks around.
const TICK: Duration = Duration::from_millis(20);

/// What the command line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `None`: until Ctrl-C.
    pub length: Option<Duration>,
    /// Readings a second.
    pub rate: u32,
}

/// How the demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was sent arrived.
    Arrived,
    /// The summary says what did not.
    Incomplete,
}

/// Runs the demo to its end. `launch` starts the bridge from a configuration file.
///
/// # Errors
/// Where one of the parts does not start; what flowed or did not is a `Verdict`.
pub fn run<L>(options: &Options, launch: L) -> Result<Verdict, DemoError>
where
    L: FnOnce(&Path) -> Result<Box<dyn RunningBridge>, BoxError>,
{
    let interrupts = Interrupts::catch().map_err(|cause| DemoError::part("the signal handling", cause))?;
    let mut view = View::on_stdout();
    let ends = Ends::start()?;
    let file = SettingsFile::write(&ends.addresses).map_err(|cause| DemoError::part("the configuration", cause))?;
    let bridge = launch(&file.path()).map_err(DemoError::Bridge)?;
    if !wait_until_ready(bridge.as_ref(), &interrupts)? {
        return Ok(Verdict::Incomplete);
    }
    let settings = file.path();
    // Whoever reads us may leave: then the demo ends as if interrupted.
    let is_read = view.say(&view::introduction(&ends.addresses, &settings, options.rate)).is_ok();
    let mut plant = Plant::start(&ends, options.rate, bridge.meters())?;
    if is_read {
        plant.watch(options.length, &interrupts, &mut view);
    }
    plant.settle(&interrupts, &mut view);
    let left = bridge.drain().err().map(|error| format!("the bridge did not end well: {error}"));
    Ok(plant.conclude(left, &mut view))
}

fn wait_until_ready(bridge: &dyn RunningBridge, interrupts: &Interrupts) -> Result<bool, DemoError> {
    let deadline = Instant::now() + READY_MAX;
    while !bridge.is_ready() {
        if interrupts.count() > 0 {
            return Ok(false);
        }
        if Instant::now() >= deadline {
            return Err(DemoError::NotReady);
        }
        thread::sleep(TICK);
    }
    Ok(true)
}

/// What stands at the two ends of the bridge.
struct Ends {
    kafka: MockKafka,
    addresses: Addresses,
}

impl Ends {
    fn start() -> Result<Self, DemoError> {
        let topics = settings::topics();
        let kafka = MockKafka::start(&borrowed(&topics)).map_err(DemoError::Kafka)?;
        let mqtt = broker::start().map_err(|cause| DemoError::part("the embedded MQTT broker", cause))?;
        let admin = broker::free_port().map_err(|cause| DemoError::part("the admin interface", cause))?;
        let addresses = Addresses { mqtt, kafka: kafka.bootstrap_servers(), admin };
        Ok(Self { kafka, addresses })
    }
}

fn borrowed(topics: &[(String, i32)]) -> Vec<(&str, i32)> {
    topics.iter().map(|(topic, partitions)| (topic.as_str(), *partitions)).collect()
}

/// The plant that publishes and the counter that reads back.
struct Plant {
    feed: Feed,
    counter: Counter,
    meters: Arc<Meters>,
    started: Instant,
    stopped: Option<Duration>,
}

impl Plant {
    fn start(ends: &Ends, rate: u32, meters: Arc<Meters>) -> Result<Self, DemoError> {
        let topics = settings::topics();
        let reader = Reader::open(&ends.kafka.bootstrap_servers(), &borrowed(&topics)).map_err(DemoError::Reader)?;
        let counter = Counter::start(reader).map_err(|cause| DemoError::part("the counting at the sink", cause))?;
        let feed = Feed::start(ends.addresses.mqtt, rate, meters.clone());
        let feed = feed.map_err(|cause| DemoError::part("the simulated plant", cause))?;
        Ok(Self { feed, counter, meters, started: Instant::now(), stopped: None })
    }

    /// Until the time is over, the user interrupts, or nobody reads any more.
    fn watch(&mut self, length: Option<Duration>, interrupts: &Interrupts, view: &mut View<io::Stdout>) {
        let is_over = |elapsed: Duration| length.is_some_and(|length| elapsed >= length);
        while interrupts.count() == 0 && !is_over(self.started.elapsed()) {
            if !self.look(view) {
                return;
            }
            thread::sleep(TICK);
        }
    }

    /// Stops sending and waits for what is under way. A second interrupt ends the wait.
    fn settle(&mut self, interrupts: &Interrupts, view: &mut View<io::Stdout>) {
        self.feed.stop();
        self.stopped = Some(self.started.elapsed());
        let deadline = Instant::now() + SETTLE_MAX;
        while !self.accounts().is_settled() && Instant::now() < deadline && interrupts.count() < 2 {
            self.look(view);
            thread::sleep(TICK);
        }
    }

    fn conclude(&self, left: Option<String>, view: &mut View<io::Stdout>) -> Verdict {
        let moment = self.moment();
        let mut findings = moment.accounts.findings();
        if !findings.is_empty() {
            findings.extend(self.feed.take_trouble().map(|trouble| format!("plant to MQTT broker: {trouble}")));
        }
        findings.extend(left);
        // Where nobody reads any more, the exit code still tells.
        let _ = view.show(Instant::now(), &moment).and_then(|()| view.say(&view::summary(&moment, &findings)));
        if findings.is_empty() { Verdict::Arrived } else { Verdict::Incomplete }
    }

    /// Shows the moment where it is time to. Whether somebody still reads.
    fn look(&self, view: &mut View<io::Stdout>) -> bool {
        let now = Instant::now();
        !view.is_due(now) || view.show(now, &self.moment()).is_ok()
    }

    fn moment(&self) -> Moment {
        let elapsed = self.stopped.unwrap_or_else(|| self.started.elapsed());
        Moment { elapsed, accounts: self.accounts(), sample: self.counter.sample() }
    }

    fn accounts(&self) -> Accounts {
        Accounts { sent: self.feed.sent(), bridged: Bridged::read(&self.meters), sunk: self.counter.counts() }
    }
}

/// Why the demo could not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("start {part}")]
    Part {
        part: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("start the embedded Kafka")]
    Kafka(#[source] MockError),
    #[error("start the counting at the sink")]
    Reader(#[source] ReadError),
    #[error("start the bridge")]
    Bridge(#[source] BoxError),
    #[error("the bridge was not subscribed and connected to Kafka within 20 s; the log has more")]
    NotReady,
}

impl DemoError {
    fn part(part: &'static str, cause: io::Error) -> Self {
        Self::Part { part, cause }
    }
}
