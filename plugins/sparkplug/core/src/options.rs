//! Every option with its default. `Default` is the one place that knows them.

use serde::Deserialize;

use crate::glob::{Glob, Selector};
use crate::units::{Bytes, Millis};

/// All options of a rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub role: Role,
    /// Names this host in `spBv1.0/STATE/HOST_ID`; needed in the role `primary`.
    pub host_id: Option<String>,
    pub state_dialect: StateDialect,
    /// Levels that a bridge has put in front of the namespace, for example `site/ulm`.
    pub topic_prefix: String,
    pub emit: Vec<Emit>,
    pub commands: Commands,
    pub rebirth: Rebirth,
    /// How long a missing sequence number is waited for; 0 is off.
    pub reorder_timeout: Millis,
    pub reorder_policy: ReorderPolicy,
    pub unresolved: Unresolved,
    pub hold_limit: HoldLimit,
    /// What becomes of held metrics when their birth does not come.
    pub hold_expired: HoldExpired,
    pub stale_on: Vec<StaleOn>,
    pub stale_emit: StaleEmit,
    pub ndeath_without_bdseq: NdeathWithoutBdseq,
    pub births_emit: BirthsEmit,
    /// Metrics that give records; empty means all.
    pub include: Vec<Selector>,
    /// Metrics that give none, even if included.
    pub exclude: Vec<Selector>,
    pub historical: Historical,
    /// Where `historical = "separate_topic"` sends.
    pub historical_topic: Option<String>,
    pub transient: Transient,
    pub int64: Int64,
    pub nan: Nan,
    pub bytes: BytesAs,
    pub datetime: DateTime,
    pub dataset: DataSetAs,
    pub template: TemplateAs,
    pub properties: Properties,
    pub headers: HeadersAs,
    /// Stands for `/` in metric names of the output.
    pub path_separator: Option<String>,
    /// The first that matches a node holds for it.
    pub quirks: Vec<Quirk>,
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            role: Role::Observer,
            host_id: None,
            state_dialect: StateDialect::V3,
            topic_prefix: String::new(),
            emit: vec![Emit::Plain(EnvelopeKind::Metric)],
            commands: Commands::Ignore,
            rebirth: Rebirth::default(),
            reorder_timeout: Millis(0),
            reorder_policy: ReorderPolicy::PassThroughAndFlag,
            unresolved: Unresolved::Hold,
            hold_limit: HoldLimit::default(),
            hold_expired: HoldExpired::Drop,
            stale_on: vec![StaleOn::Ndeath, StaleOn::Ddeath, StaleOn::HostDisconnect],
            stale_emit: StaleEmit::Event,
            ndeath_without_bdseq: NdeathWithoutBdseq::Ignore,
            births_emit: BirthsEmit::All,
            include: Vec::new(),
            exclude: vec![Selector::metric("Node Control/*"), Selector::metric("bdSeq")],
            historical: Historical::SameTopicFlagged,
            historical_topic: None,
            transient: Transient::EmitFlagged,
            int64: Int64::Number,
            nan: Nan::Null,
            bytes: BytesAs::Base64,
            datetime: DateTime::Ms,
            dataset: DataSetAs::Object,
            template: TemplateAs::Object,
            properties: Properties::Nested,
            headers: HeadersAs::All,
            path_separator: None,
            quirks: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// # Errors
    /// Every contradiction, one a line of its own.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, problem: &str| {
            if wrong {
                problems.push(problem.to_owned());
            }
        };
        let host_id = self.host_id.as_deref().unwrap_or_default();
        refuse(self.role == Role::Primary && host_id.is_empty(), "`role = \"primary\"` needs a `host_id`");
        refuse(host_id.contains(['/', '+', '#']), "`host_id` may not contain `/`, `+` or `#`");
        refuse(self.emit.is_empty(), "`emit` names no envelope");
        refuse(
            self.historical == Historical::SeparateTopic && self.historical_topic.is_none(),
            "`historical = \"separate_topic\"` needs a `historical_topic`",
        );
        refuse(
            self.rebirth.max_interval.0 < self.rebirth.min_interval.0,
            "`rebirth.max_interval` is below `rebirth.min_interval`",
        );
        refuse(self.rebirth.per_second == 0, "`rebirth.per_second` is 0: take `rebirth.on = []` instead");
        refuse(self.limits.metrics == 0 || self.limits.payload_bytes == 0, "`limits` allow no payload");
        refuse(self.limits.template_depth > 49, "`limits.template_depth` is above 49, where the parser stops");
        for emit in &self.emit {
            let Emit::Full(entry) = emit else { continue };
            let fits = match entry.profile {
                None => true,
                Some(Profile::Simple) => entry.envelope == EnvelopeKind::Metric,
                Some(Profile::Tahu) => entry.envelope == EnvelopeKind::Message,
            };
            refuse(!fits, "the profile `simple` is one of the envelope `metric`, `tahu` one of `message`");
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// What the host does beyond reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Publishes nothing.
    Observer,
    /// Asks for rebirths and sends commands.
    Active,
    /// The same, and tells the nodes by STATE that it is there.
    Primary,
}

