//! Who owes an acknowledgement, and when it may leave.

pub mod ledger;
pub mod token;

pub use ledger::{Ack, AckLedger, Left, PacketId};
pub use token::{AckToken, Desk, FailedPlugin, Failure, FailureKind, Report, RuleNo, Settlement, Slot, SourceNo};
