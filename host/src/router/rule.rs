//! `Rule`: what one `[[rule]]` asks for, with its stages ready to run.

use std::fmt;
use std::sync::Arc;

use super::order::Order;
use super::pattern::Pattern;
use super::template::Template;
use crate::ack::RuleNo;
use crate::config::OnError;
use crate::message::Qos;
use crate::meters::{PluginMeters, RuleMeters};
use crate::seam::Stage;
use crate::topic::ClusterNo;

/// One rule of a rule set.
pub struct Rule {
    pub no: RuleNo,
    pub name: Arc<str>,
    /// At least one.
    pub from: Vec<Pattern>,
    pub qos: Qos,
    /// The chain, in order; may be empty.
    pub stages: Vec<RuleStage>,
    pub order: Order,
    /// At least one.
    pub to: Vec<Destination>,
    pub on_error: OnError,
    pub meters: Arc<RuleMeters>,
}

impl Rule {
    /// Whether any plugin of it keeps state, so that a message that is carried again counts again.
    #[must_use]
    pub fn keeps_state(&self) -> bool {
        self.stages.iter().any(|stage| stage.stage.wishes().keeps_state)
    }

    /// Whether its messages go through a lane; the others are produced where they arrive.
    #[must_use]
    pub fn has_stages(&self) -> bool {
        !self.stages.is_empty()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.name)
    }
}

/// One plugin of a rule's chain.
#[derive(Clone)]
pub struct RuleStage {
    pub stage: Arc<dyn Stage>,
    pub meters: Arc<PluginMeters>,
}

/// Where a rule sends its records.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    pub cluster: ClusterNo,
    pub topic: Template,
    /// `None`: the MQTT topic.
    pub key: Option<Template>,
    pub headers: Vec<(Arc<str>, Template)>,
}
