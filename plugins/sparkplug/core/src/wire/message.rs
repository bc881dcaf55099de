//! A payload and its metrics, borrowed from the bytes that came.

use std::fmt;

use super::inflate::{COMPRESSED_UUID, Compression, InflateError};
use super::reader::{Field, Reader, WireError};
use super::shape::{self, Kind, ShapeError};
use crate::options::Limits;

/// Why bytes are not a payload that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    TooLarge {
        bytes: usize,
        bytes_max: usize,
    },
    TooManyMetrics {
        metrics_max: usize,
    },
    Shape(ShapeError),
    Inflate(InflateError),
    /// A compressed payload within a compressed payload.
    CompressedTwice,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, bytes_max } => write!(f, "the payload has {bytes} bytes, allowed are {bytes_max}"),
            Self::TooManyMetrics { metrics_max } => write!(f, "the payload has more than {metrics_max} metrics"),
            Self::Shape(error) => error.fmt(f),
            Self::Inflate(error) => error.fmt(f),
            Self::CompressedTwice => f.write_str("the payload is compressed within a compressed payload"),
        }
    }
}

impl std::error::Error for PayloadError {}

impl From<ShapeError> for PayloadError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

impl From<WireError> for PayloadError {
    fn from(error: WireError) -> Self {
        Self::Shape(ShapeError::Wire(error))
    }
}

/// One payload. A field of an unexpected wire type counts as unknown and is skipped.
#[derive(Clone, Debug, Default)]
pub struct Payload<'a> {
    /// Milliseconds since 1970.
    pub timestamp: Option<u64>,
    pub seq: Option<u64>,
    pub metrics: Vec<Metric<'a>>,
    uuid: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
}

/// One metric as sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metric<'a> {
    pub name: Option<&'a [u8]>,
    pub alias: Option<u64>,
    pub timestamp: Option<u64>,
    pub datatype: Option<u32>,
    pub historical: bool,
    pub transient: bool,
    pub null: bool,
    /// How many templates lie within one another in the value.
    pub template_depth: u8,
    pub metadata: Option<&'a [u8]>,
    pub properties: Option<&'a [u8]>,
    pub value: Raw<'a>,
}

/// A value by the field that holds it; its type decides what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Raw<'a> {
    #[default]
    None,
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Bool(bool),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    DataSet(&'a [u8]),
    Template(&'a [u8]),
    PropertySet(&'a [u8]),
    PropertySets(&'a [u8]),
    Extension(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// # Errors
    /// Too large, broken, nested too deep.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, PayloadError> {
        if bytes.len() > limits.payload_bytes {
            return Err(PayloadError::TooLarge { bytes: bytes.len(), bytes_max: limits.payload_bytes });
        }
        Self::parse_content(bytes, limits)
    }

    fn parse_content(bytes: &'a [u8], limits: &Limits) -> Result<Self, PayloadError> {
        let mut payload = Self { metrics: Vec::with_capacity((bytes.len() / 24).min(32)), ..Self::default() };
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.read()? {
            match (number, field) {
                (1, Field::Varint(timestamp)) => payload.timestamp = Some(timestamp),
                (2, Field::Bytes(metric)) => {
                    if payload.metrics.len() >= limits.metrics {
                        return Err(PayloadError::TooManyMetrics { metrics_max: limits.metrics });
                    }
                    payload.metrics.push(Metric::parse(metric)?);
                }
                (3, Field::Varint(seq)) => payload.seq = Some(seq),
                (4, Field::Bytes(uuid)) => payload.uuid = Some(uuid),
                (5, Field::Bytes(body)) => payload.body = Some(body),
                _ => {}
            }
        }
        Ok(payload)
    }

    /// The payload inside a compressed one; `None` when this is none.
    ///
    /// # Errors
    /// Broken, too large, another algorithm.
    pub fn inflate(&self, limits: &Limits) -> Result<Option<Vec<u8>>, PayloadError> {
        if !self.is_compressed() {
            return Ok(None);
        }
        let compression = match self.metrics.iter().find(|metric| metric.name == Some(b"algorithm")) {
            Some(Metric { value: Raw::Text(name), .. }) => Compression::parse(name).map_err(PayloadError::Inflate)?,
            Some(_) | None => Compression::Deflate,
        };
        let body = self.body.unwrap_or_default();
        compression.inflate(body, limits.inflated_bytes).map(Some).map_err(PayloadError::Inflate)
    }

    /// Reads what [`Self::inflate`] gave. What the inner payload lacks of time and seq comes from this one.
    ///
    /// # Errors
    /// As [`Self::parse`], and when it is compressed again.
    pub fn parse_inner<'b>(&self, inflated: &'b [u8], limits: &Limits) -> Result<Payload<'b>, PayloadError> {
        let mut inner = Payload::parse_content(inflated, limits)?;
        if inner.is_compressed() {
            return Err(PayloadError::CompressedTwice);
        }
        inner.timestamp = inner.timestamp.or(self.timestamp);
        inner.seq = inner.seq.or(self.seq);
        Ok(inner)
    }

    fn is_compressed(&self) -> bool {
        self.uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(COMPRESSED_UUID))
    }
}

