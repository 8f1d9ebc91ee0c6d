//! What else the program needs to know of a KubeletConfiguration, read as the kubelet reads it, drop-ins included.

use std::collections::BTreeMap;

use super::goyaml::{GoValue, resolve};
use super::verdict::{Refusal, Warning};
use crate::yaml::{Position, Stream};

/// The fields of a KubeletConfiguration (v1beta1) that matter here. `None` is a field that is not set, is null, or has a
/// value the kubelet would not take; the last is said in `warnings`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `address`: what the kubelet's server listens on, `0.0.0.0` by default.
    pub address: Option<String>,
    /// `port`: the kubelet's server, 10250 by default.
    pub port: Option<i64>,
    /// `healthzBindAddress`: `127.0.0.1` by default.
    pub healthz_bind_address: Option<String>,
    /// `healthzPort`: 10248 by default, 0 for none.
    pub healthz_port: Option<i64>,
    /// `serverTLSBootstrap`: false by default.
    pub server_tls_bootstrap: Option<bool>,
    /// `rotateCertificates`: about the client certificate only, false by default.
    pub rotate_certificates: Option<bool>,
    /// `tlsCertFile`: a static serving certificate.
    pub tls_cert_file: Option<String>,
    /// `tlsPrivateKeyFile`: its key.
    pub tls_private_key_file: Option<String>,
    /// `featureGates`, those with a boolean value.
    pub feature_gates: BTreeMap<String, bool>,
    /// Where each of these fields has its value from, by its name in the file.
    pub origins: BTreeMap<&'static str, Origin>,
    /// Values of the wrong type, with which the kubelet does not start.
    pub warnings: Vec<Warning>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// 0 for the file of `--config`, n for the nth drop-in.
    pub file: usize,
    /// The line of its key, from 1.
    pub line: usize,
}

/// A field: its name in a file, and in the kubelet's internal type.
const FIELDS: [(&str, &str); 9] = [
    ("address", "Address"),
    ("port", "Port"),
    ("healthzBindAddress", "HealthzBindAddress"),
    ("healthzPort", "HealthzPort"),
    ("serverTLSBootstrap", "ServerTLSBootstrap"),
    ("rotateCertificates", "RotateCertificates"),
    ("tlsCertFile", "TLSCertFile"),
    ("tlsPrivateKeyFile", "TLSPrivateKeyFile"),
    ("featureGates", "FeatureGates"),
];

/// The merged object, by key as it is spelled, in the order in which Go writes and reads it.
type Merged = BTreeMap<String, (GoValue, Origin)>;

impl Settings {
    /// Reads the first document of a file of `--config`, whatever its kind, alone.
    pub fn read(config: &[u8]) -> Result<Settings, Refusal> {
        Settings::read_with_drop_ins(config, &[]).map_err(|(_, refusal)| refusal)
    }

