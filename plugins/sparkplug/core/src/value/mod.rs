//! What a value means, by its type (Sparkplug 6.4.16), and how it stands in JSON.

mod array;
mod dataset;
mod properties;
mod scalar;
mod template;

use std::fmt;

pub use dataset::DataSet;
pub use properties::{Quality, quality, write_metadata, write_properties};
pub use scalar::{Scalar, scalar};
pub use template::{NoTypes, Template, TypeSource, write_definition};

use crate::datatype::DataType;
use crate::json;
use crate::options::{BitOrder, DataSetAs, DateTime, Int64, Limits, Nan, Options, Properties, TemplateAs};
use crate::wire::Raw;

/// Why one metric has no value; the others of its payload live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Type 0, or a code that does not exist.
    UnknownType(u32),
    /// The value stands in a field that the type does not use.
    WrongField(DataType),
    /// Beyond what the type can hold.
    OutOfRange(DataType),
    /// Bytes that are no whole number of elements, or fewer than announced.
    ArrayLength(DataType),
    TooManyElements {
        elements_max: usize,
    },
    TooLong {
        bytes_max: usize,
    },
    TemplateDepth {
        depth_max: u8,
    },
    DataSet(&'static str),
    /// A metric of a birth, or within a template, without a name.
    NoName,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(code) => write!(f, "data type {code} is not known"),
            Self::WrongField(datatype) => write!(f, "the value is not in a field of type {}", datatype.name()),
            Self::OutOfRange(datatype) => write!(f, "the value is out of the range of {}", datatype.name()),
            Self::ArrayLength(datatype) => write!(f, "the bytes are no whole {}", datatype.name()),
            Self::TooManyElements { elements_max } => write!(f, "there are more than {elements_max} elements"),
            Self::TooLong { bytes_max } => write!(f, "a text is longer than {bytes_max} bytes"),
            Self::TemplateDepth { depth_max } => write!(f, "templates are nested more than {depth_max} deep"),
            Self::DataSet(problem) => write!(f, "DataSet: {problem}"),
            Self::NoName => f.write_str("the metric has no name"),
        }
    }
}

impl std::error::Error for ValueError {}

/// How values are written; one per rule, the quirks per node.
#[derive(Clone, Debug)]
pub struct Format {
    pub int64: Int64,
    pub nan: Nan,
    pub datetime: DateTime,
    pub dataset: DataSetAs,
    pub template: TemplateAs,
    pub properties: Properties,
    pub limits: Limits,
}

impl Format {
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            int64: options.int64,
            nan: options.nan,
            datetime: options.datetime,
            dataset: options.dataset,
            template: options.template,
            properties: options.properties,
            limits: options.limits.clone(),
        }
    }
}

/// What a node does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    pub bit_order: BitOrder,
    pub string_array_hex: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { bit_order: BitOrder::Msb, string_array_hex: false }
    }
}

/// Everything that decides how one value is read and written.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub format: &'a Format,
    pub quirks: Quirks,
    /// Knows the types of template members.
    pub types: &'a dyn TypeSource,
}

/// What stands in the buffer after a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Value,
    /// `null` for a number that JSON cannot hold; its name.
    NotFinite(&'static str),
}

/// Writes the value of `datatype` that `raw` holds, which is not absent.
///
/// # Errors
/// It cannot be read; nothing is left in the buffer.
pub fn write(buf: &mut Vec<u8>, context: Context<'_>, datatype: DataType, raw: Raw<'_>) -> Result<Written, ValueError> {
    let start = buf.len();
    let outcome = write_any(buf, context, datatype, raw);
    if outcome.is_err() {
        buf.truncate(start);
    }
    outcome
}

fn write_any(buf: &mut Vec<u8>, context: Context<'_>, datatype: DataType, raw: Raw<'_>) -> Result<Written, ValueError> {
    let limits = &context.format.limits;
    match (datatype, raw) {
        (DataType::DataSet, Raw::DataSet(bytes)) => {
            DataSet::parse(bytes, limits)?.write(buf, context.format)?;
        }
        (DataType::Template, Raw::Template(bytes)) => {
            let path = &mut String::new();
            Template::parse(bytes).write(buf, context, path, 1)?;
        }
        (DataType::PropertySet, Raw::PropertySet(bytes)) => {
            properties::write_set(buf, context.format, bytes);
        }
        (DataType::PropertySetList, Raw::PropertySets(bytes)) => properties::write_list(buf, context.format, bytes),
        (DataType::Bytes | DataType::File, Raw::Bytes(bytes)) => json::base64(buf, bytes),
        (_, Raw::Bytes(bytes)) if datatype.element().is_some() => array::write(buf, context, datatype, bytes)?,
        _ => return Ok(scalar(datatype, raw, limits)?.write(buf, context.format)),
    }
    Ok(Written::Value)
}

/// The type that a field alone tells, for what has no type at all. Integers count as unsigned.
#[must_use]
pub fn inferred(raw: Raw<'_>) -> Option<DataType> {
    match raw {
        Raw::Int(_) => Some(DataType::UInt32),
        Raw::Long(_) => Some(DataType::UInt64),
        Raw::Float(_) => Some(DataType::Float),
        Raw::Double(_) => Some(DataType::Double),
        Raw::Bool(_) => Some(DataType::Boolean),
        Raw::Text(_) => Some(DataType::String),
        Raw::Bytes(_) => Some(DataType::Bytes),
        Raw::DataSet(_) => Some(DataType::DataSet),
        Raw::Template(_) => Some(DataType::Template),
        Raw::PropertySet(_) => Some(DataType::PropertySet),
        Raw::PropertySets(_) => Some(DataType::PropertySetList),
        Raw::None | Raw::Extension(_) => None,
    }
}
