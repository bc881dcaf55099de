//! Templates: definitions and instances (Sparkplug 6.4.14).

use super::scalar::scalar;
use super::{Context, ValueError, Written, inferred, write};
use crate::datatype::DataType;
use crate::json;
use crate::options::TemplateAs;
use crate::wire::{Field, Metric, Raw, Reader};

/// Knows what the births said of template members, which have neither alias nor type in data.
pub trait TypeSource {
    /// The type of the member at `path` within the metric; `definition` and `name` name it within its own template.
    fn member(&self, path: &str, definition: Option<&str>, name: &str) -> Option<DataType>;
}

/// Knows nothing.
pub struct NoTypes;

impl TypeSource for NoTypes {
    fn member(&self, _path: &str, _definition: Option<&str>, _name: &str) -> Option<DataType> {
        None
    }
}

/// A template as sent, its shape checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Template<'a> {
    pub version: Option<&'a [u8]>,
    pub template_ref: Option<&'a [u8]>,
    pub is_definition: bool,
    bytes: &'a [u8],
}

#[derive(Clone, Copy, Default)]
struct Parameter<'a> {
    name: &'a [u8],
    datatype: Option<u32>,
    value: Raw<'a>,
}

impl<'a> Template<'a> {
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let mut template = Self { bytes, ..Self::default() };
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.checked() {
            match (number, field) {
                (1, Field::Bytes(version)) => template.version = Some(version),
                (4, Field::Bytes(reference)) => template.template_ref = Some(reference),
                (5, Field::Varint(flag)) => template.is_definition = flag != 0,
                _ => {}
            }
        }
        template
    }

    /// The members in the order of the payload.
    pub fn members(&self) -> impl Iterator<Item = Metric<'a>> {
        self.inner(2).map(Metric::parse_checked)
    }

    fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> {
        self.inner(3).map(Parameter::parse)
    }

    fn inner(&self, wanted: u32) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            loop {
                match reader.checked()? {
                    (number, Field::Bytes(bytes)) if number == wanted => return Some(bytes),
                    _ => continue,
                }
            }
        })
    }

    pub(super) fn write(
        &self,
        buf: &mut Vec<u8>,
        context: Context<'_>,
        path: &mut String,
        depth: u8,
    ) -> Result<(), ValueError> {
        match context.format.template {
            TemplateAs::Object => self.write_object(buf, context, path, depth),
            TemplateAs::Flatten | TemplateAs::PerMember => self.write_flat(buf, context),
        }
    }

    fn write_object(
        &self,
        buf: &mut Vec<u8>,
        context: Context<'_>,
        path: &mut String,
        depth: u8,
    ) -> Result<(), ValueError> {
        within(context, depth)?;
        json::raw(buf, "{\"template_ref\":");
        optional(buf, self.template_ref);
        json::raw(buf, ",\"version\":");
        optional(buf, self.version);
        json::raw(buf, ",\"members\":{");
        for (place, member) in self.members().enumerate() {
            if place > 0 {
                buf.push(b',');
            }
            let before = path.len();
            let name = push_name(path, &member)?;
            json::text(buf, path.get(name..).unwrap_or_default());
            buf.push(b':');
            match member.value {
                Raw::Template(inner) if !member.null => {
                    Self::parse(inner).write_object(buf, context, path, depth + 1)?;
                }
                _ => self.write_member(buf, context, path, name, &member)?,
            }
            path.truncate(before);
        }
        json::raw(buf, "},\"parameters\":{");
        self.write_parameters(buf, context)?;
        json::raw(buf, "}}");
        Ok(())
    }

    /// `{path: value}`, with `_template_ref` and `_parameters`.
    fn write_flat(&self, buf: &mut Vec<u8>, context: Context<'_>) -> Result<(), ValueError> {
        json::raw(buf, "{\"_template_ref\":");
        optional(buf, self.template_ref);
        self.visit(context, &mut |path, template, name, member| {
            buf.push(b',');
            json::text(buf, path);
            buf.push(b':');
            template.write_member(buf, context, path, name, member)
        })?;
        if self.parameters().next().is_some() {
            json::raw(buf, ",\"_parameters\":{");
            self.write_parameters(buf, context)?;
            buf.push(b'}');
        }
        buf.push(b'}');
        Ok(())
    }

    /// Calls `each` for every member that is no template itself: its path, its template, where its own name begins in the
    /// path, and the member.
    pub(crate) fn visit(&self, context: Context<'_>, each: &mut Visitor<'_, 'a>) -> Result<(), ValueError> {
        self.visit_at(context, &mut String::new(), 1, each)
    }

    fn visit_at(
        &self,
        context: Context<'_>,
        path: &mut String,
        depth: u8,
        each: &mut Visitor<'_, 'a>,
    ) -> Result<(), ValueError> {
        within(context, depth)?;
        for member in self.members() {
            let before = path.len();
            let name = push_name(path, &member)?;
            match member.value {
                Raw::Template(inner) if !member.null => {
                    Self::parse(inner).visit_at(context, path, depth + 1, each)?;
                }
                _ => each(path, self, name, &member)?,
            }
            path.truncate(before);
        }
        Ok(())
    }

    /// The type of a member: its own, else the birth's, else what its field tells.
    pub(crate) fn member_type(
        &self,
        context: Context<'_>,
        path: &str,
        name: usize,
        member: &Metric<'_>,
    ) -> Result<Option<DataType>, ValueError> {
        if let Some(code) = member.datatype {
            return DataType::from_code(code).map(Some).ok_or(ValueError::UnknownType(code));
        }
        let reference = self.template_ref.map(String::from_utf8_lossy);
        let known = context.types.member(path, reference.as_deref(), path.get(name..).unwrap_or_default());
        Ok(known.or_else(|| inferred(member.value)))
    }

    fn write_member(
        &self,
        buf: &mut Vec<u8>,
        context: Context<'_>,
        path: &str,
        name: usize,
        member: &Metric<'_>,
    ) -> Result<(), ValueError> {
        if member.null || member.value == Raw::None {
            json::raw(buf, "null");
            return Ok(());
        }
        match self.member_type(context, path, name, member)? {
            Some(datatype) => write(buf, context, datatype, member.value).map(|_: Written| ()),
            None => Err(ValueError::UnknownType(0)),
        }
    }

    fn write_parameters(&self, buf: &mut Vec<u8>, context: Context<'_>) -> Result<(), ValueError> {
        for (place, parameter) in self.parameters().enumerate() {
            if place > 0 {
                buf.push(b',');
            }
            json::lenient(buf, parameter.name);
            buf.push(b':');
            parameter.write(buf, context)?;
        }
        Ok(())
    }
}