/// How STATE is written; both are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum StateDialect {
    /// `spBv1.0/STATE/HOST_ID` with JSON.
    #[serde(rename = "3.0")]
    V3,
    /// `STATE/HOST_ID` with `ONLINE` and `OFFLINE`.
    #[serde(rename = "2.2")]
    V2,
}

/// One stream of records.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Emit {
    Plain(EnvelopeKind),
    Full(EmitEntry),
}

/// A stream with its own topic, key or shape.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmitEntry {
    pub envelope: EnvelopeKind,
    /// Template; left out: the rule's `to`.
    pub topic: Option<String>,
    #[serde(default)]
    pub key: KeyBy,
    pub profile: Option<Profile>,
}

impl Emit {
    /// The entry with its defaults.
    #[must_use]
    pub fn entry(&self) -> EmitEntry {
        match self {
            Self::Plain(envelope) => {
                EmitEntry { envelope: *envelope, topic: None, key: KeyBy::default(), profile: None }
            }
            Self::Full(entry) => entry.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvelopeKind {
    Metric,
    Message,
    Flat,
    Raw,
    Lifecycle,
    Catalog,
}

/// `edge_node`, `device`, `metric`, or a template such as `{group}.{metric}`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "String")]
pub enum KeyBy {
    #[default]
    EdgeNode,
    Device,
    Metric,
    Template(String),
}

impl From<String> for KeyBy {
    fn from(text: String) -> Self {
        match text.as_str() {
            "edge_node" => Self::EdgeNode,
            "device" => Self::Device,
            "metric" => Self::Metric,
            _ => Self::Template(text),
        }
    }
}

/// Shapes of other products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// N3uron's, a kind of `metric`.
    Simple,
    /// Cirrus Link's, a kind of `message`.
    Tahu,
}

/// When and how often a node is asked to be born again.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rebirth {
    pub on: Vec<Trigger>,
    /// Least time between two requests to one node; doubles while they do not help.
    pub min_interval: Millis,
    /// Where the doubling ends.
    pub max_interval: Millis,
    /// Most requests a second to all nodes together.
    pub per_second: u32,
    /// Most requests at once to all nodes together.
    pub burst: u32,
    /// Most random time added to a repeated request.
    pub jitter: Millis,
    /// Tells, but does not publish.
    pub dry_run: bool,
}

impl Default for Rebirth {
    fn default() -> Self {
        Self {
            on: Trigger::ALL.to_vec(),
            min_interval: Millis(5_000),
            max_interval: Millis(300_000),
            per_second: 10,
            burst: 20,
            jitter: Millis(1_000),
            dry_run: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    UnknownNode,
    UnknownDevice,
    UnknownAlias,
    UnknownMetric,
    Gap,
    Malformed,
}

impl Trigger {
    pub const ALL: [Self; 6] =
        [Self::UnknownNode, Self::UnknownDevice, Self::UnknownAlias, Self::UnknownMetric, Self::Gap, Self::Malformed];

    /// As it stands in options and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownNode => "unknown_node",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownAlias => "unknown_alias",
            Self::UnknownMetric => "unknown_metric",
            Self::Gap => "gap",
            Self::Malformed => "malformed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReorderPolicy {
    /// What came early waits and leaves in order; at the latest when the timeout is over.
    HoldAndRelease,
    /// Everything goes on at once; what came early or late has the header `sp.out_of_order`.
    PassThroughAndFlag,
    /// As `hold_and_release`, and what comes after the timeout is dropped and told.
    DropLate,
}

/// What becomes of metrics whose name or type nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unresolved {
    Hold,
    Drop,
    EmitRaw,
    DeadLetter,
}

/// Bounds of what is held for one node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoldLimit {
    pub messages: usize,
    pub bytes: Bytes,
    pub age: Millis,
}

impl Default for HoldLimit {
    fn default() -> Self {
        Self { messages: 1_000, bytes: Bytes(1 << 20), age: Millis(60_000) }
    }
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$inner:meta])* $case:ident),+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$inner])* $case),+ }
    )+};
}

