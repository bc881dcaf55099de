//! What a rule grants a plugin, as the host has it at hand: for a stage (`Offer`), and for one instance (`Services`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::{Grants, PluginLimits};
use crate::meters::PluginMeters;
use crate::seam::{Backchannel, Tables};

use super::figures::Figures;
use super::lookup::View;
use super::publish;
use super::state::{Call, Scope, Space};

/// What lies outside of the plugin engine and is lent to plugins that are granted it.
#[derive(Clone, Default)]
pub struct Outside {
    /// The figures of the plugin in its rule.
    pub meters: Arc<PluginMeters>,
    /// To the broker of the rule's source; without it what is published goes nowhere.
    pub back: Option<Arc<dyn Backchannel>>,
    /// The tables to look into; without it there are none.
    pub tables: Option<Arc<dyn Tables>>,
}

/// State of all plugins in all rules, by the names of rule and plugin; a space lives as long as any stage that uses it.
#[derive(Default)]
pub(super) struct Spaces(Mutex<HashMap<(String, String), Weak<Space>>>);

impl Spaces {
    fn space(&self, rule: &str, plugin: &str, limits: &PluginLimits) -> Arc<Space> {
        let mut spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spaces.retain(|_, space| space.strong_count() > 0);
        let key = (rule.to_owned(), plugin.to_owned());
        if let Some(known) = spaces.get(&key).and_then(Weak::upgrade) {
            known.limit(limits.state);
            return known;
        }
        let space = Space::new(limits.state);
        spaces.insert(key, Arc::downgrade(&space));
        space
    }
}

/// What one plugin in one rule may use.
pub(super) struct Offer {
    state: Option<Arc<Space>>,
    publish: Option<Arc<publish::Desk>>,
    lookup: Option<View>,
    figures: Option<Arc<Figures>>,
}

impl Offer {
    pub(super) fn new(
        names: [&str; 2],
        limits: &PluginLimits,
        grants: &Grants,
        spaces: &Spaces,
        outside: &Outside,
    ) -> Self {
        let [rule, plugin] = names;
        let publish = |grant| Arc::new(publish::Desk::new(grant, outside.back.clone()));
        Self {
            state: grants.state.then(|| spaces.space(rule, plugin, limits)),
            publish: grants.publish.clone().map(publish),
            lookup: grants.lookup.clone().map(|grant| View::new(grant, outside.tables.clone())),
            figures: grants.metrics.then(|| Figures::new(names, outside.meters.clone(), limits.metrics_max)),
        }
    }

    pub(super) fn keeps_state(&self) -> bool {
        self.state.is_some()
    }

    /// For an instance in `lane`.
    pub(super) fn services(&self, lane: usize) -> Services {
        Services {
            state: self.state.clone().map(|space| Call::new(space, lane)),
            publish: self.publish.clone().map(publish::Call::new),
            lookup: self.lookup.clone(),
            figures: self.figures.clone(),
            scope: Scope::All,
        }
    }
}

/// What one instance may use. What is not granted is absent; nothing calls it, since loading refuses such a plugin.
pub(super) struct Services {
    pub(super) state: Option<Call>,
    pub(super) publish: Option<publish::Call>,
    pub(super) lookup: Option<View>,
    pub(super) figures: Option<Arc<Figures>>,
    /// Which keys the call in hand lists.
    pub(super) scope: Scope,
}

impl Services {
    /// For an instance that no rule uses.
    pub(super) fn none() -> Self {
        Self { state: None, publish: None, lookup: None, figures: None, scope: Scope::All }
    }

    /// The call in hand has answered: what it changed and published takes effect.
    pub(super) fn commit(&mut self) {
        if let Some(state) = &mut self.state {
            state.commit();
        }
        if let Some(publish) = &mut self.publish {
            publish.commit();
        }
    }

    /// What the call in hand changed and published is forgotten.
    pub(super) fn roll_back(&mut self) {
        if let Some(state) = &mut self.state {
            state.roll_back();
        }
        if let Some(publish) = &mut self.publish {
            publish.roll_back();
        }
    }
}
