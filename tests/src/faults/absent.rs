//! Rows of the matrix that are not run, each with the reason.

/// A row that nobody runs yet.
#[derive(Clone, Copy, Debug)]
pub struct Absent {
    pub id: &'static str,
    pub fault: &'static str,
    pub reason: &'static str,
}

const fn absent(id: &'static str, fault: &'static str, reason: &'static str) -> Absent {
    Absent { id, fault, reason }
}

const NOT_BUILT: &str = "the bridge has no such part yet";
const NO_INJECTION: &str = "no injection is written yet";
const IN_UNIT_TESTS: &str = "held by tests of the module";

pub const ABSENT: &[Absent] = &[
    absent("K5", "the number of partitions grows", NO_INJECTION),
    absent("K8", "SASL password rotated", NO_INJECTION),
    absent("K14", "DNS answers change", NO_INJECTION),
    absent("M5", "packet loss, jitter, 1 Mbit/s", NO_INJECTION),
    absent("M6", "certificates expire", NO_INJECTION),
    absent("M13", "thundering herd of 50 bridges", NO_INJECTION),
    absent("B2", "kill -9 during spool rotation and plugin cache write", NOT_BUILT),
    absent("B5", "disk full under the spool", NOT_BUILT),
    absent("B6", "fsync fails under the spool", NOT_BUILT),
    absent("B7", "damaged spool", NOT_BUILT),
    absent("B9", "memory limit by cgroup", NO_INJECTION),
    absent("B14", "24 h soak", "run by hand: `cargo xtask faults --soak 24h`"),
    absent("P9", "plugin replaced by every way of writing a file", IN_UNIT_TESTS),
    absent("P10", "compile bomb", NOT_BUILT),
    absent("P11", "contradictory routing by a plugin", IN_UNIT_TESTS),
    absent("P12", "state of one plugin read by another", IN_UNIT_TESTS),
    absent("P13", "imports that are not granted", IN_UNIT_TESTS),
    absent("R7", "roll back by command", NOT_BUILT),
    absent("R8", "a worse version of a plugin as canary", NOT_BUILT),
    absent("D3", "replay of dead letters", "held by the end-to-end tests `dlq`"),
    absent("D2", "Sparkplug disorder", "held by the end-to-end tests of Sparkplug"),
];
