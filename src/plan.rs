//! The plan: what to edit and whether to restart. A value, so that what is shown is what is done.

use crate::kubelet::secrets::masked_start;
use std::fmt;
use std::path::PathBuf;

/// What is to be done: all edits, then at most one restart.
///
/// Edits come before the restart by type, so that no plan, nor its inverse, can restart the old bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The edits, in the order in which they are made. Those that change nothing are kept for the report.
    pub edits: Vec<Edit>,
    /// Whether the kubelet is restarted after them.
    pub restart: Restart,
}

/// A compare-and-swap: `before` becomes `after`, and only if the target still reads `before`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file or ConfigMap that is edited.
    pub target: Target,
    /// What it must read now; `None` if it must not exist, so that the edit creates it.
    pub before: Option<Vec<u8>>,
    /// What it will read; `None` if the edit removes it.
    pub after: Option<Vec<u8>>,
}

/// What an edit is made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, by the path its user knows it by (a symlink is followed at the write).
    File(PathBuf),
    /// The text under the key `kubelet` of a ConfigMap.
    ConfigMap {
        /// `kube-system`, where kubeadm keeps it.
        namespace: String,
        /// `kubelet-config`, or `kubelet-config-1.X` up to 1.23.
        name: String,
    },
    /// Standard input, with the result on standard output.
    Standard,
}

/// Whether the kubelet is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It keeps running with what it has read.
    No,
    /// It is restarted once, for this reason.
    Yes(Reason),
}

/// Why the kubelet is restarted. It displays as what a run says about that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// This run changes what it reads.
    Changed,
    /// It has not read what is written now: it runs with an older configuration or other flags.
    NotRead,
    /// An earlier run was cut off and has left the kubelet down.
    CutOff,
    /// It was asked for.
    Asked,
}

impl Plan {
    /// These edits without a restart.
    pub fn of(edits: Vec<Edit>) -> Self {
        Self {
            edits,
            restart: Restart::No,
        }
    }

    /// Whether any edit changes anything.
    pub fn changes(&self) -> bool {
        self.edits.iter().any(Edit::changes)
    }

    /// The plan that undoes this one: the edits backwards, the restart kept.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            edits: self.edits.iter().rev().map(Edit::inverse).collect(),
            restart: self.restart,
        }
    }
}

impl Edit {
    /// The edit of a target that exists and stays.
    pub fn new(target: Target, before: Vec<u8>, after: Vec<u8>) -> Self {
        Self {
            target,
            before: Some(before),
            after: Some(after),
        }
    }

    /// The edit that creates a file.
    pub fn create(path: PathBuf, after: Vec<u8>) -> Self {
        Self {
            target: Target::File(path),
            before: None,
            after: Some(after),
        }
    }

    /// What the target reads before the edit; empty if it does not exist.
    pub fn bytes_before(&self) -> &[u8] {
        self.before.as_deref().unwrap_or_default()
    }

    /// What the target reads after the edit; empty if it does not exist.
    pub fn bytes_after(&self) -> &[u8] {
        self.after.as_deref().unwrap_or_default()
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        self.before != self.after
    }

    /// The edit that undoes this one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            target: self.target.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }

    /// The unified diff with three lines of context, as `diff -u` prints it; empty where nothing differs. A file that does
    /// not exist is `/dev/null` in the header. Tokens and keys in the lines shown are masked: a diff is pasted into tickets.
    pub fn diff(&self) -> String {
        if !self.changes() {
            return String::new();
        }
        let unshown = unshown(self.bytes_before(), self.bytes_after());
        self.diff_without(unshown)
            .or_else(|| self.diff_without(0))
            .unwrap_or_default()
    }

    /// The diff, from the texts without this many bytes at their ends; `None` if those would be in it.
    fn diff_without(&self, unshown: usize) -> Option<String> {
        let shown = |bytes: &[u8]| masked_start(bytes, bytes.len() - unshown);
        let (before, after) = (shown(self.bytes_before()), shown(self.bytes_after()));
        let name = self.target.to_string();
        let name = escape_path(&name);
        let header = |bytes: &Option<Vec<u8>>| match bytes {
            Some(_) => name.clone(),
            None => ABSENT.to_owned(),
        };
        let diff = similar::TextDiff::from_lines(&before, &after);
        // of lines that repeat, a later one than the first that differs may be taken for the difference
        let groups = diff.grouped_ops(CONTEXT);
        let last = groups.last().and_then(|group| group.last());
        let has_context = |op: &similar::DiffOp| {
            op.tag() == similar::DiffTag::Equal && op.new_range().len() == CONTEXT
        };
        let is_whole = unshown == 0 || last.is_none_or(has_context);
        is_whole.then(|| {
            diff.unified_diff()
                .context_radius(CONTEXT)
                .header(&header(&self.before), &header(&self.after))
                .to_string()
        })
    }
}

/// How many lines around a difference a diff shows.
const CONTEXT: usize = 3;

