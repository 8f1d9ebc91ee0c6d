//! The laws of the kubelet's flags and of the command line that systemd makes.

use kubelet_tls::parts::kubelet::Flags;
use kubelet_tls::parts::kubelet::{EnvironmentFile, WordSource, next_command_line};

use crate::law::{Broken, is_one_line};

/// Those whose values decide something.
const NAMES: [&str; 10] = [
    "config",
    "config-dir",
    "rotate-server-certificates",
    "feature-gates",
    "tls-cert-file",
    "tls-private-key-file",
    "cert-dir",
    "kubeconfig",
    "node-ip",
    "hostname-override",
];

/// `bytes` are three texts with a NUL between: the arguments of ExecStart, Environment, and an environment file.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    let mut texts = bytes.splitn(3, |byte| *byte == 0);
    let mut next = || texts.next().unwrap_or_default();
    let (argv, environment, content) = (next(), next(), next());
    let argv = String::from_utf8_lossy(argv).replace('\n', " ");
    let environment = String::from_utf8_lossy(environment).into_owned();
    check_flags(argv.split(' ').map(str::to_owned).collect())?;

    let exec_start = format!(
        "{{ path=/usr/bin/kubelet ; argv[]=/usr/bin/kubelet {argv} ; ignore_errors=no ; start_time=[n/a] ; \
         stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }}"
    );
    let file = EnvironmentFile {
        path: "/etc/default/kubelet".to_owned(),
        optional: true,
        content: Some(content.to_vec()),
    };
    // the printed form itself may be anything too
    let _ = next_command_line(&argv, &environment, std::slice::from_ref(&file));
    let words = match next_command_line(&exec_start, &environment, std::slice::from_ref(&file)) {
        Ok(words) => words,
        Err(why) => {
            law!(is_one_line(&why.to_string()), "{why:?}");
            return Ok(());
        }
    };
    let lines = content.split(|byte| *byte == b'\n').count();
    for word in &words {
        if let WordSource::File { line, path, .. } = &word.source {
            law!((1..=lines).contains(line), "{word:?}");
            law!(*path == file.path);
        }
    }

    // a file that does not exist, or says nothing of the variables that are used, changes nothing
    let missing = EnvironmentFile {
        path: "/etc/sysconfig/kubelet".to_owned(),
        optional: true,
        content: None,
    };
    let beside = EnvironmentFile {
        content: Some(b"# KUBELET_EXTRA_ARGS=--config=/x\nNOT_THE_KUBELETS=--config=/x\n".to_vec()),
        ..missing.clone()
    };
    if !argv.contains("NOT_THE_KUBELETS") {
        let more = next_command_line(&exec_start, &environment, &[file, missing, beside]);
        law!(more.as_ref() == Ok(&words), "{more:?} {words:?}");
    }
    check_flags(words.into_iter().skip(1).map(|word| word.text).collect())
}

fn check_flags(words: Vec<String>) -> Result<(), Broken> {
    let flags = Flags::parse(words.clone());
    law!(!flags.differs(&flags));
    for name in NAMES {
        // what is read is what is meant when it is written with =
        if let Some(value) = flags.get(name) {
            let again = Flags::parse([format!("--{name}={value}")]);
            law!(again.get(name) == Some(value), "{name}: {again:?}");
            let other = Flags::parse([format!("--{}={value}", name.replace('-', "_"))]);
            law!(again == other, "{other:?}");
        }
        // the last one counts
        let last = format!("--{name}=/last");
        let longer = Flags::parse(words.iter().cloned().chain([last]));
        let value = longer.get(name).unwrap_or_default();
        law!(
            value == "/last" || name == "feature-gates" && value.ends_with(",/last"),
            "{name}: {longer:?}"
        );
    }
    // gates add up, and turn off what was on
    let off = "--feature-gates=RotateKubeletServerCertificate=false".to_owned();
    let before = flags.feature_gates();
    let mut after = Flags::parse(words.into_iter().chain([off])).feature_gates();
    law!(after.remove("RotateKubeletServerCertificate") == Some(false));
    let mut before_but_it = before;
    before_but_it.remove("RotateKubeletServerCertificate");
    law!(after == before_but_it, "{after:?} {before_but_it:?}");
    Ok(())
}
