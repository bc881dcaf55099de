//! Arrays: packed little-endian elements in a bytes field.

use super::{Context, ValueError, scalar::Scalar};
use crate::datatype::DataType;
use crate::json;
use crate::options::{BitOrder, Limits};

pub(super) fn write(
    buf: &mut Vec<u8>,
    context: Context<'_>,
    datatype: DataType,
    bytes: &[u8],
) -> Result<(), ValueError> {
    let limits = &context.format.limits;
    match datatype {
        DataType::BooleanArray => return write_booleans(buf, context.quirks.bit_order, limits, bytes),
        DataType::StringArray => return write_strings(buf, context, bytes),
        _ => {}
    }
    match datatype {
        DataType::Int8Array => {
            fixed(buf, context, datatype, bytes, |n: [u8; 1]| Scalar::Small(i8::from_le_bytes(n).into()))
        }
        DataType::Int16Array => fixed(buf, context, datatype, bytes, |n| Scalar::Small(i16::from_le_bytes(n).into())),
        DataType::Int32Array => fixed(buf, context, datatype, bytes, |n| Scalar::Small(i32::from_le_bytes(n).into())),
        DataType::Int64Array => fixed(buf, context, datatype, bytes, |n| Scalar::Int64(i64::from_le_bytes(n))),
        DataType::UInt8Array => fixed(buf, context, datatype, bytes, |n| Scalar::Small(u8::from_le_bytes(n).into())),
        DataType::UInt16Array => fixed(buf, context, datatype, bytes, |n| Scalar::Small(u16::from_le_bytes(n).into())),
        DataType::UInt32Array => fixed(buf, context, datatype, bytes, |n| Scalar::Small(u32::from_le_bytes(n).into())),
        DataType::UInt64Array => fixed(buf, context, datatype, bytes, |n| Scalar::UInt64(u64::from_le_bytes(n))),
        DataType::FloatArray => fixed(buf, context, datatype, bytes, |n| Scalar::Float(f32::from_le_bytes(n))),
        DataType::DoubleArray => fixed(buf, context, datatype, bytes, |n| Scalar::Double(f64::from_le_bytes(n))),
        DataType::DateTimeArray => fixed(buf, context, datatype, bytes, |n| Scalar::Time(i64::from_le_bytes(n))),
        _ => Err(ValueError::WrongField(datatype)),
    }
}

fn fixed<const N: usize>(
    buf: &mut Vec<u8>,
    context: Context<'_>,
    datatype: DataType,
    bytes: &[u8],
    read: impl Fn([u8; N]) -> Scalar<'static>,
) -> Result<(), ValueError> {
    let (elements, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(ValueError::ArrayLength(datatype));
    }
    bounded(elements.len(), &context.format.limits)?;
    list(buf, elements.iter(), |buf, element| {
        read(*element).write(buf, context.format);
    });
    Ok(())
}

/// A count of 32 bits, then as many bits, the most significant first.
fn write_booleans(buf: &mut Vec<u8>, order: BitOrder, limits: &Limits, bytes: &[u8]) -> Result<(), ValueError> {
    let short = ValueError::ArrayLength(DataType::BooleanArray);
    let (count, bits) = bytes.split_first_chunk::<4>().ok_or(short)?;
    let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| short)?;
    if count > bits.len().saturating_mul(8) {
        return Err(short);
    }
    bounded(count, limits)?;
    let flags = bits.iter().flat_map(|byte| {
        (0..8).map(move |place| match order {
            BitOrder::Msb => byte >> (7 - place) & 1 == 1,
            BitOrder::Lsb => byte >> place & 1 == 1,
        })
    });
    list(buf, flags.take(count), json::boolean);
    Ok(())
}

