//! Gauges in Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::fmt::Write as _;

use crate::node::conditions::ConditionStatus;

/// A metric whose value may go up and down.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    /// The labels of each sample as they are printed, and its value.
    samples: Vec<(String, i64)>,
}

impl Gauge {
    /// A gauge without samples; `help` is one line.
    pub fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            samples: Vec::new(),
        }
    }

    /// Adds a sample with these labels.
    pub fn add(&mut self, labels: &[(&'static str, &str)], value: i64) {
        let labels = labels.iter();
        let labels: Vec<String> = labels
            .map(|(key, text)| format!("{key}=\"{}\"", escaped(text)))
            .collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        self.samples.push((labels, value));
    }

    /// Adds a sample for each status that something can have, with 1 for the one that `is`.
    pub fn add_status(&mut self, label: (&'static str, &str), is: ConditionStatus) {
        for status in [
            ConditionStatus::True,
            ConditionStatus::False,
            ConditionStatus::Unknown,
        ] {
            let labels = [label, ("status", &status.to_string())];
            self.add(&labels, i64::from(is == status));
        }
    }

    /// The same gauge with one sample without labels; without any where the value is not known.
    #[must_use]
    pub fn with(mut self, value: Option<i64>) -> Self {
        if let Some(value) = value {
            self.add(&[], value);
        }
        self
    }
}

/// The gauges as text. A gauge without samples is left out.
pub fn exposition(gauges: &[Gauge]) -> String {
    let mut text = String::new();
    for gauge in gauges.iter().filter(|gauge| !gauge.samples.is_empty()) {
        let Gauge {
            name,
            help,
            samples,
        } = gauge;
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

/// A label's value: backslash, double quote and line feed are escaped.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_gauges_without_samples_left_out() {
        let mut named = Gauge::new("a_info", "Help.");
        named.add(&[("x", "a\"b\\c\nd"), ("y", "")], 1);
        let gauges = [
            named,
            Gauge::new("b", "Not known.").with(None),
            Gauge::new("c", "Known.").with(Some(-5)),
        ];
        assert_eq!(
            exposition(&gauges),
            "# HELP a_info Help.\n# TYPE a_info gauge\na_info{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 1\n\
             # HELP c Known.\n# TYPE c gauge\nc -5\n"
        );
    }
}
