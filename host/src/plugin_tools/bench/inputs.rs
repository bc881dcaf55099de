//! The messages to measure with: from a file, from a folder, or made up.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

/// Most messages that are read.
const INPUTS_MAX: usize = 100_000;
/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// How many messages are made up.
const MADE_UP: usize = 64;
/// Where payloads come without one.
const TOPIC: &str = "site/ulm/line-1/press-7/temperature";

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub topic: String,
    pub payload: Bytes,
}

/// One line of a recorded topic.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    topic: String,
    payload: Option<String>,
    payload_base64: Option<String>,
}

/// The messages in `path`: each file of a folder is a payload; each line of `*.jsonl` or `*.ndjson` is a payload, or a
/// recorded message `{"topic": …, "payload": …}` (or `payload_base64`); another file is one payload.
///
/// # Errors
/// Where nothing can be read, or there is nothing.
pub fn read(path: &Path, topic: Option<&str>) -> io::Result<Vec<Input>> {
    let topic = topic.unwrap_or(TOPIC);
    let inputs = match path.is_dir() {
        true => folder(path, topic)?,
        false => file(path, topic)?,
    };
    match inputs.is_empty() {
        true => Err(io::Error::other("there is no message in it")),
        false => Ok(inputs),
    }
}

/// JSON of some 200 bytes with the field that the templates look for, the values different in each.
#[must_use]
pub fn made_up(topic: Option<&str>) -> Vec<Input> {
    let topic = topic.unwrap_or(TOPIC);
    let payload = |number: usize| {
        format!(
            "{{\"site\":\"ulm\",\"line\":\"line-{}\",\"machine\":\"press-{}\",\"f\":{}.{},\"unit\":\"F\",\"ok\":true,\"seq\":{},\
             \"quality\":192,\"limits\":{{\"low\":32.5,\"high\":212.75}},\"tags\":[\"a\",\"b\"],\"at\":\"2026-01-02T03:04:{:02}.000Z\"}}",
            number % 4,
            number % 8,
            60 + number,
            number % 10,
            100_000 + number,
            number % 60
        )
    };
    (0..MADE_UP).map(|number| Input { topic: topic.into(), payload: payload(number).into() }).collect()
}

fn folder(path: &Path, topic: &str) -> io::Result<Vec<Input>> {
    let mut paths: Vec<_> =
        fs::read_dir(path)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.truncate(INPUTS_MAX);
    paths.iter().map(|path| Ok(Input { topic: topic.into(), payload: bytes(path)?.into() })).collect()
}

fn file(path: &Path, topic: &str) -> io::Result<Vec<Input>> {
    let bytes = bytes(path)?;
    if !path.extension().is_some_and(|extension| extension == "jsonl" || extension == "ndjson") {
        return Ok(vec![Input { topic: topic.into(), payload: bytes.into() }]);
    }
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    Ok(lines.take(INPUTS_MAX).map(|line| recorded(line).unwrap_or_else(|| plain(line, topic))).collect())
}

fn plain(line: &[u8], topic: &str) -> Input {
    Input { topic: topic.into(), payload: Bytes::copy_from_slice(line) }
}

fn recorded(line: &[u8]) -> Option<Input> {
    let recorded: Recorded = serde_json::from_slice(line).ok()?;
    let payload = match (recorded.payload, recorded.payload_base64) {
        (Some(text), None) => Bytes::from(text),
        (None, Some(text)) => STANDARD.decode(text).ok()?.into(),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Input { topic: recorded.topic, payload })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.len() {
        length if length > FILE_BYTES_MAX => Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes"))),
        _ => fs::read(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(topic: &str, payload: &'static [u8]) -> Input {
        Input { topic: topic.into(), payload: Bytes::from_static(payload) }
    }

    #[test]
    fn lines_are_payloads_or_recorded_messages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        fs::write(
            &path,
            "{\"f\":1}\n\n{\"topic\":\"a\",\"payload\":\"x\"}\n{\"topic\":\"b\",\"payload_base64\":\"AP8=\"}\n",
        )
        .unwrap();
        let expected = [input("t", b"{\"f\":1}"), input("a", b"x"), input("b", b"\0\xff")];
        assert_eq!(read(&path, Some("t")).unwrap(), expected);
    }

    #[test]
    fn files_of_a_folder_are_payloads_in_name_order() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), None).is_err());
        fs::write(folder.path().join("b"), "2\n").unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        assert_eq!(read(folder.path(), Some("t")).unwrap(), [input("t", b"1"), input("t", b"2\n")]);
        assert_eq!(read(&folder.path().join("b"), Some("t")).unwrap(), [input("t", b"2\n")]);
    }

    #[test]
    fn made_up_messages_are_json_of_usual_size() {
        for input in made_up(None) {
            let parsed: serde_json::Value = serde_json::from_slice(&input.payload).unwrap();
            assert!(parsed["f"].is_number() && (180..260).contains(&input.payload.len()), "{}", input.payload.len());
        }
    }
}
