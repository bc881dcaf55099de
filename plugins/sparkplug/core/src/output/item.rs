//! One metric, resolved and rendered once, for all envelopes.

use std::ops::Range;

use crate::datatype::DataType;
use crate::json;
use crate::value::{self, Context, Format, Quality, ValueError, write_metadata, write_properties};
use crate::wire::Metric;

/// Whose clock a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsSource {
    Metric,
    Payload,
    Receive,
}

impl TsSource {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Payload => "payload",
            Self::Receive => "receive",
        }
    }
}

/// A metric with everything that records say of it.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub metric: &'a Metric<'a>,
    /// Its place in the payload as sent.
    pub index: u32,
    /// Its place in the birth's table.
    pub entry: Option<u32>,
    /// In the arena; `None` where nobody knows it.
    pub name: Option<Range<usize>>,
    pub alias: Option<u64>,
    pub datatype: Option<DataType>,
    pub resolved: bool,
    /// In the arena, as JSON.
    pub value: Range<usize>,
    /// The name of a number that JSON cannot hold.
    pub not_finite: Option<&'static str>,
    pub error: Option<ValueError>,
    pub ts: u64,
    pub ts_source: TsSource,
    pub quality: Quality,
    pub quality_code: Option<i64>,
    /// Gives `metric` and `flat` records: selected, and not dropped by an option.
    pub emitted: bool,
}

/// Names and values of a message's items, and what is needed to read more of them.
#[derive(Clone, Copy)]
pub struct ItemSource<'a> {
    pub arena: &'a [u8],
    pub context: &'a dyn Fn(&Item<'_>) -> ContextParts<'a>,
}

/// See [`Context`]; the format is the outlet's.
#[derive(Clone, Copy)]
pub struct ContextParts<'a> {
    pub quirks: value::Quirks,
    pub scope: crate::session::Scope<'a>,
}

impl ItemSource<'_> {
    #[must_use]
    pub fn name(&self, item: &Item<'_>) -> Option<&str> {
        std::str::from_utf8(self.arena.get(item.name.clone()?)?).ok()
    }

    #[must_use]
    pub fn value(&self, item: &Item<'_>) -> &[u8] {
        self.arena.get(item.value.clone()).unwrap_or(b"null")
    }

    /// Calls `read` with what is needed to read the item's value.
    pub fn with_context<R>(&self, format: &Format, item: &Item<'_>, read: impl FnOnce(Context<'_>) -> R) -> R {
        let parts = (self.context)(item);
        read(Context { format, quirks: parts.quirks, types: &parts.scope })
    }
}

/// What may stand in place of the item's own fields: a row of a DataSet, a member of a template.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub name: Option<&'a str>,
    pub datatype: Option<DataType>,
    pub value: &'a [u8],
    pub ts: u64,
    pub not_finite: Option<&'static str>,
    pub error: Option<&'a ValueError>,
    pub null: bool,
}

impl<'a> Shown<'a> {
    pub fn of(item: &'a Item<'_>, source: &'a ItemSource<'_>) -> Self {
        Self {
            name: source.name(item),
            datatype: item.datatype,
            value: source.value(item),
            ts: item.ts,
            not_finite: item.not_finite,
            error: item.error.as_ref(),
            null: item.metric.null,
        }
    }
}

/// The fields of a metric, from `metric` to `resolved`, without a comma in front.
pub(super) fn write(buf: &mut Vec<u8>, format: &Format, item: &Item<'_>, shown: Shown<'_>) {
    json::raw(buf, "\"metric\":");
    json::optional_text(buf, shown.name);
    json::raw(buf, ",\"alias\":");
    json::optional(buf, item.alias);
    json::raw(buf, ",\"type\":");
    match shown.datatype {
        Some(datatype) => {
            buf.push(b'"');
            json::raw(buf, datatype.name());
            buf.push(b'"');
        }
        None => json::raw(buf, "null"),
    }
    json::raw(buf, ",\"value\":");
    buf.extend_from_slice(shown.value);
    json::raw(buf, ",\"ts\":");
    json::unsigned(buf, shown.ts);
    json::raw(
        buf,
        match item.ts_source {
            TsSource::Metric => ",\"ts_source\":\"metric\",\"quality\":\"",
            TsSource::Payload => ",\"ts_source\":\"payload\",\"quality\":\"",
            TsSource::Receive => ",\"ts_source\":\"receive\",\"quality\":\"",
        },
    );
    let quality = if shown.error.is_some() { Quality::Bad } else { item.quality };
    json::raw(buf, quality.name());
    json::raw(buf, "\",\"quality_code\":");
    match item.quality_code {
        Some(code) => json::signed(buf, code),
        None => json::raw(buf, "null"),
    }
    json::raw(buf, ",\"historical\":");
    json::boolean(buf, item.metric.historical);
    json::raw(buf, ",\"transient\":");
    json::boolean(buf, item.metric.transient);
    json::raw(buf, ",\"null\":");
    json::boolean(buf, shown.null);
    json::raw(buf, ",\"properties\":");
    write_properties(buf, format, item.metric.properties);
    json::raw(buf, ",\"metadata\":");
    write_metadata(buf, item.metric.metadata);
    json::raw(buf, ",\"index\":");
    json::unsigned(buf, u64::from(item.index));
    json::raw(buf, if item.resolved { ",\"resolved\":true" } else { ",\"resolved\":false" });
    if let Some(name) = shown.not_finite {
        json::raw(buf, ",\"value_text\":");
        json::text(buf, name);
    }
    if let Some(error) = shown.error {
        json::raw(buf, ",\"error\":");
        json::text(buf, &error.to_string());
    }
}
