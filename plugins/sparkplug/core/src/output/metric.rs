//! The envelope `metric`: one record per sample.

use super::item::{self, Item, ItemSource, Shown};
use super::{Maker, Sent, Stream, profile};
use crate::host::Host;
use crate::json;
use crate::options::{DataSetAs, Profile, TemplateAs};
use crate::value::{DataSet, Template, ValueError, Written, write};
use crate::wire::{Metric, Raw};

pub(super) fn emit(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    item: &Item<'_>,
    source: &ItemSource<'_>,
) {
    let whole = item.error.is_none() && !item.metric.null;
    match item.metric.value {
        Raw::DataSet(bytes) if whole && maker.format.dataset == DataSetAs::Explode => {
            emit_rows(maker, host, stream, sent, item, source, bytes);
        }
        Raw::Template(bytes) if whole && maker.format.template == TemplateAs::PerMember => {
            emit_members(maker, host, stream, sent, item, source, bytes);
        }
        _ => emit_one(maker, host, stream, sent, item, Shown::of(item, source)),
    }
}

fn emit_one(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    item: &Item<'_>,
    shown: Shown<'_>,
) {
    if stream.profile == Some(Profile::Simple) {
        maker.body.clear();
        profile::write_simple(maker.body, maker.format, sent, item, shown);
    } else {
        maker.open();
        maker.body.push(b',');
        item::write(maker.body, maker.format, item, shown);
        json::raw(maker.body, ",\"count\":");
        json::unsigned(maker.body, sent.count as u64);
        maker.body.push(b'}');
    }
    maker.record(host, stream, sent, shown.name, shown.ts, item.metric.historical);
}

/// One record for each row; a list of samples gives each its own time.
fn emit_rows(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    item: &Item<'_>,
    source: &ItemSource<'_>,
    bytes: &[u8],
) {
    let Ok(set) = DataSet::parse(bytes, &maker.format.limits) else { return };
    let mut value = Vec::new();
    for row in 0..set.rows() {
        value.clear();
        let Ok(written) = set.write_row(&mut value, maker.format, row) else { continue };
        let shown = Shown {
            value: &value,
            ts: written.timestamp.unwrap_or(item.ts),
            datatype: written.datatype.or(item.datatype),
            ..Shown::of(item, source)
        };
        emit_one(maker, host, stream, sent, item, shown);
    }
}

/// One record for each member that is no template itself, named `M1/RPM`.
fn emit_members(
    maker: &mut Maker<'_>,
    host: &mut dyn Host,
    stream: &Stream,
    sent: &Sent<'_>,
    item: &Item<'_>,
    source: &ItemSource<'_>,
    bytes: &[u8],
) {
    let template = Template::parse(bytes);
    let format = maker.format;
    let prefix = source.name(item).unwrap_or_default();
    let (mut value, mut name) = (Vec::new(), String::new());
    let visited = source.with_context(format, item, |context| {
        template.visit(context, &mut |path, inner, at, member: &Metric<'_>| {
            name.clear();
            name.push_str(prefix);
            name.push('/');
            name.push_str(path);
            value.clear();
            let absent = member.null || member.value == Raw::None;
            let datatype = inner.member_type(context, path, at, member);
            let written = match datatype {
                _ if absent => Ok(Written::NotFinite("")),
                Ok(Some(datatype)) => write(&mut value, context, datatype, member.value),
                Ok(None) => Err(ValueError::UnknownType(0)),
                Err(error) => Err(error),
            };
            if value.is_empty() {
                json::raw(&mut value, "null");
            }
            let error = written.err();
            let shown = Shown {
                name: Some(&name),
                datatype: datatype.ok().flatten(),
                value: &value,
                ts: member.timestamp.unwrap_or(item.ts),
                not_finite: match written {
                    Ok(Written::NotFinite(name)) if !absent => Some(name),
                    Ok(Written::NotFinite(_) | Written::Value) | Err(_) => None,
                },
                error: error.as_ref(),
                null: member.null,
            };
            emit_one(maker, host, stream, sent, item, shown);
            Ok(())
        })
    });
    if let Err(error) = visited {
        let shown = Shown { value: b"null", error: Some(&error), ..Shown::of(item, source) };
        emit_one(maker, host, stream, sent, item, shown);
    }
}
