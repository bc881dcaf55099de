//! What flows in every bench: topics, payload, and the rules that fit them.

/// The spread of topics: `site/a{area}/line{line}/temp` for every area and line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topics {
    /// How many areas.
    pub areas: usize,
    /// How many lines in each area; a rule of the bench serves one line of all areas.
    pub lines: usize,
}

impl Topics {
    /// About a thousand topics on the lines given.
    #[must_use]
    pub fn thousand_on(lines: usize) -> Self {
        Topics { areas: 1000_usize.div_ceil(lines.max(1)), lines }
    }

    /// All names, neighbours differing in their line so that consecutive messages go to different rules.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        let area_by_area = (0..self.areas).flat_map(|area| (0..self.lines).map(move |line| (area, line)));
        area_by_area.map(|(area, line)| format!("site/a{area}/line{line}/temp")).collect()
    }
}

/// The filter of the rule that serves one line.
#[must_use]
pub fn filter_of_line(line: usize) -> String {
    format!("site/{{area}}/line{line}/temp")
}

/// One filter for all topics, as the baseline asks for.
pub const FILTER_OF_ALL: &str = "site/+/+/temp";

/// A payload of the length given that looks like a reading; the first bytes may be overwritten with a time.
#[must_use]
pub fn payload(length: usize) -> Vec<u8> {
    let reading = br#"{"sensor":"t-17","value":21.504,"unit":"C","quality":"good","seq":184467,"site":"ulm"}"#;
    reading.iter().copied().cycle().take(length).collect()
}

/// Writes a time in front of a payload.
pub fn stamp(payload: &mut [u8], nanoseconds: u64) {
    payload[..8].copy_from_slice(&nanoseconds.to_be_bytes());
}

/// The time in front of a payload; none when it is too short to hold one.
#[must_use]
pub fn stamped(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_named_once() {
        let mut names = Topics { areas: 3, lines: 4 }.names();
        assert_eq!(names[..2], ["site/a0/line0/temp", "site/a0/line1/temp"]);
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 12);
    }

    #[test]
    fn thousand_topics_whatever_the_lines() {
        for lines in [1, 10, 100, 1000] {
            let topics = Topics::thousand_on(lines);
            assert_eq!(topics.areas * topics.lines, 1000);
        }
    }

    #[test]
    fn a_stamp_is_read_back() {
        let mut bytes = payload(200);
        stamp(&mut bytes, 42);
        assert_eq!((bytes.len(), stamped(&bytes), stamped(&bytes[..7])), (200, Some(42), None));
    }
}
