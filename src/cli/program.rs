//! What the program is called: `kubelet-tls`, or `kubectl kubelet-tls` where kubectl runs it as a plug-in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use crate::text::hint::{AccessOptions, Invocation};

use super::{Cli, ClusterVerb, Format, Verb};

/// The program's own name, and that of its crate.
pub(crate) const NAME: &str = "kubelet-tls";
/// The file under which kubectl finds it; a dash in a plug-in's name is an underscore in the file's.
const PLUG_IN: &str = "kubectl-kubelet_tls";

/// Whether kubectl runs the program as a plug-in, by the name that it was called with.
pub(crate) fn is_plug_in(arguments: &[OsString]) -> bool {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == PLUG_IN)
}

/// The command line's definition, with the name that people type.
pub(crate) fn command(arguments: &[OsString]) -> Command {
    let name = if is_plug_in(arguments) {
        "kubectl kubelet-tls"
    } else {
        NAME
    };
    Cli::command().bin_name(name)
}

/// Reads the command line, and how hints repeat it.
///
/// # Errors
/// clap's, without the advice to pass an unknown option as a value (`use '-- --yes'`): no FILE is called so.
pub fn parse(arguments: &[OsString]) -> Result<(Cli, Invocation), clap::Error> {
    let mut definition = command(arguments);
    let matches = definition.try_get_matches_from_mut(arguments);
    let parsed = matches.and_then(|mut matches| {
        let access = access(&matches);
        let parsed = Cli::from_arg_matches_mut(&mut matches);
        parsed
            .map(|cli| (cli, access))
            .map_err(|error| error.format(&mut definition))
    });
    let (parsed, access) = parsed.map_err(without_value_tip)?;
    let has_metrics = matches!(
        parsed.verb,
        Verb::Status(_) | Verb::Cluster(ClusterVerb::Status(_))
    );
    if parsed.global.output == Format::Prometheus && !has_metrics {
        let text = "only status and cluster status print metrics (-o prometheus)";
        return Err(definition.error(ErrorKind::InvalidValue, text));
    }
    let invocation = Invocation::CommandLine {
        program: definition.get_bin_name().unwrap_or(NAME).to_owned(),
        words: typed(arguments),
        access,
    };
    Ok((parsed, invocation))
}

/// The command line as it was typed: kubectl passes the path of the plug-in's file as the first word.
pub(super) fn typed(arguments: &[OsString]) -> Vec<OsString> {
    if !is_plug_in(arguments) {
        return arguments.to_vec();
    }
    let plug_in = ["kubectl", NAME].map(OsString::from);
    let rest = arguments.iter().skip(1).cloned();
    plug_in.into_iter().chain(rest).collect()
}

/// The `--kubeconfig` and `--context` that were given, and `approve`'s policy. Every verb for administrators has a
/// `--context`, and no other verb.
fn access(matches: &ArgMatches) -> AccessOptions {
    let verbs = std::iter::successors(Some(("", matches)), |(_, matches)| matches.subcommand());
    let Some((name, verb)) = verbs.last() else {
        return AccessOptions::default();
    };
    let kubeconfig = verb.try_get_one::<PathBuf>("kubeconfig").ok().flatten();
    let context = verb.try_get_one::<String>("context");
    let is_administrators = context.is_ok();
    let kubeconfig = kubeconfig.map(|path| ["--kubeconfig".into(), path.into()]);
    let context = context.ok().flatten();
    let context = context.map(|name| ["--context".into(), name.into()]);
    let options = kubeconfig.into_iter().chain(context).flatten().collect();
    match is_administrators {
        true if name == "approve" => AccessOptions::Approver {
            access: options,
            policy: typed_options(verb, POLICY),
            allow: typed_options(verb, &[("allow", "--allow")]),
        },
        true => AccessOptions::Administrator(options),
        false => AccessOptions::Node(options),
    }
}

/// The options of `approve` that decide what is approved, by their fields; not `--renewals`, which a request that is
/// named does not take.
const POLICY: &[(&str, &str)] = &[
    ("ip_prefixes", "--ip-prefix"),
    ("dns_suffixes", "--dns-suffix"),
    ("max_names", "--max-names"),
    ("max_duration", "--max-duration"),
    ("service_cidrs", "--service-cidr"),
    ("pod_cidrs", "--pod-cidr"),
];

/// Those of `options` that were typed, with their values as they were typed.
fn typed_options(verb: &ArgMatches, options: &[(&str, &str)]) -> Vec<OsString> {
    let mut typed = Vec::new();
    for (field, option) in options {
        if verb.value_source(field) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values = verb.get_raw(field).into_iter().flatten();
        typed.extend(values.flat_map(|value| [OsString::from(option), value.to_owned()]));
    }
    typed
}

