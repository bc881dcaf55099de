//! DataSets: a table in one value.

use super::array::list;
use super::scalar::{Scalar, scalar};
use super::{Format, ValueError};
use crate::datatype::DataType;
use crate::json;
use crate::options::{DataSetAs, Limits};
use crate::wire::{Field, Raw, Reader};

/// A DataSet whose columns, types and rows agree in number.
#[derive(Clone, Debug)]
pub struct DataSet<'a> {
    columns: Vec<&'a [u8]>,
    types: Vec<DataType>,
    rows: Vec<&'a [u8]>,
}

impl<'a> DataSet<'a> {
    /// Reads a message whose shape has been checked.
    ///
    /// # Errors
    /// Columns, types and rows do not agree, a type is not basic, or there are too many cells.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, ValueError> {
        let mut set = Self { columns: Vec::new(), types: Vec::new(), rows: Vec::new() };
        let mut announced = None;
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.checked() {
            match (number, field) {
                (1, Field::Varint(count)) => announced = Some(count),
                (2, Field::Bytes(name)) => set.columns.push(name),
                (3, Field::Varint(_)) => set.push_type(field.uint32().unwrap_or(0))?,
                (3, Field::Bytes(packed)) => set.push_packed_types(packed, limits)?,
                (4, Field::Bytes(row)) => set.rows.push(row),
                _ => {}
            }
            if set.columns.len().max(set.types.len()).max(set.rows.len()) > limits.elements {
                return Err(ValueError::TooManyElements { elements_max: limits.elements });
            }
        }
        set.agree(announced, limits)?;
        Ok(set)
    }

    fn push_type(&mut self, code: u32) -> Result<(), ValueError> {
        let datatype = DataType::from_code(code).ok_or(ValueError::UnknownType(code))?;
        if !datatype.is_basic() {
            return Err(ValueError::DataSet("a column has a type that is not basic"));
        }
        self.types.push(datatype);
        Ok(())
    }

    fn push_packed_types(&mut self, packed: &[u8], limits: &Limits) -> Result<(), ValueError> {
        let mut reader = Reader::new(packed);
        while !reader.is_empty() && self.types.len() <= limits.elements {
            let code = reader.varint().map_err(|_| ValueError::DataSet("the column types are cut off"))?;
            self.push_type((code & 0xFFFF_FFFF) as u32)?;
        }
        Ok(())
    }

    fn agree(&self, announced: Option<u64>, limits: &Limits) -> Result<(), ValueError> {
        let columns = self.columns.len();
        if announced.is_some_and(|count| count != columns as u64) {
            return Err(ValueError::DataSet("num_of_columns is not the number of columns"));
        }
        if self.types.len() != columns {
            return Err(ValueError::DataSet("there are not as many types as columns"));
        }
        if self.rows.len().saturating_mul(columns) > limits.elements {
            return Err(ValueError::TooManyElements { elements_max: limits.elements });
        }
        let ragged = |row: &&[u8]| cells(row).count() != columns;
        if self.rows.iter().any(ragged) {
            return Err(ValueError::DataSet("a row has not as many elements as there are columns"));
        }
        Ok(())
    }

    /// # Errors
    /// A cell is not of its column's type.
    pub fn write(&self, buf: &mut Vec<u8>, format: &Format) -> Result<(), ValueError> {
        match format.dataset {
            DataSetAs::Object => self.write_object(buf, format),
            DataSetAs::Rows | DataSetAs::Explode => {
                let mut outcome = Ok(());
                list(buf, self.rows.iter(), |buf, row| {
                    if outcome.is_ok() {
                        outcome = self.write_row_object(buf, format, row);
                    }
                });
                outcome
            }
        }
    }

    fn write_object(&self, buf: &mut Vec<u8>, format: &Format) -> Result<(), ValueError> {
        json::raw(buf, "{\"columns\":");
        list(buf, self.columns.iter(), |buf, name| json::lenient(buf, name));
        json::raw(buf, ",\"types\":");
        list(buf, self.types.iter(), |buf, datatype| json::text(buf, datatype.name()));
        json::raw(buf, ",\"rows\":");
        let mut outcome = Ok(());
        list(buf, self.rows.iter(), |buf, row| {
            list(buf, cells(row).zip(&self.types), |buf, (cell, datatype)| {
                if outcome.is_ok() {
                    outcome = write_cell(buf, format, *datatype, cell);
                }
            });
        });
        buf.push(b'}');
        outcome
    }

    fn write_row_object(&self, buf: &mut Vec<u8>, format: &Format, row: &[u8]) -> Result<(), ValueError> {
        buf.push(b'{');
        for (place, ((cell, datatype), name)) in cells(row).zip(&self.types).zip(&self.columns).enumerate() {
            if place > 0 {
                buf.push(b',');
            }
            json::lenient(buf, name);
            buf.push(b':');
            write_cell(buf, format, *datatype, cell)?;
        }
        buf.push(b'}');
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Writes one row as a value of its own; where the columns are `timestamps` and `values`, the row's value, and gives
    /// its time in milliseconds.
    ///
    /// # Errors
    /// A cell is not of its column's type.
    pub fn write_row(&self, buf: &mut Vec<u8>, format: &Format, row: usize) -> Result<RowWritten, ValueError> {
        let row = self.rows.get(row).copied().unwrap_or_default();
        if let (Some((b"timestamps", time_type)), Some((b"values", value_type)), None) =
            (self.column(0), self.column(1), self.columns.get(2))
        {
            let mut parts = cells(row);
            let (time, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            write_cell(buf, format, value_type, value)?;
            let ms = match scalar(time_type, time, &format.limits) {
                Ok(Scalar::Small(ms) | Scalar::Int64(ms) | Scalar::Time(ms)) => u64::try_from(ms).ok(),
                Ok(Scalar::UInt64(ms)) => Some(ms),
                Ok(Scalar::Float(_) | Scalar::Double(_) | Scalar::Bool(_) | Scalar::Text(_)) | Err(_) => None,
            };
            return Ok(RowWritten { timestamp: ms, datatype: Some(value_type) });
        }
        self.write_row_object(buf, format, row)?;
        Ok(RowWritten { timestamp: None, datatype: None })
    }

    fn column(&self, place: usize) -> Option<(&'a [u8], DataType)> {
        Some((self.columns.get(place)?, *self.types.get(place)?))
    }
}

/// What [`DataSet::write_row`] found beside the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowWritten {
    pub timestamp: Option<u64>,
    /// The type of a sample's value.
    pub datatype: Option<DataType>,
}

fn cells(row: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let mut reader = Reader::new(row);
    std::iter::from_fn(move || {
        loop {
            match reader.checked()? {
                (1, Field::Bytes(cell)) => return Some(cell_value(cell)),
                _ => continue,
            }
        }
    })
}

fn cell_value(cell: &[u8]) -> Raw<'_> {
    let mut value = Raw::None;
    let mut reader = Reader::new(cell);
    while let Some((number, field)) = reader.checked() {
        value = match (number, field) {
            (1..=6, _) => Raw::scalar(number - 1, field).unwrap_or(value),
            (7, Field::Bytes(bytes)) => Raw::Extension(bytes),
            _ => value,
        };
    }
    value
}

/// An element without a field is null; so is the least DateTime, as Tahu reads it.
fn write_cell(buf: &mut Vec<u8>, format: &Format, datatype: DataType, cell: Raw<'_>) -> Result<(), ValueError> {
    if cell == Raw::None {
        json::raw(buf, "null");
        return Ok(());
    }
    match scalar(datatype, cell, &format.limits)? {
        Scalar::Time(i64::MIN) => json::raw(buf, "null"),
        value => {
            value.write(buf, format);
        }
    }
    Ok(())
}
