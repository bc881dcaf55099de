//! Numbers, texts, times.

use super::{Format, ValueError, Written};
use crate::datatype::DataType;
use crate::json;
use crate::options::{DateTime, Int64, Limits, Nan};
use crate::wire::Raw;

/// One value of a basic type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Up to 32 bits.
    Small(i64),
    Int64(i64),
    UInt64(u64),
    Float(f32),
    Double(f64),
    Bool(bool),
    /// Should be UTF-8.
    Text(&'a [u8]),
    /// Milliseconds since 1970.
    Time(i64),
}

/// Reads a basic type from the field it came in.
///
/// Signs come from the low bits, as wide as the type: some libraries extend them to 32 bits, some do not. An unsigned
/// 32-bit number may stand in the field for 64 bits, and a small 64-bit number in that for 32.
///
/// # Errors
/// Another field, or out of range.
#[inline]
pub fn scalar<'a>(datatype: DataType, raw: Raw<'a>, limits: &Limits) -> Result<Scalar<'a>, ValueError> {
    let wrong = Err(ValueError::WrongField(datatype));
    match datatype {
        DataType::Int8 => low_bits(datatype, raw).map(|bits| Scalar::Small(i64::from(bits as u8 as i8))),
        DataType::Int16 => low_bits(datatype, raw).map(|bits| Scalar::Small(i64::from(bits as u16 as i16))),
        DataType::Int32 => low_bits(datatype, raw).map(|bits| Scalar::Small(i64::from(bits as u32 as i32))),
        DataType::UInt8 => unsigned(datatype, raw, u64::from(u8::MAX)),
        DataType::UInt16 => unsigned(datatype, raw, u64::from(u16::MAX)),
        DataType::UInt32 => unsigned(datatype, raw, u64::from(u32::MAX)),
        DataType::Int64 => long(datatype, raw).map(Scalar::Int64),
        DataType::DateTime => long(datatype, raw).map(Scalar::Time),
        DataType::UInt64 => match raw {
            Raw::Int(number) => Ok(Scalar::UInt64(u64::from(number))),
            Raw::Long(number) => Ok(Scalar::UInt64(number)),
            _ => wrong,
        },
        DataType::Float | DataType::Double => match raw {
            Raw::Float(number) => Ok(Scalar::Float(number)),
            Raw::Double(number) => Ok(Scalar::Double(number)),
            _ => wrong,
        },
        DataType::Boolean => match raw {
            Raw::Bool(flag) => Ok(Scalar::Bool(flag)),
            _ => wrong,
        },
        DataType::String | DataType::Text | DataType::Uuid => match raw {
            Raw::Text(text) if text.len() > limits.string_bytes => {
                Err(ValueError::TooLong { bytes_max: limits.string_bytes })
            }
            Raw::Text(text) => Ok(Scalar::Text(text)),
            _ => wrong,
        },
        DataType::DataSet | DataType::Bytes | DataType::File | DataType::Template => wrong,
        DataType::PropertySet | DataType::PropertySetList => wrong,
        DataType::Int8Array | DataType::Int16Array | DataType::Int32Array | DataType::Int64Array => wrong,
        DataType::UInt8Array | DataType::UInt16Array | DataType::UInt32Array | DataType::UInt64Array => wrong,
        DataType::FloatArray | DataType::DoubleArray | DataType::BooleanArray => wrong,
        DataType::StringArray | DataType::DateTimeArray => wrong,
    }
}

fn low_bits(datatype: DataType, raw: Raw<'_>) -> Result<u64, ValueError> {
    match raw {
        Raw::Int(number) => Ok(u64::from(number)),
        Raw::Long(number) => Ok(number),
        _ => Err(ValueError::WrongField(datatype)),
    }
}

