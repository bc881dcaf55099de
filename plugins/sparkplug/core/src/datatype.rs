//! The 34 data types (Sparkplug 6.4.16).

/// A type by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DataType {
    Int8 = 1,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float,
    Double,
    Boolean,
    String,
    DateTime,
    Text,
    Uuid,
    DataSet,
    Bytes,
    File,
    Template,
    PropertySet,
    PropertySetList,
    Int8Array,
    Int16Array,
    Int32Array,
    Int64Array,
    UInt8Array,
    UInt16Array,
    UInt32Array,
    UInt64Array,
    FloatArray,
    DoubleArray,
    BooleanArray,
    StringArray,
    DateTimeArray,
}

use DataType as T;

/// In the order of their codes, from 1 on.
const ALL: [(DataType, &str); 34] = [
    (T::Int8, "Int8"),
    (T::Int16, "Int16"),
    (T::Int32, "Int32"),
    (T::Int64, "Int64"),
    (T::UInt8, "UInt8"),
    (T::UInt16, "UInt16"),
    (T::UInt32, "UInt32"),
    (T::UInt64, "UInt64"),
    (T::Float, "Float"),
    (T::Double, "Double"),
    (T::Boolean, "Boolean"),
    (T::String, "String"),
    (T::DateTime, "DateTime"),
    (T::Text, "Text"),
    (T::Uuid, "UUID"),
    (T::DataSet, "DataSet"),
    (T::Bytes, "Bytes"),
    (T::File, "File"),
    (T::Template, "Template"),
    (T::PropertySet, "PropertySet"),
    (T::PropertySetList, "PropertySetList"),
    (T::Int8Array, "Int8Array"),
    (T::Int16Array, "Int16Array"),
    (T::Int32Array, "Int32Array"),
    (T::Int64Array, "Int64Array"),
    (T::UInt8Array, "UInt8Array"),
    (T::UInt16Array, "UInt16Array"),
    (T::UInt32Array, "UInt32Array"),
    (T::UInt64Array, "UInt64Array"),
    (T::FloatArray, "FloatArray"),
    (T::DoubleArray, "DoubleArray"),
    (T::BooleanArray, "BooleanArray"),
    (T::StringArray, "StringArray"),
    (T::DateTimeArray, "DateTimeArray"),
];

impl DataType {
    /// `None` for 0 (Unknown) and for codes that the specification does not have.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        let place = usize::try_from(code).ok()?.checked_sub(1)?;
        ALL.get(place).map(|(datatype, _)| *datatype)
    }

    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// As the specification spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.get(usize::from(self.code()) - 1).map_or("", |(_, name)| name)
    }

    /// The type of one element; `None` where the type is no array.
    #[must_use]
    pub fn element(self) -> Option<Self> {
        match self {
            T::Int8Array => Some(T::Int8),
            T::Int16Array => Some(T::Int16),
            T::Int32Array => Some(T::Int32),
            T::Int64Array => Some(T::Int64),
            T::UInt8Array => Some(T::UInt8),
            T::UInt16Array => Some(T::UInt16),
            T::UInt32Array => Some(T::UInt32),
            T::UInt64Array => Some(T::UInt64),
            T::FloatArray => Some(T::Float),
            T::DoubleArray => Some(T::Double),
            T::BooleanArray => Some(T::Boolean),
            T::StringArray => Some(T::String),
            T::DateTimeArray => Some(T::DateTime),
            T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => None,
            T::Float | T::Double | T::Boolean | T::String | T::DateTime | T::Text | T::Uuid => None,
            T::DataSet | T::Bytes | T::File | T::Template | T::PropertySet | T::PropertySetList => None,
        }
    }

    /// One of the basic types, which may stand in DataSets and parameters.
    #[must_use]
    pub fn is_basic(self) -> bool {
        self.code() <= T::Uuid.code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_stand_as_in_the_specification() {
        for (place, (datatype, name)) in ALL.iter().enumerate() {
            assert_eq!(usize::from(datatype.code()), place + 1, "{name}");
            assert_eq!(DataType::from_code(place as u32 + 1), Some(*datatype));
            assert_eq!(datatype.name(), *name);
        }
        assert_eq!((DataType::from_code(0), DataType::from_code(35)), (None, None));
    }

    #[test]
    fn arrays_follow_their_elements() {
        assert_eq!(T::UInt16Array.element(), Some(T::UInt16));
        assert_eq!(T::DateTimeArray.element(), Some(T::DateTime));
        assert_eq!(T::Bytes.element(), None);
    }
}
