//! The terminal picture of the README, made from what a run of the demo printed.

use std::fmt::Write as _;

/// Columns; a longer line ends in `…`.
const WIDTH: usize = 112;
/// The steps of the story that the picture shows, by the numbers of their titles.
const STEPS: [&str; 4] = ["3.", "4.", "5.", "9."];

const LINE_HEIGHT: usize = 17;
const MARGIN: usize = 14;
const TITLE_BAR: usize = 30;
const PIXELS_PER_COLUMN: f64 = 7.23;

/// What differs from run to run, and what the picture shows in its place.
#[derive(Debug)]
struct Run {
    replaced: Vec<(String, &'static str)>,
}

/// The picture of the run that printed `text`; none if that run had to do without an address of the machine.
pub(crate) fn of(text: &str) -> Option<String> {
    if text.contains("kubectl certificate approve") {
        return None;
    }
    let run = Run::read(text)?;
    let lines = excerpt(text)
        .iter()
        .map(|line| cut(&run.normalise(line)))
        .collect::<Vec<_>>();
    Some(svg(&lines))
}

impl Run {
    fn read(text: &str) -> Option<Self> {
        let after = |start: &str| {
            let rest = text.split_once(start)?.1;
            let word = rest.split([' ', '\n', ';']).next()?;
            Some(word.to_owned())
        };
        let root = after("made by kubeadm, in ")?;
        let served = after("served on    ")?;
        let (address, port) = served.split_once(':')?;
        let csr = after("--wait csr\n").and(after("certificates.k8s.io/"))?;
        Some(Self {
            replaced: vec![
                (root, ""),
                (served.clone(), "10.0.0.7:10250"),
                (address.to_owned(), "10.0.0.7"),
                (format!("port {port}"), "port 10250"),
                (csr, "csr-jcdc4"),
            ],
        })
    }

    fn normalise(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (found, shown) in &self.replaced {
            line = line.replace(found.as_str(), shown);
        }
        seconds(&times(&line))
    }
}

/// Times and the dates in file names, which all become one.
fn times(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("20") {
        let (before, from) = rest.split_at(at);
        shown += before;
        let shape: String = from
            .chars()
            .take(20)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        let length = if shape.starts_with("0000-00-00T00:00:00Z") {
            shown += "2027-11-23T07:16:56Z";
            20
        } else if shape.starts_with("0000-00-00-00-00-00") {
            shown += "2026-11-23-07-16-56";
            19
        } else {
            shown += "20";
            2
        };
        rest = &from[length..];
    }
    shown + rest
}

/// `answers after 0.3 s` as `0.2 s`.
fn seconds(line: &str) -> String {
    match line.split_once(" answers after ") {
        Some((unit, _)) => format!("{unit} answers after 0.2 s"),
        None => line.to_owned(),
    }
}

/// The lines of the chosen steps; of a diff only the changed lines.
fn excerpt(text: &str) -> Vec<&str> {
    let mut is_shown = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let number = line.split(' ').next().unwrap_or_default();
        let is_title = number.ends_with('.') && number.len() > 1;
        if is_title && number.trim_end_matches('.').parse::<u8>().is_ok() {
            is_shown = STEPS.contains(&number);
        }
        let is_context = line.starts_with(' ') && !line.starts_with("   ")
            || line.starts_with("   options:")
            || ["---", "+++", "@@"]
                .iter()
                .any(|mark| line.starts_with(mark));
        if is_shown && !is_context && !line.trim_start().starts_with("flushFrequency") {
            found.push(line);
        }
    }
    while found.last() == Some(&"") {
        found.pop();
    }
    found
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let kept: String = line.chars().take(WIDTH - 1).collect();
    format!("{}…", kept.trim_end())
}

fn svg(lines: &[String]) -> String {
    let width = (PIXELS_PER_COLUMN * WIDTH as f64) as usize + 2 * MARGIN;
    let height = TITLE_BAR + lines.len() * LINE_HEIGHT + MARGIN;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="A terminal in which kubelet-tls gives a kubelet a certificate of the cluster's CA">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g fill="#30363d"><circle cx="18" cy="16" r="5"/><circle cx="35" cy="16" r="5"/><circle cx="52" cy="16" r="5"/></g>
<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="12" fill="#c9d1d9" xml:space="preserve">
"##
    );
    for (index, line) in lines.iter().enumerate() {
        let y = TITLE_BAR + (index + 1) * LINE_HEIGHT - 4;
        if !line.is_empty() {
            let _ = writeln!(
                picture,
                r#"<text x="{MARGIN}" y="{y}"{}>{}</text>"#,
                style(line),
                escaped(line)
            );
        }
    }
    picture + "</g>\n</svg>\n"
}

fn style(line: &str) -> &'static str {
    let starts = |mark: &str| line.starts_with(mark);
    if starts("# ") {
        r##" fill="#ffffff" font-weight="bold""##
    } else if starts("+") || line.ends_with(" approved") {
        r##" fill="#3fb950""##
    } else if starts("error:") || line.contains(" refused: ") {
        r##" fill="#ff7b72""##
    } else if starts("hint:") || starts("next:") {
        r##" fill="#79c0ff""##
    } else if starts("warning:") {
        r##" fill="#d29922""##
    } else if starts("   ") || line.starts_with(|c: char| c.is_ascii_digit()) && line.len() > 4 {
        r##" fill="#8b949e" font-style="italic""##
    } else {
        ""
    }
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