    /// Reads the file of `--config` and the drop-ins of `--config-dir` over it, in the order given, which should be the
    /// kubelet's: lexical, by path. A refusal comes with the number of the file, as in [`Origin`].
    ///
    /// The kubelet writes its internal type as JSON, so with names in Go's case, merges each drop-in into that as a patch
    /// (RFC 7386, keys compared exactly), and reads the result, keys sorted, without regard to case: of two spellings the
    /// later in that order wins (`mergeKubeletConfigurations` in cmd/kubelet/app/server.go, 1.28 and later).
    pub fn read_with_drop_ins(
        config: &[u8],
        drop_ins: &[&[u8]],
    ) -> Result<Settings, (usize, Refusal)> {
        let mut merged = Merged::new();
        for (key, value, origin) in fields(config, 0).map_err(|error| (0, error))? {
            let field = FIELDS.iter().find(|(name, _)| *name == key);
            if let Some((_, internal)) = field {
                merged.insert((*internal).to_owned(), (value, origin));
            }
        }
        for (file, drop_in) in (1..).zip(drop_ins) {
            for (key, value, origin) in fields(drop_in, file).map_err(|error| (file, error))? {
                patch(&mut merged, key, value, origin);
            }
        }
        let mut settings = Settings::default();
        for (key, (value, origin)) in merged {
            let field = FIELDS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&key));
            // The internal type's own spelling is always there, with the default where the file does not set it, so a
            // spelling that sorts before it never counts.
            if let Some((name, internal)) = field
                && key.as_str() >= *internal
            {
                settings.set(name, value, origin);
            }
        }
        Ok(settings)
    }

    fn set(&mut self, name: &'static str, value: GoValue, origin: Origin) {
        match (name, value) {
            // null leaves what was there
            (_, GoValue::Null) => return,
            ("address", GoValue::Text(text)) => self.address = Some(text),
            ("port", GoValue::Int(number)) => self.port = Some(number),
            ("healthzBindAddress", GoValue::Text(text)) => self.healthz_bind_address = Some(text),
            ("healthzPort", GoValue::Int(number)) => self.healthz_port = Some(number),
            ("serverTLSBootstrap", GoValue::Bool(truth)) => self.server_tls_bootstrap = Some(truth),
            ("rotateCertificates", GoValue::Bool(truth)) => self.rotate_certificates = Some(truth),
            ("tlsCertFile", GoValue::Text(text)) => self.tls_cert_file = Some(text),
            ("tlsPrivateKeyFile", GoValue::Text(text)) => self.tls_private_key_file = Some(text),
            ("featureGates", GoValue::Mapping(gates)) => {
                for (gate, value) in gates {
                    match value {
                        GoValue::Bool(truth) => drop(self.feature_gates.insert(gate, truth)),
                        GoValue::Null => {}
                        _ => self.warn(origin, &format!("featureGates.{gate}")),
                    }
                }
            }
            _ => return self.warn(origin, name),
        }
        self.origins.insert(name, origin);
    }

    fn warn(&mut self, origin: Origin, name: &str) {
        let position = Position {
            line: origin.line,
            column: 1,
        };
        let message = format!(
            "the value of {name} is of the wrong type, and the kubelet does not start with it"
        );
        self.warnings.push(Warning::at(position, message));
    }
}

/// A merge patch of one key (RFC 7386): null removes, a mapping is merged, anything else replaces.
fn patch(merged: &mut Merged, key: String, value: GoValue, origin: Origin) {
    match (value, merged.get_mut(&key)) {
        (GoValue::Null, _) => drop(merged.remove(&key)),
        (GoValue::Mapping(patch), Some((GoValue::Mapping(gates), from))) => {
            *from = origin;
            for (gate, value) in patch {
                match value {
                    GoValue::Null => drop(gates.remove(&gate)),
                    value => drop(gates.insert(gate, value)),
                }
            }
        }
        (value, _) => drop(merged.insert(key, (value, origin))),
    }
}

