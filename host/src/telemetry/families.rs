//! The names of all metrics, in one table. Dashboards and alerts read them: a change here belongs in the CHANGELOG.

/// What a family's samples are (OpenMetrics 1.0, section "Metric Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its samples are called `<name>_total`.
    Counter,
    Gauge,
    /// Its samples are called `<name>_bucket`, `<name>_count` and `<name>_sum`.
    Histogram,
    /// Always 1; the labels are the message. Its sample is called `<name>_info`.
    Info,
}

impl Kind {
    /// The word of the `# TYPE` line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// One family: what the `# HELP`, `# TYPE` and `# UNIT` lines say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Without the ending that `kind` gives to the samples; with the unit, where there is one.
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

impl Family {
    /// The unit, which OpenMetrics wants as the last word of the name.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"]
            .into_iter()
            .find(|unit| self.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
    }
}

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*
        /// Every family, in the order of the page.
        pub const ALL: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD = Info "tidegate_build", "Version of the running program.";

    CONFIG_GENERATION = Gauge "tidegate_config_generation",
        "Number of the configuration in use; counts up with each reload that changed something.";
    CONFIG_LAST_RELOAD_SUCCESSFUL = Gauge "tidegate_config_last_reload_successful",
        "1 if the last reload was taken, 0 if it was rejected.";
    CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP = Gauge "tidegate_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was taken, seconds since 1970.";

    MQTT_CONNECTED = Gauge "tidegate_mqtt_connected", "1 while the source has a connection to its broker.";
    MQTT_CONNECTS = Counter "tidegate_mqtt_connects", "Connections that were made to the broker.";
    MQTT_SESSIONS_LOST = Counter "tidegate_mqtt_sessions_lost",
        "Connections on which the broker had forgotten a session that it was asked to keep.";
    MQTT_PROTOCOL_ERRORS = Counter "tidegate_mqtt_protocol_errors", "Packets of the broker that broke the protocol.";
    MESSAGES_RECEIVED = Counter "tidegate_messages_received", "Messages that arrived from the broker.";
    MESSAGES_RECEIVED_SIZE = Counter "tidegate_messages_received_bytes",
        "Topic and payload bytes of the messages that arrived.";
    MESSAGES_ACKNOWLEDGED = Counter "tidegate_messages_acknowledged", "Messages that are settled and acknowledged.";
    MESSAGES_ABANDONED = Counter "tidegate_messages_abandoned",
        "Messages given up without an acknowledgement; the broker sends them again.";
    MESSAGES_UNROUTED = Counter "tidegate_messages_unrouted", "Messages that no rule matched.";
    MESSAGES_DROPPED = Counter "tidegate_messages_dropped",
        "Messages set aside for good: by a rule's on_error, or QoS 0 lost with its connection.";
    MESSAGES_REJOINED = Counter "tidegate_messages_rejoined",
        "Redelivered messages that were still being worked on, so that nothing was produced twice.";
    INFLIGHT_MESSAGES = Gauge "tidegate_inflight_messages", "Messages that arrived and are not settled.";
    WINDOW_SIZE = Gauge "tidegate_window_size", "Most messages that the broker may have in flight to the source.";

    RECORDS_PRODUCED = Counter "tidegate_records_produced", "Records of a rule that Kafka acknowledged.";
    MESSAGES_FILTERED = Counter "tidegate_messages_filtered", "Messages that a plugin of the rule filtered out.";
    MESSAGES_DEAD_LETTERED = Counter "tidegate_messages_dead_lettered",
        "Messages that stand in the dead-letter topic, by reason.";
    DELIVERY = Histogram "tidegate_delivery_seconds", "Arrival of a message to Kafka's acknowledgement.";

    PLUGIN_CALL = Histogram "tidegate_plugin_call_seconds", "Time of one call into the plugin, which takes a batch.";
    PLUGIN_FAILURES = Counter "tidegate_plugin_failures", "Calls into the plugin that went wrong, by kind.";
    PLUGIN_MEMORY = Gauge "tidegate_plugin_memory_bytes", "Linear memory of the plugin's running copies together.";
    PLUGIN_COUNTER = Counter "tidegate_plugin_counter", "What the plugin counts itself, by the name that it gives.";
    PLUGIN_GAUGE = Gauge "tidegate_plugin_gauge", "What the plugin measures itself, by the name that it gives.";

    KAFKA_CONNECTED = Gauge "tidegate_kafka_connected", "1 while at least one broker of the cluster is connected.";
    KAFKA_HELD_RECORDS = Gauge "tidegate_kafka_held_records",
        "Records that wait for a topic that is missing or may not be written.";
    KAFKA_QUEUED_RECORDS = Gauge "tidegate_kafka_queued_records",
        "Records handed to the producer and not settled.";
    KAFKA_PRODUCERS_RECREATED = Counter "tidegate_kafka_producers_recreated",
        "Producers that were made anew after a fatal error.";

    LOG_LINES_DROPPED = Counter "tidegate_log_lines_dropped",
        "Log lines dropped because whoever reads the log was too slow.";

    PROCESS_CPU = Counter "process_cpu_seconds", "User and system time of the process.";
    PROCESS_RESIDENT_MEMORY = Gauge "process_resident_memory_bytes", "Resident memory of the process.";
    PROCESS_OPEN_FDS = Gauge "process_open_fds", "File descriptors that the process has open.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_leave_the_ending_to_the_page() {
        let names: HashSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for ending in ["_total", "_info", "_bucket", "_count", "_sum", "_created"] {
            assert!(!names.iter().any(|name| name.ends_with(ending)), "{ending}");
        }
    }

    #[test]
    fn a_unit_is_the_last_word_of_the_name() {
        assert_eq!(DELIVERY.unit(), Some("seconds"));
        assert_eq!(PLUGIN_MEMORY.unit(), Some("bytes"));
        assert_eq!(WINDOW_SIZE.unit(), None);
    }
}
