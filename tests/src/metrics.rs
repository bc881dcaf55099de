//! Reads the text of `/metrics`.

/// The samples of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Takes what can be read; comments and the end mark are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum of all samples called `name` that have all of `labels`; 0 where there are none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Whether there is such a sample.
    #[must_use]
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter(move |sample| {
            let has =
                |(label, value): &(&str, &str)| sample.labels.iter().any(|own| own.0 == *label && own.1 == *value);
            sample.name == name && labels.iter().all(has)
        })
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = match line.rfind('}') {
        Some(end) => (&line[..=end], line[end + 1..].split_whitespace().next()?),
        None => line.split_once(' ').map(|(name, rest)| (name, rest.split_whitespace().next().unwrap_or("")))?,
    };
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
    Some(Sample { name: name.to_owned(), labels: pairs(labels), value: value.parse().ok()? })
}

/// Label values hold no escaped quotes in our tests, but they do hold commas and slashes.
fn pairs(mut text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let Some((value, rest)) = rest.split_once('"') else { break };
        pairs.push((name.trim_start_matches(',').trim().to_owned(), value.to_owned()));
        text = rest;
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# TYPE a counter\na_total{rule=\"x,y\",topic=\"t\"} 3\na_total{rule=\"z\",topic=\"t\"} 4\nb 1.5\n# EOF\n";

    fn check(name: &str, labels: &[(&str, &str)], sum: f64) {
        assert!((Metrics::parse(TEXT).sum(name, labels) - sum).abs() < f64::EPSILON, "{name} {labels:?}");
    }

    #[test]
    fn samples_add_up_over_labels_not_asked_for() {
        check("a_total", &[], 7.0);
        check("a_total", &[("topic", "t")], 7.0);
        check("a_total", &[("rule", "x,y")], 3.0);
        check("b", &[], 1.5);
        check("c", &[], 0.0);
    }

    #[test]
    fn absence_can_be_told_from_zero() {
        assert!(Metrics::parse(TEXT).has("b", &[]));
        assert!(!Metrics::parse(TEXT).has("c", &[]));
    }
}
