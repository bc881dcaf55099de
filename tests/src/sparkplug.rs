//! Payloads of Sparkplug edge nodes, written by hand from the field table of the specification.

/// A value in the field that a node would use.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// `int_value`.
    Int(u32),
    /// `long_value`.
    Long(u64),
    Double(f64),
    Bool(bool),
    Text(&'a str),
}

/// A payload in the making.
#[derive(Clone, Debug, Default)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// With a time in milliseconds since 1970.
    #[must_use]
    pub fn at(timestamp_ms: u64) -> Self {
        let mut bytes = Vec::new();
        number(&mut bytes, 1, timestamp_ms);
        Self(bytes)
    }

    #[must_use]
    pub fn seq(mut self, seq: u8) -> Self {
        number(&mut self.0, 3, seq.into());
        self
    }

    /// A metric of a birth; `datatype` is its code.
    #[must_use]
    pub fn born(self, name: &str, alias: u64, datatype: u32, field: Field<'_>) -> Self {
        let mut metric = Vec::new();
        chunk(&mut metric, 1, name.as_bytes());
        number(&mut metric, 2, alias);
        number(&mut metric, 4, datatype.into());
        self.metric(metric, field)
    }

    /// A metric of a data message: its alias and nothing else.
    #[must_use]
    pub fn data(self, alias: u64, field: Field<'_>) -> Self {
        let mut metric = Vec::new();
        number(&mut metric, 2, alias);
        self.metric(metric, field)
    }

    fn metric(mut self, mut metric: Vec<u8>, field: Field<'_>) -> Self {
        match field {
            Field::Int(value) => number(&mut metric, 10, value.into()),
            Field::Long(value) => number(&mut metric, 11, value),
            Field::Double(value) => {
                varint(&mut metric, 13 << 3 | 1);
                metric.extend(value.to_le_bytes());
            }
            Field::Bool(value) => number(&mut metric, 14, value.into()),
            Field::Text(value) => chunk(&mut metric, 15, value.as_bytes()),
        }
        chunk(&mut self.0, 2, &metric);
        self
    }

    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn number(bytes: &mut Vec<u8>, field: u64, value: u64) {
    varint(bytes, field << 3);
    varint(bytes, value);
}

fn chunk(bytes: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(bytes, field << 3 | 2);
    varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_laid_out_as_protobuf_says() {
        let payload = Payload::at(300).seq(1).data(2, Field::Bool(true)).bytes();
        assert_eq!(payload, [0x08, 0xAC, 0x02, 0x18, 0x01, 0x12, 0x04, 0x10, 0x02, 0x70, 0x01]);
    }
}