choices! {
    /// NCMD and DCMD of other hosts.
    Commands { Ignore, Emit }
    HoldExpired { Drop, EmitRaw }
    StaleOn { Ndeath, Ddeath, HostDisconnect }
    /// One lifecycle record, or a metric record for each metric as well.
    StaleEmit { Event, PerMetric }
    NdeathWithoutBdseq { Ignore, Accept }
    /// Births repeat every value: which of them give `metric` and `flat` records.
    BirthsEmit { All, ChangedOnly, None }
    Historical { SameTopicFlagged, SeparateTopic, Drop }
    Transient { EmitFlagged, Drop }
    /// How 64-bit integers are written.
    Int64 { Number, String }
    /// How NaN and the infinities are written.
    Nan { Null, String }
    BytesAs { Base64 }
    DateTime { Ms, Rfc3339 }
    /// `explode` gives one `metric` record for each row; elsewhere it is `rows`.
    DataSetAs { Object, Rows, Explode }
    /// `per_member` gives one `metric` record for each member; elsewhere it is `flatten`.
    TemplateAs { Object, Flatten, PerMember }
    Properties { Nested, Flat, None }
    HeadersAs { All, None }
    BitOrder { Msb, Lsb }
}

/// What nodes of some makes do differently.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirk {
    pub group: Option<Glob>,
    pub node: Option<Glob>,
    pub boolean_array_bit_order: BitOrder,
    /// Elements of StringArray come as hexadecimal text.
    pub string_array_hex: bool,
}

impl Default for Quirk {
    fn default() -> Self {
        Self { group: None, node: None, boolean_array_bit_order: BitOrder::Msb, string_array_hex: false }
    }
}

/// Bounds on what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(with = "crate::units::bytes")]
    pub payload_bytes: usize,
    /// Of a compressed payload when inflated.
    #[serde(with = "crate::units::bytes")]
    pub inflated_bytes: usize,
    /// Metrics in one payload.
    pub metrics: usize,
    /// Templates within templates; deeper is an error of that metric.
    pub template_depth: u8,
    /// One name or one text value; a longer one is an error of that metric.
    #[serde(with = "crate::units::bytes")]
    pub string_bytes: usize,
    /// Elements of one array, cells of one DataSet.
    pub elements: usize,
    /// Edge nodes kept in memory.
    pub nodes: usize,
    /// Devices of one node.
    pub devices: usize,
    /// Births, definitions and held messages of all nodes together.
    #[serde(with = "crate::units::bytes")]
    pub memory_bytes: usize,
    /// Bytes of one piece of exported memory.
    #[serde(with = "crate::units::bytes")]
    pub piece_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 4 << 20,
            inflated_bytes: 16 << 20,
            metrics: 20_000,
            template_depth: 32,
            string_bytes: 1 << 20,
            elements: 1 << 18,
            nodes: 10_000,
            devices: 10_000,
            memory_bytes: 40 << 20,
            piece_bytes: 48 << 10,
        }
    }
}
