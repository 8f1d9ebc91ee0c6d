//! The command line that systemd will give the kubelet at its next start, from systemd's own view of the unit.
//!
//! For a kubelet that runs, `/proc/<MainPID>/cmdline` is the truth of this start; this is about the next one. What
//! `systemctl show` keeps to itself is not in it: `ExecStart=:` (no substitution; only `ExecStartEx` says so),
//! `PassEnvironment=`, `UnsetEnvironment=`, the manager's own variables (`systemctl set-environment`), and where an
//! argument with spaces begins and ends.

mod command;
mod environment_file;
mod error;
mod variables;

use std::collections::BTreeMap;
use std::fmt;

use command::ExecCommand;
use environment_file::EscapeRules;
use variables::Variables;

pub use error::{UnknownCommandLine, Unloadable};

/// An environment file of the unit and its content as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Its path. systemd takes a pattern too: give each file that it matches, in their order.
    pub path: String,
    /// Whether the unit starts without it, as with `EnvironmentFile=-`.
    pub optional: bool,
    /// None where it is missing or cannot be read.
    pub content: Option<Vec<u8>>,
}

/// A word of the command line and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word as the kubelet sees it.
    pub text: String,
    /// Where it is written. A word put together from several places has the first variable's.
    pub source: WordSource,
}

/// Where a word is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordSource {
    /// In `ExecStart=` itself.
    Unit,
    /// In a variable of `Environment=`.
    Environment {
        /// The name before its `=`.
        variable: String,
    },
    /// In a variable of an environment file.
    File {
        /// The file's path in the unit's `EnvironmentFile=`.
        path: String,
        /// The line on which the assignment begins, from 1.
        line: usize,
        /// The name before its `=`.
        variable: String,
    },
}

impl fmt::Display for WordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => write!(f, "the unit's ExecStart="),
            Self::Environment { variable } => write!(f, "{variable} in the unit's Environment="),
            Self::File {
                path,
                line,
                variable,
            } => write!(f, "{variable} in {path}:{line}"),
        }
    }
}

/// The words of the next start, the program's name first: the words of `exec_start` with the variables of
/// `environment` and, over these, of `files` put in. `exec_start` (or `ExecStartEx`) and `environment` are as
/// `systemctl show` prints them; of several commands the last one counts.
///
/// As systemd does it (replace_env_argv in src/basic/env-util.c, 239 to 257): `$A` alone is split into words, its
/// quotes honoured, and leaves nothing when it is unset; `${A}` is put in unsplit; `$$` is a `$`; all else is literal.
///
/// # Errors
/// Why the command line cannot be told: systemctl prints what cannot be understood or leaves out what
/// matters, a required environment file is missing, or systemd's versions would not agree.
pub fn next_command_line(
    exec_start: &str,
    environment: &str,
    files: &[EnvironmentFile],
) -> Result<Vec<Word>, UnknownCommandLine> {
    let command = ExecCommand::parse(exec_start)?;
    let read = |reading| command.words(&Variables::gather(environment, files, reading)?);
    let words = read(EscapeRules::Since254)?;
    for older in [EscapeRules::Before254, EscapeRules::Before240] {
        if let Some(source) = first_difference(&words, &read(older)?) {
            return Err(UnknownCommandLine::DependsOnVersion(source.clone()));
        }
    }
    Ok(words)
}

/// Which variable of which file sets each flag, by the flags' names; of several the last one counts.
pub fn sources(words: &[Word]) -> BTreeMap<String, String> {
    let named = words.iter().filter_map(|word| {
        let name = word.text.strip_prefix("--")?.split('=').next()?;
        Some((name.replace('_', "-"), word.source.to_string()))
    });
    named.collect()
}

