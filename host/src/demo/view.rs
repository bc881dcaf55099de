//! What the demo shows: an introduction, the flow as it goes, a summary.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::accounts::{Accounts, grouped};
use super::plant::MACHINES;
use super::settings::{Addresses, DEAD_LETTER_TOPIC, YOURS_TOPIC, readings_topic};

/// Rest between two pictures on a terminal.
const REDRAW: Duration = Duration::from_millis(200);
/// Rest between two lines in a pipe.
const LINE: Duration = Duration::from_secs(1);

/// Where the demo shows itself: redraws a few lines on a terminal, prints a line a second elsewhere.
pub struct View<W> {
    out: W,
    terminal: bool,
    shown: Option<Instant>,
    /// Lines of the picture that stands, to be drawn over.
    standing: usize,
    /// What a pipe was told last.
    told: String,
}

/// One moment of the demo.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    pub elapsed: Duration,
    pub accounts: Accounts,
    /// The last reading as it stands in Kafka: topic and JSON.
    pub sample: Option<(String, String)>,
}

impl View<io::Stdout> {
    #[must_use]
    pub fn on_stdout() -> Self {
        Self::new(io::stdout(), io::stdout().is_terminal())
    }
}

impl<W: Write> View<W> {
    fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, shown: None, standing: 0, told: String::new() }
    }

    /// # Errors
    /// Where nobody reads any more.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.standing = 0;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// A line in a pipe, unless nothing changed since the last one.
    fn tell(&mut self, line: String) -> io::Result<()> {
        if line == self.told {
            return Ok(());
        }
        self.told = line;
        self.out.write_all(self.told.as_bytes())?;
        self.out.flush()
    }

    /// Whether it is time to show another moment.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        let rest = if self.terminal { REDRAW } else { LINE };
        self.shown.is_none_or(|shown| now.duration_since(shown) >= rest)
    }

    /// # Errors
    /// Where nobody reads any more.
    pub fn show(&mut self, now: Instant, moment: &Moment) -> io::Result<()> {
        self.shown = Some(now);
        if !self.terminal {
            return self.tell(line(moment));
        }
        let picture = picture(moment);
        let mut drawing = String::from("\x1b[?7l"); // a narrow terminal cuts lines instead of wrapping them
        if self.standing > 0 {
            let _ = write!(drawing, "\x1b[{}A", self.standing); // up to the first line of the standing picture
        }
        for line in picture.lines() {
            let _ = writeln!(drawing, "\x1b[2K{line}"); // clears what stood there
        }
        drawing.push_str("\x1b[?7h");
        self.say(&drawing)?;
        self.standing = picture.lines().count();
        Ok(())
    }
}

/// How to read along, publish, and change rules.
#[must_use]
pub fn introduction(addresses: &Addresses, settings: &Path, rate: u32) -> String {
    let Addresses { mqtt, kafka, admin } = addresses;
    let (settings, press) = (settings.display(), readings_topic("press"));
    let rate = grouped(u64::from(rate));
    format!(
        "\
{MACHINES} machines publish {rate} readings a second over MQTT; the plugin `plant` decodes them on their way to Kafka.
Everything runs in this process, on loopback, and is gone when it ends.

  read along     kcat -C -b {kafka} -t {press}
  dead letters   kcat -C -b {kafka} -t {DEAD_LETTER_TOPIC} -f '%k %h\\n'
  publish        mosquitto_pub -p {mqtt} -q 1 -t {YOURS_TOPIC}/hello -m hi    (arrives in the Kafka topic `{YOURS_TOPIC}`)
  metrics        curl http://127.0.0.1:{admin}/metrics
  rules          {settings}    (change and save: taken while messages flow)

"
    )
}

/// The line of a pipe.
fn line(moment: &Moment) -> String {
    let Moment { elapsed, accounts: Accounts { sent, bridged, sunk }, .. } = moment;
    let [total, acknowledged, decoded, filtered, dead_lettered, delivered, in_flight] = [
        sent.total(),
        sent.acknowledged,
        bridged.decoded,
        bridged.filtered,
        bridged.dead_lettered,
        sunk.delivered(),
        bridged.in_flight,
    ]
    .map(grouped);
    format!(
        "{:>4} s  sent {total}  acknowledged {acknowledged}  decoded {decoded}  filtered {filtered}  \
         dead-lettered {dead_lettered}  delivered {delivered}  in flight {in_flight}\n",
        elapsed.as_secs()
    )
}

/// The lines of a terminal. Always the same number.
fn picture(moment: &Moment) -> String {
    let Moment { elapsed, accounts: Accounts { sent, bridged, sunk }, sample } = moment;
    let mut text = String::new();
    let mut row = |name: &str, count: u64, remark: &str| {
        let _ = writeln!(text, "  {name:<14}{:>14}   {remark}", grouped(count));
    };
    row("sent", sent.total(), &format!("{} acknowledged by the MQTT broker", grouped(sent.acknowledged)));
    row("received", bridged.received, &format!("{} in flight in the bridge", grouped(bridged.in_flight)));
    row("decoded", bridged.decoded, "made into records by the plugin");
    row("filtered", bridged.filtered, "idle machines, left out by the plugin");
    row("dead-lettered", bridged.dead_lettered, "damaged readings, kept aside");
    row("delivered", sunk.delivered(), "read back from Kafka");
    let (topic, json) = sample.as_ref().map_or(("", ""), |(topic, json)| (topic, json));
    let short: String = json.chars().take(60).collect();
    let _ = writeln!(text, "  {topic:<14}  {short}");
    let _ = writeln!(text, "  {:.1} s, Ctrl-C ends", elapsed.as_secs_f32());
    text
}

