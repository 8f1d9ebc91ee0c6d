//! The flags that a kubelet will get from the files of an image, where no systemd can be asked.
//!
//! kubeadm's packages start it as `kubelet … $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS` (10-kubeadm.conf), with the variables
//! from drop-ins of the unit, over these from `/var/lib/kubelet/kubeadm-flags.env`, and from `/etc/default/kubelet` or
//! `/etc/sysconfig/kubelet`.

use super::config::gate_off;
use super::unit::{EnvironmentFile, Word, next_command_line, sources};
use super::{Bootstrap, Flags};

/// Where kubeadm writes the kubelet's configuration; a running kubelet's `--config` is asked first.
pub(crate) const DEFAULT_CONFIG: &str = "/var/lib/kubelet/config.yaml";
/// What kubeadm writes, and what an administrator does, on Debian and on RPM distributions; which of the two a package reads
/// cannot be told from the files.
pub(crate) const KUBEADM_FLAGS: &str = "var/lib/kubelet/kubeadm-flags.env";
pub(crate) const EXTRA_FLAGS: [&str; 2] = ["etc/default/kubelet", "etc/sysconfig/kubelet"];

/// Where drop-ins of the kubelet's unit are; of two with the same name the one in the later directory counts.
pub(crate) const DROP_INS: [&str; 3] = [
    "lib/systemd/system/kubelet.service.d",
    "usr/lib/systemd/system/kubelet.service.d",
    "etc/systemd/system/kubelet.service.d",
];

/// kubeadm's command line, as `systemctl show` prints one.
const EXEC_START: &str = "{ path=/usr/bin/kubelet ; argv[]=/usr/bin/kubelet $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }";

/// What is to be said of an image whose kubelet reads `config`: flags that override the key, keep the kubelet from starting, or
/// have it read other files. `units` are what [`variables`] found, `kubeadm` is its kubeadm-flags.env, `extra` the other files
/// that exist.
pub(crate) fn warnings(
    units: &[EnvironmentFile],
    kubeadm: Option<EnvironmentFile>,
    extra: Vec<EnvironmentFile>,
    config: &str,
    wanted: Bootstrap,
) -> Vec<String> {
    let mut variants: Vec<_> = extra.into_iter().map(Some).collect();
    if variants.is_empty() {
        variants.push(None);
    }
    let mut warnings = Vec::new();
    for extra in variants {
        let all = units.iter().chain(&kubeadm).cloned();
        let files: Vec<_> = all.chain(extra).collect();
        let found = match next_command_line(EXEC_START, "", &files) {
            Ok(words) => of_words(&words, config, wanted),
            Err(why) => vec![format!("cannot tell the kubelet's flags: {why}")],
        };
        for warning in found {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings
}

/// The kubelet's variables that a drop-in of its unit assigns with `Environment=`, each as the environment file that would
/// assign it on the same line of `path`. A value with escapes or specifiers is left out: systemd expands it.
pub(crate) fn variables(path: &str, drop_in: &[u8]) -> Vec<EnvironmentFile> {
    let text = String::from_utf8_lossy(drop_in);
    let mut found = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let mut whole = line.trim().to_owned();
        while whole.ends_with('\\')
            && let Some((next, _)) = lines.next()
        {
            whole.pop();
            whole.push_str(next);
        }
        let Some(value) = whole.strip_prefix("Environment=") else {
            continue;
        };
        let own = words(value).into_iter().filter(|word| {
            let is_own =
                |name: &str| name == "KUBELET_EXTRA_ARGS" || name == "KUBELET_KUBEADM_ARGS";
            word.split_once('=').is_some_and(|(name, _)| is_own(name))
                && !word.contains(['\\', '%', '"', '\''])
        });
        found.extend(own.filter_map(|word| {
            let (name, value) = word.split_once('=')?;
            let before = "\n".repeat(number - 1);
            Some(EnvironmentFile {
                path: path.to_owned(),
                optional: true,
                content: Some(format!("{before}{name}=\"{value}\"\n").into_bytes()),
            })
        }));
    }
    found
}

/// The words of a value, without their quotes.
fn words(value: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in value.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (' ' | '\t', None) => words.push(String::new()),
            (letter, _) => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.push(letter)),
        }
    }
    words
}

