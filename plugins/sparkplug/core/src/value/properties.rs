//! Properties, quality and metadata of a metric.

use super::array::list;
use super::scalar::scalar;
use super::{Format, inferred};
use crate::datatype::DataType;
use crate::json;
use crate::options::Properties;
use crate::wire::{Field, Raw, Reader};

/// What the property `Quality` says (`tck-id-payloads-propertyset-quality-value-value`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    Good,
    Bad,
    Stale,
    /// A code that the specification does not have.
    Unknown,
}

impl Quality {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "GOOD",
            Self::Bad => "BAD",
            Self::Stale => "STALE",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn of(code: i64) -> Self {
        match code {
            0 => Self::Bad,
            192 => Self::Good,
            500 => Self::Stale,
            _ => Self::Unknown,
        }
    }
}

/// The quality and its code; good without a code where the property is absent.
#[must_use]
pub fn quality(properties: Option<&[u8]>) -> (Quality, Option<i64>) {
    let Some(set) = properties.filter(|set| is_even(set)) else { return (Quality::Good, None) };
    let code = pairs(set).find_map(|(key, value)| match (key, Property::parse(value).value) {
        (b"Quality", Raw::Int(code)) => Some(i64::from(code as i32)),
        (b"Quality", Raw::Long(code)) => Some(code as i64),
        _ => None,
    });
    (code.map_or(Quality::Good, Quality::of), code)
}

/// `{key: value}`; `{}` where there is none, or where there are not as many values as keys
/// (`tck-id-payloads-propertyset-keys-array-size`).
pub fn write_properties(buf: &mut Vec<u8>, format: &Format, properties: Option<&[u8]>) {
    match (properties, format.properties) {
        (None, _) | (_, Properties::None) => json::raw(buf, "{}"),
        (Some(set), Properties::Nested) => write_set(buf, format, set),
        (Some(set), Properties::Flat) => {
            buf.push(b'{');
            let (mut path, mut first) = (String::new(), true);
            write_flat(buf, format, set, &mut path, &mut first);
            buf.push(b'}');
        }
    }
}

pub(super) fn write_set(buf: &mut Vec<u8>, format: &Format, set: &[u8]) {
    buf.push(b'{');
    if is_even(set) {
        for (place, (key, value)) in pairs(set).enumerate() {
            if place > 0 {
                buf.push(b',');
            }
            json::lenient(buf, key);
            buf.push(b':');
            write_value(buf, format, Property::parse(value));
        }
    }
    buf.push(b'}');
}

pub(super) fn write_list(buf: &mut Vec<u8>, format: &Format, sets: &[u8]) {
    list(buf, fields(sets, 1), |buf, set| write_set(buf, format, set));
}

/// Sets within sets become `outer/inner`.
fn write_flat(buf: &mut Vec<u8>, format: &Format, set: &[u8], path: &mut String, first: &mut bool) {
    if !is_even(set) {
        return;
    }
    for (key, value) in pairs(set) {
        let property = Property::parse(value);
        let length = path.len();
        path.push_str(&String::from_utf8_lossy(key));
        if let Raw::PropertySet(inner) = property.value
            && !property.null
        {
            path.push('/');
            write_flat(buf, format, inner, path, first);
        } else {
            if !std::mem::take(first) {
                buf.push(b',');
            }
            json::text(buf, path);
            buf.push(b':');
            write_value(buf, format, property);
        }
        path.truncate(length);
    }
}

/// A property that cannot be read is null: it must not cost the metric.
fn write_value(buf: &mut Vec<u8>, format: &Format, property: Property<'_>) {
    if property.null {
        return json::raw(buf, "null");
    }
    match property.value {
        Raw::PropertySet(set) => write_set(buf, format, set),
        Raw::PropertySets(sets) => write_list(buf, format, sets),
        value => {
            let datatype = property.datatype.and_then(DataType::from_code).or_else(|| inferred(value));
            match datatype.map(|datatype| scalar(datatype, value, &format.limits)) {
                Some(Ok(scalar)) => {
                    scalar.write(buf, format);
                }
                Some(Err(_)) | None => json::raw(buf, "null"),
            }
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Property<'a> {
    datatype: Option<u32>,
    null: bool,
    value: Raw<'a>,
}

impl<'a> Property<'a> {
    fn parse(bytes: &'a [u8]) -> Self {
        let mut property = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.checked() {
            match (number, field) {
                (1, Field::Varint(_)) => property.datatype = field.uint32(),
                (2, Field::Varint(flag)) => property.null = flag != 0,
                (3..=8, _) => property.value = Raw::scalar(number - 3, field).unwrap_or(property.value),
                (9, Field::Bytes(set)) => property.value = Raw::PropertySet(set),
                (10, Field::Bytes(sets)) => property.value = Raw::PropertySets(sets),
                _ => {}
            }
        }
        property
    }
}

fn is_even(set: &[u8]) -> bool {
    fields(set, 1).count() == fields(set, 2).count()
}

fn pairs(set: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    fields(set, 1).zip(fields(set, 2))
}

/// The contents of a repeated field.
fn fields(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(message);
    std::iter::from_fn(move || {
        loop {
            match reader.checked()? {
                (number, Field::Bytes(bytes)) if number == wanted => return Some(bytes),
                _ => continue,
            }
        }
    })
}

/// The metadata that are present.
pub fn write_metadata(buf: &mut Vec<u8>, metadata: Option<&[u8]>) {
    buf.push(b'{');
    let mut reader = Reader::new(metadata.unwrap_or_default());
    let mut first = true;
    while let Some((number, field)) = reader.checked() {
        let name = match (number, field) {
            (1, Field::Varint(_)) => "is_multi_part",
            (2, Field::Bytes(_)) => "content_type",
            (3, Field::Varint(_)) => "size",
            (4, Field::Varint(_)) => "seq",
            (5, Field::Bytes(_)) => "file_name",
            (6, Field::Bytes(_)) => "file_type",
            (7, Field::Bytes(_)) => "md5",
            (8, Field::Bytes(_)) => "description",
            _ => continue,
        };
        if !std::mem::take(&mut first) {
            buf.push(b',');
        }
        json::text(buf, name);
        buf.push(b':');
        match field {
            Field::Varint(flag) if number == 1 => json::boolean(buf, flag != 0),
            Field::Varint(count) => json::unsigned(buf, count),
            Field::Bytes(text) => json::lenient(buf, text),
            Field::Fixed64(_) | Field::Fixed32(_) | Field::Group => json::raw(buf, "null"),
        }
    }
    buf.push(b'}');
}
