//! Checks that messages within messages are whole and not nested too deep, before anything reads them.

use std::fmt;

use super::reader::{Field, Reader, WireError};

/// Messages within messages, the payload not counted: what protobuf libraries read by default. Deeper ones cost the payload.
pub const NESTING_MAX: u8 = 100;

/// Why the inside of a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    Wire(WireError),
    /// Nested deeper than [`NESTING_MAX`].
    TooDeep,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::TooDeep => write!(f, "messages are nested more than {NESTING_MAX} deep"),
        }
    }
}

impl std::error::Error for ShapeError {}

impl From<WireError> for ShapeError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The messages that stand inside a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Metric,
    MetaData,
    PropertySet,
    PropertySetList,
    PropertyValue,
    DataSet,
    Row,
    Cell,
    Template,
    Parameter,
}

impl Kind {
    fn inside(self, field: u32) -> Option<Self> {
        match (self, field) {
            (Self::Metric, 8) => Some(Self::MetaData),
            (Self::Metric, 9) | (Self::PropertyValue, 9) | (Self::PropertySetList, 1) => Some(Self::PropertySet),
            (Self::Metric, 17) => Some(Self::DataSet),
            (Self::Metric, 18) => Some(Self::Template),
            (Self::PropertySet, 2) => Some(Self::PropertyValue),
            (Self::PropertyValue, 10) => Some(Self::PropertySetList),
            (Self::DataSet, 4) => Some(Self::Row),
            (Self::Row, 1) => Some(Self::Cell),
            (Self::Template, 2) => Some(Self::Metric),
            (Self::Template, 3) => Some(Self::Parameter),
            _ => None,
        }
    }
}

/// Checks a message at `level`; gives how many templates lie within one another, itself counted.
pub(super) fn check(kind: Kind, bytes: &[u8], level: u8) -> Result<u8, ShapeError> {
    if level > NESTING_MAX {
        return Err(ShapeError::TooDeep);
    }
    let mut reader = Reader::new(bytes);
    let mut templates_below = 0;
    while let Some((number, field)) = reader.read()? {
        if let Field::Bytes(inner) = field
            && let Some(inside) = kind.inside(number)
        {
            templates_below = templates_below.max(check(inside, inner, level + 1)?);
        }
    }
    Ok(templates_below + u8::from(kind == Kind::Template))
}
