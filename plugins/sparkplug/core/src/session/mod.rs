//! What a host remembers of edge nodes, and what it decides. No clock and no socket: time comes in with every event.

mod held;
mod node;
mod pack;
mod rebirth;
mod sequence;
mod table;

pub use held::{Held, HeldQueue};
pub use node::{Device, Liveness, Node};
pub use pack::{Pack, Unpack};
pub use rebirth::{Budget, RebirthState};
pub use sequence::{Sequence, Step};
pub use table::{BirthError, Definitions, Entry, Scope, Table, TableBuilder, definition};
