//! Assembly: builds every part, joins them, starts every thread. One file shows all that runs.

pub mod bridge;
mod builtin;
mod csv;
pub mod plan;
pub mod reading;
pub mod reload;
pub mod shelf;
pub mod snapshots;
pub mod sources;
pub mod tables;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch as signal};
use tracing::{info, warn};

use bridge::{ClusterView, Overview, SourceView};

use crate::ack::{Desk, SourceNo};
use crate::config::{Config, Problem, SourceConfig};
use crate::kafka::Producer;
use crate::meters::{ClusterMeters, Meters, SourceMeters};
use crate::mqtt::{Back, Drained, Status, Stop, Wires};
use crate::pipeline::lane::{Lane, Outlets};
use crate::pipeline::{Limits, Wiring};
use crate::router::Snapshot;
use crate::seam::{Backchannel, Sink, Subscription};
use crate::topic::ClusterNo;
use crate::wasm::Engine;
use reload::{Reach, Reloader};
use shelf::Shelf;
use snapshots::{Builder, Built};

/// A running bridge.
pub struct App {
    sources: Vec<Source>,
    lanes: Vec<JoinHandle<()>>,
    lane_queues: Arc<[Arc<Lane>]>,
    outlets: Arc<Outlets>,
    producers: Vec<Arc<Producer>>,
    pub reloader: Arc<Reloader>,
    /// For whoever wants to know how it stands.
    pub overview: Arc<Overview>,
    drain: Duration,
}

/// A source's thread and what is known of its connection.
struct Source {
    name: String,
    status: Arc<Status>,
    meters: Arc<SourceMeters>,
    stop: signal::Sender<Stop>,
    thread: JoinHandle<Drained>,
}

/// Why a bridge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the configuration has problems")]
    Problems(Vec<Problem>),
    #[error("start the producer of cluster `{cluster}`")]
    Kafka { cluster: String, source: crate::kafka::StartError },
    #[error("start the plugin engine")]
    Engine(#[source] crate::wasm::PluginError),
    #[error("start a thread")]
    Thread(#[from] std::io::Error),
}

/// What was left when the drain ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Messages taken from the broker and not acknowledged: the broker delivers them again.
    pub messages: usize,
}

/// How a source is wired before its thread starts.
struct Plug {
    desk: &'static Desk,
    settled: Arc<Notify>,
    back: Arc<Back>,
    meters: Arc<SourceMeters>,
    settings: signal::Sender<Arc<SourceConfig>>,
    subscriptions: signal::Sender<Arc<[Subscription]>>,
}

impl App {
    /// Starts everything that `config` asks for; `paths` are where it was read, for reloads.
    ///
    /// # Errors
    /// Plugins that cannot be used, clusters whose settings the Kafka client refuses, no threads left.
    pub fn start(config: Config, paths: Vec<PathBuf>) -> Result<Self, StartError> {
        let meters = Arc::new(Meters::default());
        let shelf = Shelf::new(Engine::new().map_err(StartError::Engine)?);
        let backs: Vec<Arc<Back>> = config.sources.iter().map(|_| Back::new(Arc::default())).collect();
        let mut builder = Builder::new(&config, shelf, meters.clone());
        builder.lend(backs.iter().map(|back| back.clone() as Arc<dyn Backchannel>).collect());
        let Built { snapshot, digests, tables } = builder.build(&config, None).map_err(StartError::Problems)?;
        builder.tables().take_over(tables);
        let plugs = plugs(&config, &snapshot, backs, &meters);
        let producers = producers(&config, &plugs, &meters)?;
        let live = Arc::new(ArcSwap::from_pointee(snapshot));
        let outlets = Arc::new(outlets(&producers, &builder, &live));
        let lane_queues: Arc<[Arc<Lane>]> = (0..config.plugins.lanes).map(|_| Arc::default()).collect();
        let lanes = start_lanes(&lane_queues, &outlets)?;
        let reach = Reach {
            live: live.clone(),
            settings: plugs.iter().map(|plug| plug.settings.clone()).collect(),
            subscriptions: plugs.iter().map(|plug| plug.subscriptions.clone()).collect(),
            producers: producers.clone(),
            meters: meters.clone(),
        };
        let start = |(plug, source): (Plug, &SourceConfig)| {
            let wiring = Wired {
                live: live.clone(),
                lanes: lane_queues.clone(),
                outlets: outlets.clone(),
                meters: meters.clone(),
            };
            start_source(plug, source, wiring)
        };
        let sources = plugs.into_iter().zip(&config.sources).map(start).collect::<Result<Vec<_>, _>>()?;
        let (drain, source_views) = (config.shutdown.drain, source_views(&config, &sources));
        let clusters = cluster_views(&config, &producers);
        let reloader = Arc::new(Reloader::new(paths, builder, config, digests, reach));
        let overview = Overview { sources: source_views, clusters, live, meters, reloader: reloader.clone() };
        Ok(Self { sources, lanes, lane_queues, outlets, producers, reloader, overview: Arc::new(overview), drain })
    }

    /// Stops taking messages, settles what is in flight within the drain limit, leaves the brokers in good order.
    pub fn drain(self) -> Left {
        let deadline = Instant::now() + self.drain;
        for source in &self.sources {
            let _gone = source.stop.send(Stop::Drain { until: deadline.into() });
        }
        let mut left = Left::default();
        for source in self.sources {
            match source.thread.join() {
                Ok(drained) => {
                    left.messages += drained.left;
                    info!(source = %source.name, left = drained.left, "source drained");
                }
                Err(_) => warn!(source = %source.name, "the thread of a source had failed"),
            }
        }
        self.outlets.ended.store(true, Ordering::Release);
        self.lane_queues.iter().for_each(|lane| lane.wake());
        for producer in &self.producers {
            let _with_the_broker = producer.stop(deadline.max(Instant::now() + LAST_FLUSH));
        }
        // A plugin call that outlives the drain is left behind: the process ends.
        drop(self.lanes);
        left
    }
}

