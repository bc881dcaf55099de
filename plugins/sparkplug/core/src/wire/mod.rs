//! The Sparkplug payload on the wire (`proto/sparkplug_b.proto`): read in place, nothing copied, every bound checked first.
//!
//! Own reader instead of a generated tree: one field of an unexpected wire type is skipped instead of costing the payload,
//! text need not be UTF-8, and a hostile payload cannot grow to many times its size in memory.

mod encode;
mod inflate;
mod message;
mod reader;
mod shape;

pub use encode::{Encoder, MetricOut, ValueOut};
pub use inflate::{Compression, InflateError};
pub use message::{Metric, Payload, PayloadError, Raw};
pub use reader::{Field, Reader, WireError};
pub use shape::{NESTING_MAX, ShapeError};
