//! Writing metrics of nodes and devices: NCMD and DCMD (Sparkplug 6.4.27, 6.4.28).

use std::fmt;

use super::Engine;
use super::core::Core;
use crate::datatype::DataType;
use crate::host::Host;
use crate::options::Role;
use crate::session::{Node, Table};
use crate::topic::Address;
use crate::wire::{Encoder, MetricOut, ValueOut};

/// Why a command was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// An observer writes nothing.
    Role,
    UnknownNode,
    UnknownDevice,
    UnknownMetric {
        metric: String,
    },
    /// The text is no value of the metric's type.
    Value {
        metric: String,
        datatype: &'static str,
    },
    /// Arrays, DataSets, Templates and Bytes cannot be written from text.
    Unwritable {
        metric: String,
        datatype: &'static str,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role => f.write_str("the role `observer` writes nothing: take `active` or `primary`"),
            Self::UnknownNode => f.write_str("no birth of this edge node is known"),
            Self::UnknownDevice => f.write_str("no birth of this device is known"),
            Self::UnknownMetric { metric } => write!(f, "the birth has no metric `{metric}`"),
            Self::Value { metric, datatype } => write!(f, "the value for `{metric}` is no {datatype}"),
            Self::Unwritable { metric, datatype } => {
                write!(f, "`{metric}` is of type {datatype}, which cannot be written from text")
            }
        }
    }
}

impl std::error::Error for CommandError {}

impl Engine {
    /// Writes metrics, each `(name, value as text)`, typed as the birth says. Roles `active` and `primary` only; not
    /// repeated when it is not answered.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn write(
        &mut self,
        broker: &str,
        address: Address<'_>,
        values: &[(&str, &str)],
        now_ms: u64,
        host: &mut dyn Host,
    ) -> Result<(), CommandError> {
        if self.core.options.role == Role::Observer {
            return Err(CommandError::Role);
        }
        check_ids(address)?;
        let written = self.on_node(broker, address, now_ms, host, |core, node, host| {
            core.write_metrics(host, node, address.device, values, now_ms)
        });
        written.map_err(|_| CommandError::UnknownNode)?
    }
}

/// Ids that could turn the command's topic into another one.
pub(super) fn check_ids(address: Address<'_>) -> Result<(), CommandError> {
    let wrong = |id: &str| id.is_empty() || id.contains(['/', '+', '#']);
    if wrong(address.group) || wrong(address.edge_node) {
        return Err(CommandError::UnknownNode);
    }
    if address.device.is_some_and(wrong) { Err(CommandError::UnknownDevice) } else { Ok(()) }
}

impl Core {
    fn write_metrics(
        &self,
        host: &mut dyn Host,
        node: &Node,
        device: Option<&str>,
        values: &[(&str, &str)],
        now_ms: u64,
    ) -> Result<(), CommandError> {
        let unknown = if device.is_some() { CommandError::UnknownDevice } else { CommandError::UnknownNode };
        let table = node.table_of(device).ok_or(unknown)?;
        let mut payload = Encoder::new(now_ms);
        for (name, text) in values {
            payload.metric(metric_out(table, name, text, now_ms)?);
        }
        self.publish_command(host, node, device, &payload.finish());
        Ok(())
    }
}

fn metric_out<'a>(table: &Table, name: &'a str, text: &'a str, now_ms: u64) -> Result<MetricOut<'a>, CommandError> {
    let unknown = || CommandError::UnknownMetric { metric: name.to_owned() };
    let entry = table.by_name(name).and_then(|place| table.entry(place)).ok_or_else(unknown)?;
    let datatype = entry.datatype.ok_or_else(unknown)?;
    let value = value_out(datatype, text)
        .ok_or_else(|| CommandError::Unwritable { metric: name.to_owned(), datatype: datatype.name() })?
        .ok_or_else(|| CommandError::Value { metric: name.to_owned(), datatype: datatype.name() })?;
    Ok(MetricOut { name, alias: None, timestamp_ms: now_ms, datatype, value })
}

/// `None`: the type cannot be written; `Some(None)`: the text is no value of it.
fn value_out(datatype: DataType, text: &str) -> Option<Option<ValueOut<'_>>> {
    let small = |number: Option<i64>| number.map(|number| ValueOut::Int(number as u32));
    let unsigned = |number: Option<u32>| number.map(ValueOut::Int);
    Some(match datatype {
        DataType::Int8 => small(text.parse::<i8>().ok().map(i64::from)),
        DataType::Int16 => small(text.parse::<i16>().ok().map(i64::from)),
        DataType::Int32 => small(text.parse::<i32>().ok().map(i64::from)),
        DataType::UInt8 => unsigned(text.parse::<u8>().ok().map(u32::from)),
        DataType::UInt16 => unsigned(text.parse::<u16>().ok().map(u32::from)),
        // In the field for 64 bits: the JavaScript clients read it only there, the others from either.
        DataType::UInt32 => text.parse::<u32>().ok().map(|number| ValueOut::Long(u64::from(number))),
        DataType::Int64 | DataType::DateTime => text.parse::<i64>().ok().map(|number| ValueOut::Long(number as u64)),
        DataType::UInt64 => text.parse().ok().map(ValueOut::Long),
        DataType::Float => text.parse().ok().map(ValueOut::Float),
        DataType::Double => text.parse().ok().map(ValueOut::Double),
        DataType::Boolean => text.parse().ok().map(ValueOut::Bool),
        DataType::String | DataType::Text | DataType::Uuid => Some(ValueOut::Text(text)),
        DataType::DataSet | DataType::Bytes | DataType::File | DataType::Template => return None,
        DataType::PropertySet | DataType::PropertySetList => return None,
        DataType::Int8Array | DataType::Int16Array | DataType::Int32Array | DataType::Int64Array => return None,
        DataType::UInt8Array | DataType::UInt16Array | DataType::UInt32Array | DataType::UInt64Array => return None,
        DataType::FloatArray | DataType::DoubleArray | DataType::BooleanArray => return None,
        DataType::StringArray | DataType::DateTimeArray => return None,
    })
}