/// Where the first word is written that the two do not share; by preference in an assignment.
fn first_difference<'a>(one: &'a [Word], other: &'a [Word]) -> Option<&'a WordSource> {
    let count = one.len().max(other.len());
    let text = |words: &'a [Word], at: usize| words.get(at).map(|word| &word.text);
    let at = (0..count).find(|&at| text(one, at) != text(other, at))?;
    let mut sources = [one.get(at), other.get(at)].into_iter().flatten();
    let first = &sources.next()?.source;
    Some(match first {
        WordSource::Unit => sources.next().map_or(first, |word| &word.source),
        _ => first,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KUBEADM: &str = "/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS";
    const KUBEADM_ENVIRONMENT: &str = r#""KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/b --kubeconfig=/k" KUBELET_CONFIG_ARGS=--config=/c"#;

    fn printed(argv: &str) -> String {
        format!(
            "{{ path=/usr/bin/kubelet ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; \
             pid=0 ; code=(null) ; status=0/0 }}"
        )
    }

    fn file(path: &str, content: &str) -> EnvironmentFile {
        EnvironmentFile {
            path: path.to_owned(),
            optional: true,
            content: Some(content.into()),
        }
    }

    /// The words behind `k` of `ExecStart=k argv`, each in angle brackets.
    fn run(argv: &str, environment: &str, content: &str) -> String {
        let files = [file("/etc/default/kubelet", content)];
        match next_command_line(&printed(&format!("k {argv}")), environment, &files) {
            Ok(words) => words
                .iter()
                .skip(1)
                .map(|word| format!("<{}>", word.text))
                .collect(),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn the_command_lines_of_captured_nodes_are_predicted() {
        let cases = [
            (
                include_str!("../../../testdata/captured/1.19/systemctl-show-kubelet.txt"),
                include_str!("../../../testdata/captured/1.19/kubeadm-flags.env"),
                "--container-runtime=remote --container-runtime-endpoint=/run/containerd/containerd.sock",
            ),
            (
                include_str!("../../../testdata/captured/1.36/systemctl-show-kubelet.txt"),
                include_str!("../../../testdata/captured/1.36/kubeadm-flags.env"),
                "",
            ),
        ];
        for (shown, flags, expected) in cases {
            let property = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name));
            let files = [
                file("/var/lib/kubelet/kubeadm-flags.env", flags),
                file(
                    "/etc/default/kubelet",
                    "# extra\nKUBELET_EXTRA_ARGS=--node-ip=192.0.2.1\n",
                ),
            ];
            let words = next_command_line(
                property("ExecStart=").unwrap(),
                property("Environment=").unwrap(),
                &files,
            )
            .unwrap();
            let texts: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            let expected = format!(
                "/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
                 --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml {expected} \
                 --node-ip=192.0.2.1"
            );
            assert_eq!(
                texts,
                expected.split_whitespace().collect::<Vec<_>>(),
                "{flags}"
            );
            let sources: Vec<_> = words.iter().map(|word| word.source.to_string()).collect();
            assert_eq!(sources.first().unwrap(), "the unit's ExecStart=");
            assert_eq!(
                sources.get(3).unwrap(),
                "KUBELET_CONFIG_ARGS in the unit's Environment="
            );
            assert_eq!(
                sources.last().unwrap(),
                "KUBELET_EXTRA_ARGS in /etc/default/kubelet:2"
            );
        }
    }

    #[test]
    fn extra_arguments_are_read_as_administrators_write_them() {
        // /etc/default/kubelet, /etc/sysconfig/kubelet, and what comes of $KUBELET_EXTRA_ARGS
        let cases = [
            ("KUBELET_EXTRA_ARGS=\n", ""),
            ("KUBELET_EXTRA_ARGS=--a --b=c", "--a|--b=c"),
            ("KUBELET_EXTRA_ARGS=\"--a --b=c\"\r\n", "--a|--b=c"),
            ("KUBELET_EXTRA_ARGS='--a --b=c'", "--a|--b=c"),
            ("KUBELET_EXTRA_ARGS=\"--a \\\n  --b=c\"\n", "--a|--b=c"),
            ("KUBELET_EXTRA_ARGS=--a \\\n  --b=c\n", "--a|--b=c"),
            (
                r#"KUBELET_EXTRA_ARGS="--node-labels='a=b,c=d e'""#,
                "--node-labels=a=b,c=d e",
            ),
            (
                r#"KUBELET_EXTRA_ARGS=--node-labels="a=b,c=d e""#,
                "--node-labels=a=b,c=d e",
            ),
            (r#"KUBELET_EXTRA_ARGS="--x=\"y z\"""#, "--x=y z"),
            ("KUBELET_EXTRA_ARGS=--a\nKUBELET_EXTRA_ARGS=--b", "--b"),
            ("export KUBELET_EXTRA_ARGS=--a", ""),
            ("KUBELET_EXTRA_ARGS=$OTHER ${OTHER}", "$OTHER|${OTHER}"),
            ("# KUBELET_EXTRA_ARGS=--a\n;KUBELET_EXTRA_ARGS=--b", ""),
        ];
        for path in ["/etc/default/kubelet", "/etc/sysconfig/kubelet"] {
            for (content, expected) in cases {
                let files = [
                    file(
                        "/var/lib/kubelet/kubeadm-flags.env",
                        "KUBELET_KUBEADM_ARGS=\"--f\"\n",
                    ),
                    file(path, content),
                ];
                let words =
                    next_command_line(&printed(KUBEADM), KUBEADM_ENVIRONMENT, &files).unwrap();
                let texts: Vec<_> = words
                    .iter()
                    .skip(5)
                    .map(|word| word.text.as_str())
                    .collect();
                assert_eq!(texts.join("|"), expected, "{content}");
                assert!(words.iter().skip(5).all(
                    |word| matches!(&word.source, WordSource::File { path: at, .. } if at == path)
                ));
            }
        }
    }

    #[test]
    fn the_assignment_that_wins_is_named() {
        let files = [
            file("/one", "A=1\nB=1\nA=2"),
            file("/two", "\nB=3\nD="),
            EnvironmentFile {
                path: "/none".into(),
                optional: true,
                content: None,
            },
        ];
        let words =
            next_command_line(&printed("k $A ${B} $C $D"), "A=0 B=0 C=0 D=0", &files).unwrap();
        let shown: Vec<_> = words
            .iter()
            .map(|word| format!("{}: {}", word.text, word.source))
            .collect();
        assert_eq!(
            shown,
            [
                "k: the unit's ExecStart=",
                "2: A in /one:3",
                "3: B in /two:2",
                "0: C in the unit's Environment="
            ]
        );
    }

    #[test]
    fn what_cannot_be_predicted_is_said() {
        let missing = EnvironmentFile {
            path: "/none".into(),
            optional: false,
            content: None,
        };
        let error = next_command_line(&printed("k"), "", &[missing]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("will not start") && error.contains("/none"),
            "{error}"
        );

        let binary = |optional| EnvironmentFile {
            path: "/latin1".into(),
            optional,
            content: Some(b"A=b\nB=\xe4".to_vec()),
        };
        let words = |optional| next_command_line(&printed("k ${A}"), "A=0", &[binary(optional)]);
        assert_eq!(words(true).unwrap().last().unwrap().text, "0");
        assert!(words(false).unwrap_err().to_string().contains("line 2"));
        assert!(run("$A", "", "A=b\0").contains("NUL"));

        // as systemctl of RHEL 8 prints it
        let withheld = "[unprintable] B=c";
        assert_eq!(run("${B}", withheld, ""), "<c>");
        assert_eq!(run("$A", withheld, "A=b"), "<b>");
        assert!(run("$A", withheld, "").contains("$A"));
        // not the unit's to set
        assert!(run("--x=${HOME}", "", "").contains("$HOME"));
        assert_eq!(run("--x=${HOME}", "HOME=/h", ""), "<--x=/h>");

        // read differently by versions: said only where it matters
        for content in ["# x \\\nA=b", r#"A="\n""#, r"A='\ '", "A=\"\x1b\""] {
            let told = run("--x=${A}", "", content);
            assert!(told.contains("A in /etc/default/kubelet:"), "{told}");
            assert_eq!(run("--x=${B}", "B=c", content), "<--x=c>");
        }
        // these come to the same
        assert_eq!(run("$A", "", "# x \\\nA=c\nA=c"), "<c>");
        assert_eq!(run("$A", "", "#A=\"--a \\\n#  --b\"\nA=c"), "<c>");
    }

    proptest! {
        #[test]
        fn nothing_panics(
            argv in r#"[-$\{\}:;AB= "'\\ä]{0,30}"#,
            environment in r#"[AB= "\\x20é\[n]{0,30}"#,
            content in prop::collection::vec(prop::sample::select(b"AB=\"'\\ \t\r\n#;$x\0\xc3\xa4\x1b".as_slice()), 0..60),
            optional: bool,
        ) {
            let files = [EnvironmentFile { path: "/f".into(), optional, content: Some(content) }];
            let _ = next_command_line(&printed(&argv), &environment, &files);
            let _ = next_command_line(&argv, &environment, &files);
        }
    }
}