/// How many bytes at the end a diff does not show, as a rule: the lines that are the same in both, except for the context.
/// Masking and comparing them would take most of a long file's time.
fn unshown(before: &[u8], after: &[u8]) -> usize {
    let same = |(one, other): &(&u8, &u8)| one == other;
    let head = before.iter().zip(after).take_while(same).count();
    let limit = before.len().min(after.len()) - head;
    let backwards = before.iter().rev().zip(after.iter().rev());
    let tail = backwards.take(limit).take_while(same).count();
    let tail = after.get(after.len() - tail..).unwrap_or_default();
    // the first line may begin before the tail
    let shown = tail
        .split_inclusive(|byte| *byte == b'\n')
        .take(CONTEXT + 1);
    tail.len() - shown.map(<[u8]>::len).sum::<usize>()
}

/// The name of a file that does not exist, in the header of a diff: patch(1) creates or removes the file then.
const ABSENT: &str = "/dev/null";

/// A path may hold a line break or an escape sequence; a header that did would not be one line, or not harmless.
fn escape_path(name: &str) -> String {
    if name.chars().any(char::is_control) {
        format!("{name:?}")
    } else {
        name.to_owned()
    }
}

impl fmt::Display for Reason {
    /// As a clause about the kubelet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "its configuration changes",
            Self::NotRead => {
                "it runs with an older configuration or other flags than are written now"
            }
            Self::CutOff => "an interrupted run has left it down",
            Self::Asked => "--restart always asks for it",
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::ConfigMap { namespace, name } => write!(f, "configmap/{namespace}/{name}"),
            Self::Standard => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(before: &str, after: &str) -> Edit {
        Edit::new(
            Target::File("/etc/x.yaml".into()),
            before.into(),
            after.into(),
        )
    }

    #[test]
    fn the_inverse_of_the_inverse_is_the_plan() {
        let plan = Plan {
            edits: vec![edit("a\n", "b\n"), edit("c\n", "c\n")],
            restart: Restart::Yes(Reason::Changed),
        };
        assert_eq!(plan.inverse().inverse(), plan);
        assert_eq!(plan.inverse().edits[1].bytes_after(), b"a\n");
        assert!(plan.changes());
    }

    #[test]
    fn a_diff_reads_as_diff_u_prints_it() {
        let lines = "1\n2\n3\n4\n5\n";
        assert_eq!(
            edit(lines, "1\n2\n3\n4\nx\n5\n").diff(),
            "--- /etc/x.yaml\n+++ /etc/x.yaml\n@@ -2,4 +2,5 @@\n 2\n 3\n 4\n+x\n 5\n"
        );
        assert_eq!(edit(lines, lines).diff(), "");
        assert_eq!(
            edit("a", "b").diff(),
            "--- /etc/x.yaml\n+++ /etc/x.yaml\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
        );
    }

    /// What is left out of the comparison changes nothing of a diff that is shown.
    #[test]
    fn a_diff_is_that_of_the_whole_texts() {
        let texts = ["", "a\n", "a\nb", "\n"];
        let mut sources = vec![String::new()];
        for _ in 0..3 {
            let longer = |source: &String| texts.map(|text| format!("{source}{text}"));
            sources = sources.iter().flat_map(longer).collect();
        }
        let tails = ["", "a", "\n", "a\na\na\na\na\na\n", "x\ny\nz\na\nb\nc\nd"];
        for (before, after) in sources
            .iter()
            .flat_map(|one| sources.iter().map(move |other| (one, other)))
        {
            for tail in tails {
                let (before, after) = (format!("{before}{tail}"), format!("{after}{tail}"));
                let whole = similar::TextDiff::from_lines(&before, &after)
                    .unified_diff()
                    .context_radius(CONTEXT)
                    .to_string();
                let shown = edit(&before, &after).diff();
                let shown = shown.strip_prefix("--- /etc/x.yaml\n+++ /etc/x.yaml\n");
                assert_eq!(shown.unwrap_or_default(), whole, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn the_inverse_of_a_creation_is_a_removal() {
        let create = Edit::create("/etc/x.yaml".into(), b"a\n".to_vec());
        assert!(create.changes());
        assert_eq!(
            create.diff(),
            "--- /dev/null\n+++ /etc/x.yaml\n@@ -0,0 +1 @@\n+a\n"
        );
        let remove = create.inverse();
        assert_eq!((&remove.before, &remove.after), (&create.after, &None));
        assert_eq!(
            remove.diff(),
            "--- /etc/x.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
        );
        assert_eq!(remove.inverse(), create);
    }

    #[test]
    fn each_reason_for_a_restart_has_its_words() {
        for (reason, words) in [
            (Reason::Changed, "its configuration changes"),
            (
                Reason::NotRead,
                "it runs with an older configuration or other flags than are written now",
            ),
            (Reason::CutOff, "an interrupted run has left it down"),
            (Reason::Asked, "--restart always asks for it"),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }

    #[test]
    fn a_path_is_escaped_for_the_terminal() {
        let mut odd = edit("a\n", "b\n");
        odd.target = Target::File("/tmp/\u{1b}[2J\nx".into());
        assert!(odd.diff().starts_with("--- \"/tmp/\\u{1b}[2J\\nx\"\n"));
    }
}