fn unsigned(datatype: DataType, raw: Raw<'_>, max: u64) -> Result<Scalar<'static>, ValueError> {
    let number = low_bits(datatype, raw)?;
    match i64::try_from(number) {
        Ok(small) if number <= max => Ok(Scalar::Small(small)),
        Ok(_) | Err(_) => Err(ValueError::OutOfRange(datatype)),
    }
}

/// In the 32-bit field a number with the highest bit could be either sign: refused rather than guessed.
fn long(datatype: DataType, raw: Raw<'_>) -> Result<i64, ValueError> {
    match raw {
        Raw::Long(number) => Ok(number as i64),
        Raw::Int(number) => match i32::try_from(number) {
            Ok(number) => Ok(i64::from(number)),
            Err(_) => Err(ValueError::OutOfRange(datatype)),
        },
        _ => Err(ValueError::WrongField(datatype)),
    }
}

impl Scalar<'_> {
    #[inline]
    pub fn write(self, buf: &mut Vec<u8>, format: &Format) -> Written {
        match self {
            Self::Small(number) => json::signed(buf, number),
            Self::Int64(number) => quoted(buf, format.int64, |buf| json::signed(buf, number)),
            Self::UInt64(number) => quoted(buf, format.int64, |buf| json::unsigned(buf, number)),
            Self::Float(number) if number.is_finite() => json::float(buf, number),
            Self::Double(number) if number.is_finite() => json::double(buf, number),
            Self::Float(number) => return not_finite(buf, format, f64::from(number)),
            Self::Double(number) => return not_finite(buf, format, number),
            Self::Bool(flag) => json::boolean(buf, flag),
            Self::Text(text) => json::lenient(buf, text),
            Self::Time(ms) => match format.datetime {
                DateTime::Ms => json::signed(buf, ms),
                DateTime::Rfc3339 => json::rfc3339(buf, ms),
            },
        }
        Written::Value
    }
}

#[inline]
fn quoted(buf: &mut Vec<u8>, int64: Int64, write: impl Fn(&mut Vec<u8>)) {
    match int64 {
        Int64::Number => write(buf),
        Int64::String => {
            buf.push(b'"');
            write(buf);
            buf.push(b'"');
        }
    }
}

fn not_finite(buf: &mut Vec<u8>, format: &Format, number: f64) -> Written {
    let name = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    match format.nan {
        Nan::Null => {
            json::raw(buf, "null");
            Written::NotFinite(name)
        }
        Nan::String => {
            json::text(buf, name);
            Written::Value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType as T;

    fn check(datatype: DataType, raw: Raw<'_>, expected: Result<Scalar<'_>, ValueError>) {
        assert_eq!(scalar(datatype, raw, &Limits::default()), expected, "{datatype:?} {raw:?}");
    }

    #[test]
    fn both_dialects_of_twos_complement_are_read() {
        for raw in [Raw::Int(0xFFFF_FF80), Raw::Int(0x80)] {
            check(T::Int8, raw, Ok(Scalar::Small(-128)));
        }
        for raw in [Raw::Int(0xFFFF_8000), Raw::Int(0x8000)] {
            check(T::Int16, raw, Ok(Scalar::Small(-32768)));
        }
        check(T::Int32, Raw::Int(0xFFFF_FFFF), Ok(Scalar::Small(-1)));
        check(T::Int32, Raw::Long(u64::MAX), Ok(Scalar::Small(-1)));
        check(T::Int64, Raw::Long(u64::MAX), Ok(Scalar::Int64(-1)));
    }

    #[test]
    fn unsigned_numbers_stand_in_either_field_and_in_range() {
        for raw in [Raw::Int(4_294_967_295), Raw::Long(4_294_967_295)] {
            check(T::UInt32, raw, Ok(Scalar::Small(4_294_967_295)));
        }
        check(T::UInt32, Raw::Long(1 << 32), Err(ValueError::OutOfRange(T::UInt32)));
        check(T::UInt8, Raw::Int(256), Err(ValueError::OutOfRange(T::UInt8)));
        check(T::UInt64, Raw::Long(u64::MAX), Ok(Scalar::UInt64(u64::MAX)));
    }

    #[test]
    fn another_field_is_an_error() {
        check(T::Boolean, Raw::Int(1), Err(ValueError::WrongField(T::Boolean)));
        check(T::String, Raw::Bytes(b"x"), Err(ValueError::WrongField(T::String)));
        check(T::Int32, Raw::Double(1.0), Err(ValueError::WrongField(T::Int32)));
        check(T::Int64, Raw::Int(0x8000_0000), Err(ValueError::OutOfRange(T::Int64)));
    }
}