/// Each ends with a NUL; one that lacks it at the end is taken as well.
fn write_strings(buf: &mut Vec<u8>, context: Context<'_>, bytes: &[u8]) -> Result<(), ValueError> {
    let limits = &context.format.limits;
    let content = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    let empty = bytes.is_empty();
    let elements = || content.split(|byte| *byte == 0).take(if empty { 0 } else { usize::MAX });
    bounded(elements().count(), limits)?;
    if elements().any(|text| text.len() > limits.string_bytes) {
        return Err(ValueError::TooLong { bytes_max: limits.string_bytes });
    }
    let hex = context.quirks.string_array_hex;
    list(buf, elements(), |buf, text| match hex.then(|| from_hex(text)).flatten() {
        Some(decoded) => json::lenient(buf, &decoded),
        None => json::lenient(buf, text),
    });
    Ok(())
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

fn bounded(count: usize, limits: &Limits) -> Result<(), ValueError> {
    if count > limits.elements {
        return Err(ValueError::TooManyElements { elements_max: limits.elements });
    }
    Ok(())
}

/// A JSON list.
pub(super) fn list<T>(buf: &mut Vec<u8>, elements: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    buf.push(b'[');
    for (place, element) in elements.enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        write(buf, element);
    }
    buf.push(b']');
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Quirks, template::NoTypes, write as write_value};
    use super::*;
    use crate::options::Options;
    use crate::wire::Raw;
    use DataType as T;

    fn written(quirks: Quirks, datatype: DataType, bytes: &[u8]) -> Result<String, ValueError> {
        let format = Format::new(&Options::default());
        let context = Context { format: &format, quirks, types: &NoTypes };
        let mut buf = Vec::new();
        write_value(&mut buf, context, datatype, Raw::Bytes(bytes))?;
        Ok(String::from_utf8(buf).unwrap())
    }

    fn check(datatype: DataType, bytes: &[u8], expected: &str) {
        assert_eq!(written(Quirks::default(), datatype, bytes).unwrap(), expected);
    }

    fn check_refused(datatype: DataType, bytes: &[u8], expected: ValueError) {
        assert_eq!(written(Quirks::default(), datatype, bytes), Err(expected));
    }

    #[test]
    fn the_examples_of_the_specification() {
        check(T::Int8Array, &[0xE9, 0x7B], "[-23,123]");
        check(T::Int16Array, &[0xD0, 0x8A, 0x30, 0x75], "[-30000,30000]");
        check(T::Int32Array, &[0xFF, 0xFF, 0xFF, 0xFF, 0x1D, 0x8A, 0xCF, 0x12], "[-1,315591197]");
        check(T::UInt8Array, &[0x17, 0xFA], "[23,250]");
        check(T::UInt16Array, &[0x1E, 0x00, 0x30, 0xCF], "[30,53040]");
        check(T::UInt64Array, &[0xFF; 8], "[18446744073709551615]");
        check(
            T::BooleanArray,
            &[12, 0, 0, 0, 0x34, 0xD0],
            "[false,false,true,true,false,true,false,false,true,true,false,true]",
        );
        check(T::StringArray, b"ABC\0hello\0", r#"["ABC","hello"]"#);
        check(T::DateTimeArray, &1_256_102_875_335_i64.to_le_bytes(), "[1256102875335]");
    }

    #[test]
    fn empty_arrays_are_empty_lists() {
        check(T::Int32Array, &[], "[]");
        check(T::StringArray, &[], "[]");
        check(T::StringArray, b"\0", r#"[""]"#);
        check(T::BooleanArray, &[0; 4], "[]");
    }

    #[test]
    fn sixteen_booleans_are_sixteen() {
        check(T::BooleanArray, &[8, 0, 0, 0, 0xFF], &format!("[{}]", ["true"; 8].join(",")));
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        check_refused(T::Int32Array, &[1, 2, 3], ValueError::ArrayLength(T::Int32Array));
        check_refused(T::BooleanArray, &[1, 0, 0], ValueError::ArrayLength(T::BooleanArray));
        let huge = [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5];
        check_refused(T::BooleanArray, &huge, ValueError::ArrayLength(T::BooleanArray));
        let many = vec![0; (1 << 18) + 1];
        check_refused(T::Int8Array, &many, ValueError::TooManyElements { elements_max: 1 << 18 });
    }

    #[test]
    fn quirks_turn_bits_and_hexadecimal_text() {
        let quirks = Quirks { bit_order: BitOrder::Lsb, string_array_hex: true };
        assert_eq!(written(quirks, T::BooleanArray, &[3, 0, 0, 0, 1]).unwrap(), "[true,false,false]");
        assert_eq!(written(quirks, T::StringArray, b"4142\0xy\0").unwrap(), r#"["AB","xy"]"#);
    }

    #[test]
    fn not_finite_elements_are_null() {
        check(T::FloatArray, &f32::NAN.to_le_bytes(), "[null]");
    }
}