impl<'a> Metric<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ShapeError> {
        let mut metric = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.read()? {
            if let Field::Bytes(inner) = field {
                metric.check_inside(number, inner)?;
            }
            metric.set(number, field);
        }
        Ok(metric)
    }

    /// A metric within a template, whose shape has been checked.
    #[must_use]
    pub fn parse_checked(bytes: &'a [u8]) -> Self {
        let mut metric = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.checked() {
            metric.set(number, field);
        }
        metric
    }

    fn check_inside(&mut self, number: u32, inner: &[u8]) -> Result<(), ShapeError> {
        match number {
            8 => drop(shape::check(Kind::MetaData, inner, 2)?),
            9 => drop(shape::check(Kind::PropertySet, inner, 2)?),
            17 => drop(shape::check(Kind::DataSet, inner, 2)?),
            18 => self.template_depth = shape::check(Kind::Template, inner, 2)?,
            _ => {}
        }
        Ok(())
    }

    #[inline]
    fn set(&mut self, number: u32, field: Field<'a>) {
        match (number, field) {
            (1, Field::Bytes(name)) => self.name = Some(name),
            (2, Field::Varint(alias)) => self.alias = Some(alias),
            (3, Field::Varint(timestamp)) => self.timestamp = Some(timestamp),
            (4, Field::Varint(_)) => self.datatype = field.uint32(),
            (5, Field::Varint(flag)) => self.historical = flag != 0,
            (6, Field::Varint(flag)) => self.transient = flag != 0,
            (7, Field::Varint(flag)) => self.null = flag != 0,
            (8, Field::Bytes(metadata)) => self.metadata = Some(metadata),
            (9, Field::Bytes(properties)) => self.properties = Some(properties),
            (10..=15, _) => self.value = Raw::scalar(number - 10, field).unwrap_or(self.value),
            (16, Field::Bytes(bytes)) => self.value = Raw::Bytes(bytes),
            (17, Field::Bytes(bytes)) => self.value = Raw::DataSet(bytes),
            (18, Field::Bytes(bytes)) => self.value = Raw::Template(bytes),
            (19, Field::Bytes(bytes)) => self.value = Raw::Extension(bytes),
            _ => {}
        }
    }
}

impl<'a> Raw<'a> {
    /// The six plain fields, which stand in the same order in metrics, cells, parameters and properties.
    #[inline]
    pub(crate) fn scalar(place: u32, field: Field<'a>) -> Option<Self> {
        match place {
            0 => field.uint32().map(Self::Int),
            1 => field.varint().map(Self::Long),
            2 => field.float().map(Self::Float),
            3 => field.double().map(Self::Double),
            4 => field.boolean().map(Self::Bool),
            5 => field.bytes().map(Self::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Payload<'_>, PayloadError> {
        Payload::parse(bytes, &Limits::default())
    }

    fn nested_templates(levels: usize) -> Vec<u8> {
        let mut template = Vec::new();
        for _ in 0..levels {
            let mut metric = Vec::new();
            prost::encoding::bytes::encode(18, &template, &mut metric);
            template = Vec::new();
            prost::encoding::bytes::encode(2, &metric, &mut template);
        }
        template
    }

    #[test]
    fn a_field_of_another_wire_type_is_skipped() {
        let payload = parse(&[0x12, 6, 0x08, 7, 0x10, 3, 0x50, 9, 0x1A, 1, 1, 0x18, 4]).unwrap();
        assert_eq!((payload.seq, payload.metrics.len()), (Some(4), 1));
        assert_eq!(payload.metrics[0].name, None);
        assert_eq!((payload.metrics[0].alias, payload.metrics[0].value), (Some(3), Raw::Int(9)));
    }

    #[test]
    fn a_metric_that_is_cut_off_costs_the_payload() {
        assert_eq!(parse(&[0x12, 2, 0x0A, 5]).unwrap_err(), WireError::Truncated.into());
        assert_eq!(parse(b"plain text").unwrap_err(), WireError::Truncated.into());
    }

    #[test]
    fn templates_nested_past_the_limit_cost_the_payload() {
        assert_eq!(parse(&nested_templates(10)).unwrap().metrics[0].template_depth, 10);
        assert_eq!(parse(&nested_templates(200)).unwrap_err(), ShapeError::TooDeep.into());
        assert_eq!(parse(&nested_templates(20_000)).unwrap_err(), ShapeError::TooDeep.into());
    }

    #[test]
    fn sizes_are_bounded() {
        let limits = Limits { payload_bytes: 10, metrics: 2, ..Limits::default() };
        assert!(matches!(Payload::parse(&[0; 11], &limits), Err(PayloadError::TooLarge { .. })));
        assert!(matches!(Payload::parse(&[18, 0, 18, 0, 18, 0], &limits), Err(PayloadError::TooManyMetrics { .. })));
    }
}