fn of_words(words: &[Word], config: &str, wanted: Bootstrap) -> Vec<String> {
    let enable = wanted == Bootstrap::Enabled;
    let texts = words.iter().skip(1).map(|word| word.text.clone());
    let flags = Flags::parse(texts);
    let sources = sources(words);
    let given = |name: &str| {
        let value = flags.get(name).unwrap_or_default();
        let source = sources.get(name).map_or("", String::as_str);
        format!("--{name}={value} ({source})")
    };
    let mut warnings = Vec::new();
    const FLAG: &str = "rotate-server-certificates";
    if flags.boolean(FLAG) == Some(!enable) {
        let flag = given(FLAG);
        warnings.push(format!(
            "the flag {flag} overrides serverTLSBootstrap: remove it"
        ));
    }
    if gate_off(&flags.feature_gates()).is_some() && enable {
        let flag = given("feature-gates");
        warnings.push(format!(
            "with the flag {flag} the kubelet does not start if serverTLSBootstrap is true: set RotateKubeletServerCertificate=true there"
        ));
    }
    if flags.get("config").is_some_and(|path| path != config) {
        let flag = given("config");
        warnings.push(format!(
            "with the flag {flag} the kubelet reads another file"
        ));
    }
    if flags.get("config-dir").is_some_and(|path| !path.is_empty()) {
        let flag = given("config-dir");
        warnings.push(format!("with the flag {flag} the kubelet merges drop-ins over the file; they were not looked at"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_drop_in_are_found_on_their_lines() {
        let text = "[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--a=1 --b\" X=1\nEnvironment='KUBELET_KUBEADM_ARGS=--c' \\\n KUBELET_EXTRA_ARGS=--d\nEnvironment=KUBELET_EXTRA_ARGS=%n\nEnvironmentFile=-/x\n";
        let found: Vec<_> = variables("/d.conf", text.as_bytes())
            .into_iter()
            .map(|file| String::from_utf8(file.content.unwrap_or_default()).unwrap_or_default())
            .collect();
        assert_eq!(
            found,
            [
                "\nKUBELET_EXTRA_ARGS=\"--a=1 --b\"\n",
                "\n\nKUBELET_KUBEADM_ARGS=\"--c\"\n",
                "\n\nKUBELET_EXTRA_ARGS=\"--d\"\n",
            ]
        );
        for broken in ["Environment=", "Environment=\"", "Environment=A", "\\", ""] {
            assert!(variables("/d", broken.as_bytes()).is_empty(), "{broken}");
        }
    }

    #[test]
    fn each_file_that_a_package_may_read_is_a_command_line_of_its_own() {
        let file = |path: &str, args: &str| EnvironmentFile {
            path: path.to_owned(),
            optional: true,
            content: Some(format!("{args}\n").into_bytes()),
        };
        let off = "KUBELET_EXTRA_ARGS=--rotate_server_certificates=false";
        let unit = [file("/d.conf", off)];
        let of = |extra: Vec<EnvironmentFile>| {
            warnings(&unit, None, extra, DEFAULT_CONFIG, Bootstrap::Enabled)
        };
        let said = "the flag --rotate-server-certificates=false (KUBELET_EXTRA_ARGS in /d.conf:1) overrides serverTLSBootstrap: remove it";
        assert_eq!(of(Vec::new()), [said]);
        let (plain, other) = (
            file("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=--v=2"),
            file("/etc/sysconfig/kubelet", "OTHER=1"),
        );
        assert_eq!(of(vec![plain.clone()]), [""; 0]);
        assert_eq!(of(vec![plain, other]), [said]);
    }
}