/// See [`Template::visit`].
pub(crate) type Visitor<'f, 'a> = dyn FnMut(&str, &Template<'a>, usize, &Metric<'a>) -> Result<(), ValueError> + 'f;

impl<'a> Parameter<'a> {
    fn parse(bytes: &'a [u8]) -> Self {
        let mut parameter = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some((number, field)) = reader.checked() {
            match (number, field) {
                (1, Field::Bytes(name)) => parameter.name = name,
                (2, Field::Varint(_)) => parameter.datatype = field.uint32(),
                (3..=8, _) => parameter.value = Raw::scalar(number - 3, field).unwrap_or(parameter.value),
                _ => {}
            }
        }
        parameter
    }

    fn datatype(&self) -> Result<Option<DataType>, ValueError> {
        match self.datatype {
            Some(code) => DataType::from_code(code).map(Some).ok_or(ValueError::UnknownType(code)),
            None => Ok(inferred(self.value)),
        }
    }

    fn write(&self, buf: &mut Vec<u8>, context: Context<'_>) -> Result<(), ValueError> {
        match self.datatype()? {
            Some(datatype) if self.value != Raw::None => {
                scalar(datatype, self.value, &context.format.limits)?.write(buf, context.format);
            }
            Some(_) | None => json::raw(buf, "null"),
        }
        Ok(())
    }
}

/// `{version, members: {name: {type, template_ref}}, parameters: {name: {type, value}}}`, for the catalog.
///
/// # Errors
/// A member has no name, a parameter cannot be read; nothing is left in the buffer.
pub fn write_definition(buf: &mut Vec<u8>, context: Context<'_>, template: &Template<'_>) -> Result<(), ValueError> {
    let start = buf.len();
    let outcome = write_definition_parts(buf, context, template);
    if outcome.is_err() {
        buf.truncate(start);
    }
    outcome
}

fn write_definition_parts(buf: &mut Vec<u8>, context: Context<'_>, template: &Template<'_>) -> Result<(), ValueError> {
    json::raw(buf, "{\"version\":");
    optional(buf, template.version);
    json::raw(buf, ",\"members\":{");
    for (place, member) in template.members().enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        json::lenient(buf, member.name.ok_or(ValueError::NoName)?);
        json::raw(buf, ":{\"type\":");
        json::optional_text(buf, member.datatype.and_then(DataType::from_code).map(DataType::name));
        if let Raw::Template(inner) = member.value {
            json::raw(buf, ",\"template_ref\":");
            optional(buf, Template::parse(inner).template_ref);
        }
        buf.push(b'}');
    }
    json::raw(buf, "},\"parameters\":{");
    for (place, parameter) in template.parameters().enumerate() {
        if place > 0 {
            buf.push(b',');
        }
        json::lenient(buf, parameter.name);
        json::raw(buf, ":{\"type\":");
        json::optional_text(buf, parameter.datatype()?.map(DataType::name));
        json::raw(buf, ",\"value\":");
        parameter.write(buf, context)?;
        buf.push(b'}');
    }
    json::raw(buf, "}}");
    Ok(())
}

fn within(context: Context<'_>, depth: u8) -> Result<(), ValueError> {
    let depth_max = context.format.limits.template_depth;
    if depth > depth_max { Err(ValueError::TemplateDepth { depth_max }) } else { Ok(()) }
}

/// Adds `/name` (or `name` at the top) and gives where the name begins.
fn push_name(path: &mut String, member: &Metric<'_>) -> Result<usize, ValueError> {
    let name = member.name.filter(|name| !name.is_empty()).ok_or(ValueError::NoName)?;
    if !path.is_empty() {
        path.push('/');
    }
    let start = path.len();
    path.push_str(&String::from_utf8_lossy(name));
    Ok(start)
}

fn optional(buf: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        Some(text) => json::lenient(buf, text),
        None => json::raw(buf, "null"),
    }
}
