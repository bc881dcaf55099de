//! Writes payloads: the commands a host sends.

use crate::datatype::DataType;

/// A metric to write, by name.
#[derive(Clone, Copy, Debug)]
pub struct MetricOut<'a> {
    pub name: &'a str,
    pub alias: Option<u64>,
    pub timestamp_ms: u64,
    pub datatype: DataType,
    pub value: ValueOut<'a>,
}

/// A value in the field that its type asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueOut<'a> {
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Bool(bool),
    Text(&'a str),
    Null,
}

/// Builds one payload.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// A payload with this timestamp, in milliseconds since 1970, and no seq (`tck-id-payloads-ncmd-seq`).
    #[must_use]
    pub fn new(timestamp_ms: u64) -> Self {
        let mut encoder = Self::default();
        encoder.number(1, timestamp_ms);
        encoder
    }

    pub fn metric(&mut self, metric: MetricOut<'_>) {
        let mut inner = Self::default();
        inner.text(1, metric.name);
        if let Some(alias) = metric.alias {
            inner.number(2, alias);
        }
        inner.number(3, metric.timestamp_ms);
        inner.number(4, u64::from(metric.datatype.code()));
        inner.value(metric.value);
        self.delimited(2, &inner.bytes);
    }

    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn value(&mut self, value: ValueOut<'_>) {
        match value {
            ValueOut::Int(number) => self.number(10, u64::from(number)),
            ValueOut::Long(number) => self.number(11, number),
            ValueOut::Float(number) => {
                self.tag(12, 5);
                self.bytes.extend(number.to_le_bytes());
            }
            ValueOut::Double(number) => {
                self.tag(13, 1);
                self.bytes.extend(number.to_le_bytes());
            }
            ValueOut::Bool(flag) => self.number(14, u64::from(flag)),
            ValueOut::Text(text) => self.text(15, text),
            ValueOut::Null => self.number(7, 1),
        }
    }

    fn number(&mut self, field: u32, number: u64) {
        self.tag(field, 0);
        self.varint(number);
    }

    fn text(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, number: u64) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Limits;
    use crate::wire::{Payload, Raw};

    #[test]
    fn what_is_written_is_read() {
        let mut encoder = Encoder::new(1_700_000_000_000);
        encoder.metric(MetricOut {
            name: "Node Control/Rebirth",
            alias: None,
            timestamp_ms: 5,
            datatype: DataType::Boolean,
            value: ValueOut::Bool(true),
        });
        let bytes = encoder.finish();
        let payload = Payload::parse(&bytes, &Limits::default()).unwrap();
        assert_eq!((payload.timestamp, payload.seq), (Some(1_700_000_000_000), None));
        assert_eq!(payload.metrics[0].name, Some(&b"Node Control/Rebirth"[..]));
        assert_eq!((payload.metrics[0].datatype, payload.metrics[0].value), (Some(11), Raw::Bool(true)));
    }
}