fn without_value_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) else {
        return error;
    };
    let is_useful = |tip: &clap::builder::StyledStr| !tip.to_string().contains("-- ");
    let useful: Vec<_> = tips.into_iter().filter(is_useful).collect();
    if !useful.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(useful));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::hint::Hint;

    #[test]
    fn the_access_of_a_verb_is_what_its_hints_repeat() {
        let of = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            match parse(&words).unwrap().1 {
                Invocation::CommandLine { access, .. } => access,
                Invocation::AnsibleTask => panic!("{line}"),
            }
        };
        let words = |words: &[&str]| words.iter().map(OsString::from).collect();
        assert_eq!(
            of("kubelet-tls cluster apply --context=c --kubeconfig k"),
            AccessOptions::Administrator(words(&["--kubeconfig", "k", "--context", "c"]))
        );
        assert_eq!(
            of("kubelet-tls api-server diff --context c"),
            AccessOptions::Administrator(words(&["--context", "c"]))
        );
        assert_eq!(
            of("kubelet-tls status --kubeconfig=k"),
            AccessOptions::Node(words(&["--kubeconfig", "k"]))
        );
        assert_eq!(of("kubelet-tls diff"), AccessOptions::Node(Vec::new()));
    }

    /// A hint that vouches for a name judges by the same policy as the command before it.
    #[test]
    fn a_hint_of_approve_repeats_the_policy_that_was_given() {
        let after = |line: &str, hint: &'static str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            Hint::from(hint).after(&parse(&words).unwrap().1)
        };
        let line = "kubelet-tls approve csr-1 --kubeconfig k --dns-suffix=example.org --max-names 40 --allow 10.0.0.1 \
                    --ip-prefix 10.0.0.0/8 --ip-prefix 192.0.2.0/24 --deny";
        assert_eq!(
            after(line, "kubelet-tls approve csr-1 --allow 10.0.0.2"),
            "kubelet-tls approve csr-1 --allow 10.0.0.2 --ip-prefix 10.0.0.0/8 --ip-prefix 192.0.2.0/24 \
             --dns-suffix example.org --max-names 40 --allow 10.0.0.1 --kubeconfig k"
        );
        assert_eq!(
            after(line, "kubelet-tls approve --all --dry-run"),
            "kubelet-tls approve --all --dry-run --ip-prefix 10.0.0.0/8 --ip-prefix 192.0.2.0/24 \
             --dns-suffix example.org --max-names 40 --kubeconfig k"
        );
        assert_eq!(
            after(line, "kubectl get csr"),
            "kubectl --kubeconfig k get csr"
        );
        assert_eq!(
            after(
                "kubelet-tls approve --all --renewals",
                "kubelet-tls approve csr-1"
            ),
            "kubelet-tls approve csr-1"
        );
    }

    #[test]
    fn a_plug_in_is_run_again_through_kubectl() {
        let rerun = |program: &str| {
            let words = [program, "cluster", "diff"].map(OsString::from);
            Hint::Rerun.after(&parse(&words).unwrap().1)
        };
        assert_eq!(
            rerun("/bin/kubectl-kubelet_tls"),
            "kubectl kubelet-tls cluster diff"
        );
        assert_eq!(rerun("./kubelet-tls"), "./kubelet-tls cluster diff");
    }

    fn error(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&words).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_option_is_not_a_value() {
        let told = error(&["kubelet-tls", "apply", "--yes"]);
        assert!(told.contains("unexpected argument '--yes'"), "{told}");
        assert!(!told.contains("tip:"), "{told}");
        let near = error(&["kubelet-tls", "apply", "--dryrun"]);
        assert!(
            near.contains("--dry-run") && !near.contains("-- --"),
            "{near}"
        );
        assert!(error(&["kubelet-tls", "aply"]).contains("'apply'"));
    }

    #[test]
    fn only_the_verbs_about_a_state_print_metrics() {
        let told = error(&["kubelet-tls", "apply", "-o", "prometheus"]);
        assert!(told.contains("only status and cluster status"), "{told}");
        for words in [&["status"][..], &["cluster", "status"]] {
            let mut all = vec!["kubelet-tls", "-o", "prometheus"];
            all.extend(words);
            let words: Vec<OsString> = all.iter().map(OsString::from).collect();
            assert!(parse(&words).is_ok());
        }
    }

    #[test]
    fn usage_says_how_it_was_called() {
        assert!(
            error(&["/usr/bin/kubelet-tls", "apply", "--yes"]).contains("Usage: kubelet-tls apply")
        );
        let plug_in = error(&["/usr/bin/kubectl-kubelet_tls", "apply", "--yes"]);
        assert!(
            plug_in.contains("Usage: kubectl kubelet-tls apply"),
            "{plug_in}"
        );
    }
}
