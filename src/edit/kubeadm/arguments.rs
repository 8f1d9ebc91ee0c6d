//! The flags that kubeadm gives the kubelet of one node: `nodeRegistration.kubeletExtraArgs`.

use crate::kubelet::config::{ALL_BETA, GATE};
use crate::kubelet::goyaml::{self, BooleanState};
use crate::kubelet::{Effect, Flags, Refusal, Warning};
use crate::yaml::{Position, Stream};

/// The flag that is the same field as `serverTLSBootstrap` and beats the file.
pub(super) const FLAG: &str = "rotate-server-certificates";

/// The arguments of one InitConfiguration or JoinConfiguration.
pub(super) struct Arguments {
    /// Name, value and the value's place, in their order.
    given: Vec<(String, String, Position)>,
    flags: Flags,
    /// Values that are booleans, not strings, with which kubeadm refuses the file.
    unquoted: Vec<Position>,
}

/// A boolean flag, and where its value is.
pub(super) struct BooleanFlag {
    pub(super) value: bool,
    pub(super) position: Position,
}

impl Arguments {
    /// Reads them: a mapping up to v1beta3, a list of names and values in v1beta4.
    pub(super) fn read(stream: &Stream<'_>, root: usize) -> Self {
        let path = ["nodeRegistration", "kubeletExtraArgs"];
        let arguments = path
            .iter()
            .try_fold(root, |mapping, key| goyaml::lookup(stream, mapping, key));
        let mut pairs: Vec<(String, usize)> = Vec::new();
        if let Some(arguments) = arguments.map(|arguments| stream.target(arguments)) {
            stream.for_each_entry(arguments, &mut |name, value| {
                pairs.push((stream.text(name).to_owned(), value));
            });
            for item in stream.items(arguments) {
                let field = |key: &str| goyaml::lookup(stream, item, key);
                if let (Some(name), Some(value)) = (field("name"), field("value")) {
                    pairs.push((stream.text(stream.target(name)).to_owned(), value));
                }
            }
        }
        let given: Vec<(String, String, Position)> = pairs
            .iter()
            .map(|(name, value)| {
                let text = stream.text(stream.target(*value)).to_owned();
                (name.replace('_', "-"), text, stream.position(*value))
            })
            .collect();
        let is_boolean = |value: &usize| {
            matches!(
                goyaml::boolean(stream, *value),
                BooleanState::True | BooleanState::False
            )
        };
        let unquoted = pairs.iter().map(|(_, value)| value);
        Self {
            flags: Flags::parse(
                given
                    .iter()
                    .map(|(name, value, _)| format!("--{name}={value}")),
            ),
            unquoted: unquoted
                .filter(|value| is_boolean(value))
                .map(|value| stream.position(*value))
                .collect(),
            given,
        }
    }

    /// `rotate-server-certificates`, the last one if it is given more than once.
    pub(super) fn bootstrap(&self) -> Option<BooleanFlag> {
        let value = self.flags.boolean(FLAG)?;
        let last = self.given.iter().rev().find(|(name, ..)| name == FLAG)?;
        Some(BooleanFlag {
            value,
            position: last.2,
        })
    }

    /// Refuses gates with which `serverTLSBootstrap: true` ends the kubelet. A flag adds to the gates of the file, so
    /// `AllBeta=false` does no harm where the file names the gate (`named_in_file`).
    pub(super) fn refuse_fatal_gate(&self, named_in_file: bool) -> Result<(), Refusal> {
        let gates = self.flags.feature_gates();
        let name = match (gates.get(GATE), gates.get(ALL_BETA)) {
            (Some(false), _) => GATE,
            (None, Some(false)) if !named_in_file => ALL_BETA,
            _ => return Ok(()),
        };
        let place = self.given.iter().rev().find(|(flag, value, _)| {
            let names = |gate: &str| gate.split('=').next().map(str::trim) == Some(name);
            flag == "feature-gates" && value.split(',').any(names)
        });
        Err(Refusal {
            position: place.map(|(.., position)| *position),
            cause: Effect::GateOffByFlag(name).into(),
        })
    }

    /// Warns of values with which kubeadm refuses the file: they must be strings.
    pub(super) fn warn_unquoted(&self, warnings: &mut Vec<Warning>) {
        let message = "kubeadm refuses a flag whose value is not a string: put it in quotes";
        warnings.extend(self.unquoted.iter().map(|at| Warning::at(*at, message)));
    }
}
