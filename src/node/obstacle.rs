//! What keeps a kubelet's `serverTLSBootstrap` from the effect that is wanted of it. The checks before an edit and the
//! conditions of `status` read the same list.

use super::Kubelet;

/// Something outside the key that overrides or defeats its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The flag `--rotate-server-certificates` says otherwise: it is the same field and beats every file. The text is the
    /// flag as it is given, and by whom.
    Flag(String),
    /// A feature gate is off, and a kubelet with the key does not start then.
    GateOff {
        /// The gate with its value, such as `AllBeta=false`.
        gate: &'static str,
        /// The flag `--feature-gates` as it is given and by whom, where it turns the gate off, and not a file.
        flag: Option<String>,
    },
    /// A serving certificate is set by its path.
    StaticCertificate {
        /// What sets it: a flag or a key, with its place.
        name: String,
        /// Where the certificate is.
        path: String,
    },
}

impl Kubelet {
    /// What keeps the value `wanted` from its effect, the most decisive first. `wanted` is `None` where no file sets the key.
    pub fn obstacles(&self, wanted: Option<bool>) -> Vec<Obstacle> {
        let flag = self.flags.boolean("rotate-server-certificates");
        let contradicts = wanted.is_some() && flag.is_some() && flag != wanted;
        let flag = contradicts.then(|| Obstacle::Flag(self.flag("rotate-server-certificates")));
        let gate = self.gate_off().map(|gate| {
            let name = gate.split('=').next().unwrap_or(gate);
            let by_flag = self.flags.feature_gates().contains_key(name);
            Obstacle::GateOff {
                gate,
                flag: by_flag.then(|| self.flag("feature-gates")),
            }
        });
        let certificate = self
            .static_certificate()
            .map(|(name, path)| Obstacle::StaticCertificate { name, path });
        flag.into_iter().chain(gate).chain(certificate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::{Flags, Settings};

    fn kubelet(flags: &[&str], body: &str) -> Kubelet {
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        Kubelet {
            flags: Flags::parse(flags.iter().map(|flag| (*flag).to_owned())),
            settings: Settings::read(format!("{head}{body}").as_bytes()).unwrap(),
            ..Kubelet::default()
        }
    }

    #[test]
    fn each_obstacle_is_found_by_what_it_is() {
        let found = |flags: &[&str], body: &str, wanted| kubelet(flags, body).obstacles(wanted);
        let off = ["--rotate-server-certificates=false"];
        assert_eq!(found(&[], "", Some(true)), []);
        assert_eq!(found(&off, "", None), []);
        assert_eq!(found(&off, "", Some(false)), []);
        assert!(matches!(
            found(&off, "", Some(true))[..],
            [Obstacle::Flag(_)]
        ));
        let gate = "featureGates: {AllBeta: false}\n";
        assert_eq!(
            found(&[], gate, Some(true)),
            [Obstacle::GateOff {
                gate: "AllBeta=false",
                flag: None
            }]
        );
        assert!(matches!(
            found(&["--feature-gates=AllBeta=false"], "", Some(true))[..],
            [Obstacle::GateOff { flag: Some(_), .. }]
        ));
        // A gate that is named is not turned off by the group that it is in, wherever it is named.
        let named = "featureGates: {AllBeta: false, RotateKubeletServerCertificate: true}\n";
        assert_eq!(found(&[], named, Some(true)), []);
        let by_flag = ["--feature-gates=RotateKubeletServerCertificate=true"];
        assert_eq!(found(&by_flag, gate, Some(true)), []);
        let all = found(&off, &format!("{gate}tlsCertFile: /a\n"), Some(true));
        assert!(matches!(
            &all[..],
            [Obstacle::Flag(_), Obstacle::GateOff { .. }, Obstacle::StaticCertificate { path, .. }] if path == "/a"
        ));
    }
}
