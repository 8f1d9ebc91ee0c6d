//! The control-plane nodes of a cluster, and what each one's API server is started with, by its mirror Pod.

use super::InstanceAddress;
use super::instance::address;
use crate::edit::api_server::{FLAG, last_value};

/// A control-plane node of the cluster, as seen through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    /// The name of its Node object.
    pub name: String,
    /// The flags of its API server; `None` if the kubelet there reports no such static Pod.
    pub flags: Option<Vec<String>>,
}

/// How many control-plane nodes agree with this one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherControlPlanes {
    /// How many there are.
    pub count: usize,
    /// Those whose API server runs with another value of the flag.
    pub differ: Vec<String>,
    /// Those of which that is not known.
    pub unknown: Vec<String>,
}

impl ControlPlane {
    fn address(&self) -> Option<InstanceAddress> {
        self.flags.as_deref().map(address)
    }
}

impl OtherControlPlanes {
    /// All but the one whose API server has the `own` flags, compared with a CA that API servers verify kubelets with;
    /// `None` if they are to verify none.
    pub fn of(all: &[ControlPlane], own: &[String], kubelet_ca: Option<&str>) -> Self {
        let own = Some(address(own));
        let mut others = Self::default();
        for other in all.iter().filter(|other| other.address() != own) {
            others.count += 1;
            match &other.flags {
                None => others.unknown.push(other.name.clone()),
                Some(flags) => {
                    let value = last_value(flags, FLAG).filter(|value| !value.is_empty());
                    if value != kubelet_ca {
                        others.differ.push(other.name.clone());
                    }
                }
            }
        }
        others
    }

    /// Whether this node is the last one to be changed.
    pub fn agree(&self) -> bool {
        self.differ.is_empty() && self.unknown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(name: &str, flags: Option<&str>) -> ControlPlane {
        ControlPlane {
            name: name.to_owned(),
            flags: flags.map(|flags| flags.split(' ').map(str::to_owned).collect()),
        }
    }

    #[test]
    fn the_last_control_plane_is_the_one_whose_others_agree() {
        let own = "--advertise-address=10.0.0.1";
        let with = |address: &str, ca: &str| {
            format!("--advertise-address={address} --kubelet-certificate-authority={ca}")
        };
        let (two, three) = (with("10.0.0.2", "/ca.crt"), with("10.0.0.3", "/ca.crt"));
        let (empty, other) = (with("10.0.0.3", ""), with("10.0.0.3", "/other.crt"));
        let ca = Some("/ca.crt");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (second, third, wanted, differ, unknown) in [
            (Some(&two), Some(&three), ca, names(&[]), names(&[])),
            (Some(&two), Some(&empty), ca, names(&["c"]), names(&[])),
            (Some(&two), Some(&other), ca, names(&["c"]), names(&[])),
            (Some(&two), None, ca, names(&[]), names(&["c"])),
            (Some(&two), Some(&empty), None, names(&["b"]), names(&[])),
        ] {
            let all = [
                plane("a", Some(own)),
                plane("b", second.map(String::as_str)),
                plane("c", third.map(String::as_str)),
            ];
            let own: Vec<String> = own.split(' ').map(str::to_owned).collect();
            let others = OtherControlPlanes::of(&all, &own, wanted);
            assert_eq!(
                others,
                OtherControlPlanes {
                    count: 2,
                    differ,
                    unknown
                }
            );
        }
    }
}
