//! Counts at the sink: reads all topics of the demo back from Kafka and books every record to the machine and number
//! that it came from.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

use super::accounts::Sunk;
use super::plant::{self, Fate, Machine};
use super::settings::{DEAD_LETTER_TOPIC, YOURS_TOPIC, readings_topic};
use crate::kafka::reader::{Reader, Stored};

/// Longest wait for a record before the stop flag is looked at.
const WAIT: Duration = Duration::from_millis(50);

/// The reading thread and its book.
pub struct Counter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    book: Mutex<Book>,
}

impl Counter {
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(reader: Reader) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("demo-sink".into()).spawn({
            let shared = shared.clone();
            move || shared.read(&reader)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    #[must_use]
    pub fn counts(&self) -> Sunk {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    /// The last reading as it stands in Kafka: its topic and its JSON.
    #[must_use]
    pub fn sample(&self) -> Option<(String, String)> {
        self.shared.book.lock().unwrap_or_else(PoisonError::into_inner).sample.clone()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic on that thread has been told by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn read(&self, reader: &Reader) {
        while !self.stop.load(Ordering::Relaxed) {
            let next = reader.next(WAIT);
            let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
            match next {
                Ok(Some(stored)) => book.enter(&stored),
                Ok(None) => {}
                Err(error) => {
                    book.counts.trouble = Some(error.to_string());
                    return;
                }
            }
        }
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Book {
    counts: Sunk,
    /// By machine and whether it is a dead letter: the last sequence number.
    last: HashMap<(Machine, bool), u32>,
    sample: Option<(String, String)>,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Plant { machine: Machine, sequence: u32, dead_letter: bool },
    Yours,
    Foreign,
}

impl Book {
    fn enter(&mut self, stored: &Stored) {
        match origin(stored) {
            Origin::Plant { machine, sequence, dead_letter } => {
                self.enter_reading(machine, sequence, dead_letter);
                if !dead_letter {
                    let json = String::from_utf8_lossy(stored.payload.as_deref().unwrap_or_default());
                    self.sample = Some((stored.topic.clone(), json.into_owned()));
                }
            }
            Origin::Yours => self.counts.yours += 1,
            Origin::Foreign => self.counts.foreign += 1,
        }
    }

    fn enter_reading(&mut self, machine: Machine, sequence: u32, dead_letter: bool) {
        let belongs = match plant::fate(machine, sequence) {
            Fate::Decoded => !dead_letter,
            Fate::Filtered => false,
            Fate::DeadLettered => dead_letter,
        };
        let last = self.last.get(&(machine, dead_letter)).copied();
        if !belongs {
            self.counts.misplaced += 1;
        } else if last.is_some_and(|last| sequence <= last) {
            self.counts.repeated += 1;
        } else {
            self.last.insert((machine, dead_letter), sequence);
            let count = if dead_letter { &mut self.counts.dead_lettered } else { &mut self.counts.decoded };
            *count += 1;
        }
    }
}

#[derive(Deserialize)]
struct Decoded<'a> {
    machine: &'a str,
    sequence: u32,
}

fn origin(stored: &Stored) -> Origin {
    let found = match stored.topic.as_str() {
        YOURS_TOPIC => return Origin::Yours,
        DEAD_LETTER_TOPIC => dead_letter(stored),
        topic => reading(stored).filter(|(machine, _)| readings_topic(machine.area()) == topic),
    };
    let dead_letter = stored.topic == DEAD_LETTER_TOPIC;
    found.map_or(Origin::Foreign, |(machine, sequence)| Origin::Plant { machine, sequence, dead_letter })
}

fn reading(stored: &Stored) -> Option<(Machine, u32)> {
    let decoded: Decoded<'_> = serde_json::from_slice(stored.payload.as_deref()?).ok()?;
    let machine = Machine::named(decoded.machine)?;
    (stored.key.as_deref() == Some(decoded.machine.as_bytes())).then_some((machine, decoded.sequence))
}

/// A dead letter's key is the MQTT topic, its value the payload as it arrived.
fn dead_letter(stored: &Stored) -> Option<(Machine, u32)> {
    let machine = Machine::of_topic(std::str::from_utf8(stored.key.as_deref()?).ok()?)?;
    Some((machine, plant::sequence_of(stored.payload.as_deref()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(topic: &str, key: &str, payload: &[u8]) -> Stored {
        let (key, payload) = (Some(key.into()), Some(payload.into()));
        Stored { topic: topic.into(), partition: 0, offset: 0, key, payload }
    }

    fn decoded(machine: Machine, sequence: u32) -> Stored {
        let json = format!(r#"{{"machine":"{machine}","state":"running","sequence":{sequence},"measured_ms":1}}"#);
        stored(&readings_topic(machine.area()), &machine.to_string(), json.as_bytes())
    }

    fn damaged(machine: Machine, sequence: u32) -> Stored {
        stored(DEAD_LETTER_TOPIC, &machine.topic(), &plant::payload(machine, sequence, 1))
    }

    fn press() -> Machine {
        Machine::named("press-1").unwrap()
    }

    fn numbers(fate: Fate) -> impl Iterator<Item = u32> {
        (0..).filter(move |sequence| plant::fate(press(), *sequence) == fate)
    }

    #[track_caller]
    fn check(records: &[Stored], expected: &Sunk) {
        let mut book = Book::default();
        for record in records {
            book.enter(record);
        }
        assert_eq!(book.counts, *expected);
    }

    #[test]
    fn readings_and_dead_letters_are_counted_where_they_belong() {
        let readings = numbers(Fate::Decoded).take(5).map(|sequence| decoded(press(), sequence));
        let letters = numbers(Fate::DeadLettered).take(4).map(|sequence| damaged(press(), sequence));
        let all: Vec<_> = readings.chain(letters).collect();
        check(&all, &Sunk { decoded: 5, dead_lettered: 4, ..Sunk::default() });
    }

    #[test]
    fn a_record_that_comes_again_or_late_is_not_counted_as_delivered() {
        let [first, second] = [0, 1].map(|place| decoded(press(), numbers(Fate::Decoded).nth(place).unwrap()));
        check(&[first.clone(), first.clone()], &Sunk { decoded: 1, repeated: 1, ..Sunk::default() });
        check(&[second, first], &Sunk { decoded: 1, repeated: 1, ..Sunk::default() });
    }

    #[test]
    fn a_record_in_the_wrong_place_is_told() {
        let idle = decoded(press(), numbers(Fate::Filtered).next().unwrap());
        let whole = damaged(press(), numbers(Fate::Decoded).next().unwrap());
        check(&[idle, whole], &Sunk { misplaced: 2, ..Sunk::default() });
    }

    #[test]
    fn what_others_write_is_kept_apart() {
        let yours = stored(YOURS_TOPIC, "yours/hello", b"hi");
        let letter = stored(DEAD_LETTER_TOPIC, "plant/press/press-1/reading", b"hi");
        let stranger = stored("plant.press", "kiln-1", br#"{"machine":"kiln-1","sequence":1}"#);
        let wrong_area = Stored { topic: "plant.paint".into(), ..decoded(press(), 0) };
        check(&[yours, letter, stranger, wrong_area], &Sunk { yours: 1, foreign: 3, ..Sunk::default() });
    }
}