/// The last word, with what does not add up.
#[must_use]
pub fn summary(moment: &Moment, findings: &[String]) -> String {
    let Moment { elapsed, accounts: Accounts { sent, bridged, sunk }, .. } = moment;
    let mut text = format!("\nAfter {:.1} s:\n", elapsed.as_secs_f32());
    let mut row = |name: &str, count: u64, remark: &str| {
        let _ = writeln!(text, "  {name:<14}{:>14}   {remark}", grouped(count));
    };
    row("sent", sent.total(), &format!("by {MACHINES} machines over MQTT"));
    row("acknowledged", sent.acknowledged, "by the MQTT broker to the machines");
    row("decoded", bridged.decoded, "made into records by the plugin");
    row("filtered", bridged.filtered, "idle machines, left out by the plugin");
    row("dead-lettered", bridged.dead_lettered, &format!("damaged readings, kept in {DEAD_LETTER_TOPIC}"));
    let parts = format!("{} decoded, {} dead letters", grouped(sunk.decoded), grouped(sunk.dead_lettered));
    row("delivered", sunk.delivered(), &format!("read back from Kafka: {parts}"));
    if sunk.yours + sunk.foreign > 0 {
        row("yours", sunk.yours + sunk.foreign, "records of what others published");
    }
    text.push_str(&verdict(moment, findings));
    text
}

fn verdict(moment: &Moment, findings: &[String]) -> String {
    let sent = moment.accounts.sent;
    if findings.is_empty() {
        let [total, decoded, filtered, letters] =
            [sent.total(), sent.decoded, sent.filtered, sent.dead_lettered].map(grouped);
        return format!(
            "\n{total} sent = {decoded} decoded + {filtered} filtered + {letters} dead-lettered: everything arrived, \
             once, each machine in order.\n"
        );
    }
    let mut text = "\nIt does not add up:\n".to_owned();
    for finding in findings {
        let _ = writeln!(text, "  {finding}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::accounts::{Bridged, Sent, Sunk};
    use super::*;

    fn moment() -> Moment {
        let accounts = Accounts {
            sent: Sent { decoded: 8_000, filtered: 1_600, dead_lettered: 400, acknowledged: 10_000 },
            bridged: Bridged {
                received: 10_000,
                acknowledged: 9_993,
                in_flight: 7,
                decoded: 8_000,
                filtered: 1_600,
                dead_lettered: 400,
            },
            sunk: Sunk { decoded: 8_000, dead_lettered: 400, ..Sunk::default() },
        };
        Moment { elapsed: Duration::from_millis(5_040), accounts, sample: None }
    }

    fn shown(terminal: bool, times: usize) -> String {
        let mut view = View::new(Vec::new(), terminal);
        for _ in 0..times {
            view.show(Instant::now(), &moment()).unwrap();
        }
        String::from_utf8(view.out).unwrap()
    }

    #[test]
    fn a_pipe_gets_plain_lines_and_none_twice() {
        let expected = "   5 s  sent 10,000  acknowledged 10,000  decoded 8,000  filtered 1,600  \
                        dead-lettered 400  delivered 8,400  in flight 7\n";
        assert_eq!(shown(false, 2), expected);
    }

    #[test]
    fn a_terminal_gets_one_picture_that_is_drawn_over() {
        let one = shown(true, 1);
        assert!(!one.contains("\x1b[8A"));
        let two = shown(true, 2);
        let rest = one.strip_prefix("\x1b[?7l").unwrap();
        assert_eq!(two, format!("{one}\x1b[?7l\x1b[8A{rest}"));
    }

    #[test]
    fn a_moment_is_due_after_a_rest() {
        let mut view = View::new(Vec::new(), false);
        let start = Instant::now();
        assert!(view.is_due(start));
        view.show(start, &moment()).unwrap();
        assert!(!view.is_due(start + LINE / 2));
        assert!(view.is_due(start + LINE));
    }

    #[test]
    fn the_summary_adds_up_before_the_readers_eyes() {
        let text = summary(&moment(), &[]);
        assert!(text.contains("10,000 sent = 8,000 decoded + 1,600 filtered + 400 dead-lettered"), "{text}");
        assert!(text.contains("read back from Kafka: 8,000 decoded, 400 dead letters"), "{text}");
        assert!(!text.contains("yours"));
    }

    #[test]
    fn the_summary_tells_what_does_not_add_up() {
        let text = summary(&moment(), &["records: expected 2, saw 1".into()]);
        assert!(text.ends_with("It does not add up:\n  records: expected 2, saw 1\n"), "{text}");
    }

    #[test]
    fn the_introduction_names_addresses_that_can_be_copied() {
        let addresses = Addresses { mqtt: 1, kafka: "127.0.0.1:3".into(), admin: 4 };
        let text = introduction(&addresses, Path::new("/tmp/x/tidegate.toml"), 2_000);
        for part in [
            "kcat -C -b 127.0.0.1:3 -t plant.press\n",
            "mosquitto_pub -p 1 -q 1 -t yours/hello",
            "http://127.0.0.1:4/metrics",
            "/tmp/x/tidegate.toml",
            "2,000 readings a second",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