/// The top-level keys of the first document that are fields, in some case, in the order of the file.
fn fields(bytes: &[u8], file: usize) -> Result<Vec<(String, GoValue, Origin)>, Refusal> {
    let stream = Stream::parse(bytes)?;
    let mut fields = Vec::new();
    let root = stream.documents.first().map_or(0, |document| document.root);
    stream.for_each_entry(root, &mut |key, value| {
        let text = stream.text(key);
        if FIELDS
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(text))
        {
            let origin = Origin {
                file,
                line: stream.position(key).line,
            };
            fields.push((text.to_owned(), resolve(&stream, value), origin));
        }
    });
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, drop_ins: &[&str]) -> Settings {
        let drop_ins: Vec<&[u8]> = drop_ins.iter().map(|drop_in| drop_in.as_bytes()).collect();
        Settings::read_with_drop_ins(config.as_bytes(), &drop_ins).unwrap()
    }

    #[test]
    fn fields_are_read_as_the_kubelet_reads_them() {
        let settings = read(
            "healthzPort: 0x2808\nhealthzBindAddress: &a 127.0.0.1\naddress: *a\nport: 10_250\nserverTLSBootstrap: yes\n\
             tlsCertFile: ''\nrotatecertificates: true\nfeatureGates: {AllBeta: off, X: Yes, <<: {AllBeta: on}}\n\
             unknown: [1]\n---\nport: 1\n",
            &[],
        );
        assert_eq!(settings.healthz_port, Some(10248));
        assert_eq!(settings.healthz_bind_address.as_deref(), Some("127.0.0.1"));
        assert_eq!(settings.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(settings.port, Some(10250));
        assert_eq!(settings.server_tls_bootstrap, Some(true));
        assert_eq!(settings.tls_cert_file.as_deref(), Some(""));
        assert_eq!(
            settings.rotate_certificates, None,
            "keys are case-sensitive"
        );
        assert_eq!(
            settings.feature_gates,
            BTreeMap::from([("AllBeta".into(), true), ("X".into(), true)])
        );
        assert_eq!(
            settings.origins["serverTLSBootstrap"],
            Origin { file: 0, line: 5 }
        );
        assert_eq!(settings.warnings, []);
    }

    #[test]
    fn a_spelling_that_sorts_before_the_internal_one_never_counts() {
        let main = "serverTLSBootstrap: false\n";
        for (spelling, counts) in [
            ("serverTLSBootstrap", true),
            ("servertlsbootstrap", true),
            ("ServerTlsBootstrap", true),
            ("SERVERTLSBOOTSTRAP", false),
            ("ServerTLSBOOTSTRAP", false),
        ] {
            for main in [main, ""] {
                let settings = read(
                    &format!("kind: x\n{main}"),
                    &[&format!("{spelling}: true\n")],
                );
                assert_eq!(
                    settings.server_tls_bootstrap == Some(true),
                    counts,
                    "{spelling}"
                );
                let decides = settings
                    .origins
                    .get("serverTLSBootstrap")
                    .map_or(0, |origin| origin.file);
                assert_eq!(decides, usize::from(counts), "{spelling}");
            }
        }
    }

    #[test]
    fn values_of_the_wrong_type_are_ignored_and_reported() {
        let settings = read(
            "serverTLSBootstrap: 'true'\nport: ten\nhealthzPort: 1.5\naddress: 1\nfeatureGates: {A: 1}\n",
            &[],
        );
        assert_eq!(
            Settings {
                warnings: Vec::new(),
                origins: BTreeMap::new(),
                ..settings.clone()
            },
            Settings::default()
        );
        let lines: Vec<_> = settings
            .warnings
            .iter()
            .map(|warning| warning.position.map(|at| at.line))
            .collect();
        assert_eq!(lines.len(), 5);
        assert!(lines.contains(&Some(1)) && lines.contains(&Some(5)));
    }

    #[test]
    fn json_is_read_too() {
        let settings = read(
            r#"{"port": 1, "featureGates": {"AllBeta": false}, "serverTLSBootstrap": true}"#,
            &[],
        );
        assert_eq!(
            (settings.port, settings.server_tls_bootstrap),
            (Some(1), Some(true))
        );
        assert_eq!(
            settings.feature_gates,
            BTreeMap::from([("AllBeta".into(), false)])
        );
    }

    #[test]
    fn drop_ins_are_merged_over_the_file_without_regard_to_case() {
        let bootstrap =
            |config: &str, drop_ins: &[&str]| read(config, drop_ins).server_tls_bootstrap;
        let main = "serverTLSBootstrap: true";
        assert_eq!(bootstrap(main, &["serverTLSBootstrap: false"]), Some(false));
        assert_eq!(
            bootstrap("serverTLSBootstrap: false", &["servertlsbootstrap: true"]),
            Some(true)
        );
        assert_eq!(
            bootstrap(main, &["serverTLSBootstrap: false", "port: 1"]),
            Some(false)
        );
        assert_eq!(
            bootstrap(
                main,
                &["serverTLSBootstrap: false", "serverTLSBootstrap: null"]
            ),
            Some(true)
        );
        assert_eq!(bootstrap(main, &["ServerTLSBootstrap: false"]), Some(false));
        // sorted before ServerTLSBootstrap, so read before it
        assert_eq!(bootstrap(main, &["SERVERTLSBOOTSTRAP: false"]), Some(true));
        let settings = read(
            "featureGates: {A: true, B: true}",
            &["featureGates: {B: false}", "featureGates: {C: true}"],
        );
        let gates = [
            ("A".to_owned(), true),
            ("B".to_owned(), false),
            ("C".to_owned(), true),
        ];
        assert_eq!(settings.feature_gates, BTreeMap::from(gates));
        assert_eq!(
            read(main, &["a: b", "\nserverTLSBootstrap: false"]).origins["serverTLSBootstrap"],
            Origin { file: 2, line: 2 }
        );
        assert_eq!(
            Settings::read_with_drop_ins(b"", &[b"a: b", b"a: ["])
                .unwrap_err()
                .0,
            2
        );
    }
}