/// What a producer gets for its last records even where the drain limit has passed.
const LAST_FLUSH: Duration = Duration::from_millis(200);

/// What all sources are joined to.
struct Wired {
    live: Arc<ArcSwap<Snapshot>>,
    lanes: Arc<[Arc<Lane>]>,
    outlets: Arc<Outlets>,
    meters: Arc<Meters>,
}

fn source_views(config: &Config, sources: &[Source]) -> Vec<SourceView> {
    let view = |(config, source): (&SourceConfig, &Source)| SourceView {
        name: source.name.clone(),
        url: config.urls.first().map(ToString::to_string).unwrap_or_default(),
        status: source.status.clone(),
        meters: source.meters.clone(),
    };
    config.sources.iter().zip(sources).map(view).collect()
}

fn cluster_views(config: &Config, producers: &[Arc<Producer>]) -> Vec<ClusterView> {
    let named = config.clusters.iter().map(|cluster| cluster.name.clone()).zip(producers);
    named.map(|(name, producer)| ClusterView { name, producer: producer.clone() }).collect()
}

fn plugs(config: &Config, snapshot: &Snapshot, backs: Vec<Arc<Back>>, meters: &Meters) -> Vec<Plug> {
    let plug = |(place, (source, back)): (usize, (&SourceConfig, Arc<Back>))| {
        let settled = back.wake().clone();
        let waker = settled.clone();
        let no = SourceNo::new(place).expect("the configuration has at most `SourceNo::COUNT_MAX` sources");
        let source_meters = Arc::new(SourceMeters { name: source.name.clone(), ..SourceMeters::default() });
        source_meters.window.set(u64::from(source.window));
        Plug {
            desk: Desk::open(no, move || waker.notify_one()),
            settled,
            back,
            meters: source_meters,
            settings: signal::Sender::new(Arc::new(source.clone())),
            subscriptions: signal::Sender::new(snapshot.sources[place].plan().wanted.as_slice().into()),
        }
    };
    let plugs: Vec<Plug> = config.sources.iter().zip(backs).enumerate().map(plug).collect();
    let _first = meters.sources.set(plugs.iter().map(|plug| plug.meters.clone()).collect());
    plugs
}

fn producers(config: &Config, plugs: &[Plug], meters: &Arc<Meters>) -> Result<Vec<Arc<Producer>>, StartError> {
    let cluster_meters = |cluster: &crate::config::ClusterConfig| {
        Arc::new(ClusterMeters { name: cluster.name.clone(), ..ClusterMeters::default() })
    };
    let _first = meters.clusters.set(config.clusters.iter().map(cluster_meters).collect());
    let start = |(place, cluster): (usize, &crate::config::ClusterConfig)| {
        let no = ClusterNo(u16::try_from(place).unwrap_or(u16::MAX));
        let desks = plugs.iter().map(|plug| plug.desk).collect();
        Producer::start(cluster, no, desks, meters.clone())
            .map_err(|source| StartError::Kafka { cluster: cluster.name.clone(), source })
    };
    config.clusters.iter().enumerate().map(start).collect()
}

fn outlets(producers: &[Arc<Producer>], builder: &Builder, live: &Arc<ArcSwap<Snapshot>>) -> Outlets {
    let live = live.clone();
    Outlets {
        sinks: producers.iter().map(|producer| producer.clone() as Arc<dyn Sink>).collect(),
        topics: builder.topics(),
        rule_of_today: Box::new(move |name| live.load().rule(name).cloned()),
        ended: AtomicBool::new(false),
    }
}

fn start_lanes(queues: &Arc<[Arc<Lane>]>, outlets: &Arc<Outlets>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let start = |(number, lane): (usize, &Arc<Lane>)| {
        let (lane, outlets) = (lane.clone(), outlets.clone());
        thread::Builder::new().name(format!("lane-{number}")).spawn(move || lane.run(number, &outlets))
    };
    queues.iter().enumerate().map(start).collect()
}

fn start_source(plug: Plug, config: &SourceConfig, wired: Wired) -> std::io::Result<Source> {
    let stop = signal::Sender::new(Stop::Run);
    let status = Arc::new(Status::default());
    let wires = Wires {
        config: plug.settings.subscribe(),
        subscriptions: plug.subscriptions.subscribe(),
        settled: plug.settled,
        stop: stop.subscribe(),
        back: plug.back,
        status: status.clone(),
        meters: plug.meters.clone(),
    };
    let limits = Limits {
        // One above the window, so that a full one does not keep packets other than PUBLISH from being read.
        messages_max: usize::from(config.window) + 1,
        bytes_max: usize::try_from(config.window_bytes).unwrap_or(usize::MAX),
    };
    let meters = plug.meters.clone();
    let wiring = move |ring_later| Wiring {
        desk: plug.desk,
        live: wired.live,
        lanes: wired.lanes,
        outlets: wired.outlets,
        meters: wired.meters,
        source_meters: plug.meters,
        limits,
        ring_later,
    };
    let thread = sources::start(&config.name, wires, wiring)?;
    Ok(Source { name: config.name.clone(), status, meters, stop, thread })
}
