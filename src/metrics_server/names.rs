//! The names that metrics-server is reached by.

use crate::text::names::{is_label, is_service_name};

/// The longest DNS name, in bytes (RFC 1035, 2.3.4).
const NAME_MAX: usize = 253;
/// The longest common name, in characters (RFC 5280, ub-common-name).
const COMMON_NAME_MAX: usize = 64;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not an RFC 1123 label.
    #[error("a namespace is at most 63 of a-z, 0-9 and -, and neither begins nor ends with -")]
    Namespace,
    /// Not an RFC 1035 label.
    #[error(
        "a Service's name is at most 63 of a-z, 0-9 and -, begins with a letter and does not end with -"
    )]
    Service,
    /// Not labels with dots between.
    #[error("a domain is labels of a-z, 0-9 and - with dots between, such as cluster.local")]
    Domain,
    /// Together the names make a DNS name that is too long.
    #[error("{0} is longer than {NAME_MAX} characters")]
    TooLong(String),
}

/// Where metrics-server runs and what its Service is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNames {
    /// The namespace of all of it.
    pub namespace: String,
    /// The Service that the APIService names; `metrics-server` in the official manifest.
    pub service: String,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
}

impl ServiceNames {
    /// The name that the API server verifies: `SERVICE.NAMESPACE.svc` (kube-aggregator,
    /// pkg/apiserver/handler_proxy.go).
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    /// The subject alternative names of the serving certificate.
    pub fn dns(&self) -> Vec<String> {
        vec![
            self.host(),
            format!("{}.{}", self.host(), self.cluster_domain),
        ]
    }

    /// The common name: the first of the names, or the Service alone where that is too long for one. No one verifies it.
    pub fn common_name(&self) -> String {
        let host = self.host();
        if host.len() <= COMMON_NAME_MAX {
            host
        } else {
            self.service.clone()
        }
    }

    /// Whether the common name had to be shortened.
    pub fn is_shortened(&self) -> bool {
        self.common_name() != self.host()
    }

    /// Checks the names taken together.
    ///
    /// # Errors
    /// [`NameError::TooLong`]
    pub fn check(&self) -> Result<(), NameError> {
        match self.dns().into_iter().find(|name| name.len() > NAME_MAX) {
            Some(name) => Err(NameError::TooLong(name)),
            None => Ok(()),
        }
    }
}

/// Reads a namespace, for clap.
///
/// # Errors
/// [`NameError::Namespace`]
pub fn namespace(text: &str) -> Result<String, NameError> {
    accept(text, is_label(text), NameError::Namespace)
}

/// Reads a Service's name, for clap.
///
/// # Errors
/// [`NameError::Service`]
pub fn service(text: &str) -> Result<String, NameError> {
    accept(text, is_service_name(text), NameError::Service)
}

/// Reads a cluster's domain, for clap.
///
/// # Errors
/// [`NameError::Domain`]
pub fn cluster_domain(text: &str) -> Result<String, NameError> {
    accept(text, text.split('.').all(is_label), NameError::Domain)
}

fn accept(text: &str, is_good: bool, error: NameError) -> Result<String, NameError> {
    if is_good {
        Ok(text.to_owned())
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let long = "a".repeat(64);
        for bad in ["", "a/b", "A", "-a", "a-", "a.b", "a b", "é", "a\n", &long] {
            assert!(namespace(bad).is_err(), "{bad:?}");
            assert!(service(bad).is_err(), "{bad:?}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "Cluster.local"] {
            assert!(cluster_domain(bad).is_err(), "{bad:?}");
        }
        assert!(namespace("1a").is_ok() && service("1a").is_err());
        assert!(cluster_domain("cluster.local").is_ok());
    }

    #[test]
    fn a_common_name_has_64_characters_at_most() {
        let mut names = ServiceNames {
            namespace: "n".repeat(43),
            service: "metrics-server1".into(),
            cluster_domain: "cluster.local".into(),
        };
        assert_eq!(names.common_name().len(), 63);
        names.namespace.push_str("nn");
        assert_eq!(names.common_name(), "metrics-server1");
        assert!(names.is_shortened());
        names.check().unwrap();
        names.cluster_domain = vec!["d".repeat(63); 3].join(".");
        assert!(names.check().is_err());
    }
}
