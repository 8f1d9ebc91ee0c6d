//! The names of Kubernetes' objects and of hosts: one rule for each kind. A name that keeps its rule is safe to print, in a
//! path of the API and as a word of a command line.

use std::borrow::Cow;
use std::net::IpAddr;

use super::beginning;

/// The longest label of a DNS name, and the longest DNS name, in bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// Whether `text` is a DNS subdomain of RFC 1123 in lower case: labels of `a-z`, `0-9` and `-` with dots between, at most
/// 253 bytes. That is what Kubernetes calls Nodes, and most other objects
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>).
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= NAME_MAX && text.split('.').all(is_label_of_any_length)
}

/// Whether `text` is a DNS label of RFC 1123 in lower case, at most 63 bytes: the name of a namespace or a Service.
pub fn is_label(text: &str) -> bool {
    text.len() <= LABEL_MAX && is_label_of_any_length(text)
}

/// Whether `text` is a Service's name: a DNS label that begins with a letter (RFC 1035), as every API server accepts it.
pub fn is_service_name(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether a Node may be called `text`: a DNS subdomain.
pub fn is_node_name(text: &str) -> bool {
    is_subdomain(text)
}

/// Whether a CertificateSigningRequest is acceptable under the name `text`: a DNS subdomain. The API server takes whatever
/// is one segment of a path, such as `--all` or `x;reboot`; kubelets' own are `csr-` and five letters or digits.
pub fn is_csr_name(text: &str) -> bool {
    is_subdomain(text)
}

/// Whether `text` is a host's name (RFC 1123, 2.1) in any case: labels of letters, digits and `-`, each at most 63 bytes,
/// together at most 253.
pub fn is_host_name(text: &str) -> bool {
    text.len() <= NAME_MAX && text.to_ascii_lowercase().split('.').all(is_label)
}

/// Whether resolvers may take `text` for an address although it has the form of a host's name: `10.0.0.7`, `127.1`,
/// `0x7f000001`, `2130706433`. Its last label is a number then.
pub fn is_address_in_disguise(text: &str) -> bool {
    let last = text
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_hexadecimal
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || text.parse::<IpAddr>().is_ok()
}

/// The name of an object for people: as it is where it is a DNS subdomain. Otherwise, and so never as its writer wrote it,
/// its beginning between quotation marks with everything but letters, digits, `.`, `-` and `_` escaped.
pub fn shown(name: &str) -> Cow<'_, str> {
    /// More of it says no more, in characters.
    const ENOUGH: usize = 40;
    if is_subdomain(name) {
        return Cow::Borrowed(name);
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    Cow::Owned(format!("\"{}\"", beginning(name, ENOUGH, is_plain)))
}

/// Apimachinery bounds a subdomain's length as a whole and not its labels'.
fn is_label_of_any_length(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().zip(text.bytes().next_back());
    ends.is_some_and(|(first, last)| is_plain(first) && is_plain(last))
        && text.bytes().all(|byte| is_plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_accepted() {
        let long = "a".repeat(254);
        for good in ["a", "1", "csr-x7f2k", "worker-1.example.com", "7"] {
            assert!(is_subdomain(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a.-b",
            "--all",
            "A",
            "a_b",
            "a b",
            "a/b",
            "a;b",
            "a\n",
            "ä",
            "$(a)",
            "a\u{202e}",
            &long,
        ] {
            assert!(!is_subdomain(bad), "{bad:?}");
            assert!(
                !is_node_name(bad) && !is_csr_name(bad) && !is_label(bad),
                "{bad:?}"
            );
        }
        assert!(is_label(&"a".repeat(63)) && !is_label(&"a".repeat(64)) && !is_label("a.b"));
        assert!(is_subdomain(&"a".repeat(253)));
        assert!(is_service_name("a1") && !is_service_name("1a") && !is_service_name("a.b"));
    }

    #[test]
    fn other_names_are_never_shown_as_they_are() {
        assert_eq!(shown("csr-x7f2k"), "csr-x7f2k");
        assert_eq!(shown("--all"), "\"--all\"");
        assert_eq!(shown("a;b\n"), "\"a\\u{3b}b\\u{a}\"");
        assert_eq!(shown(""), "\"\"");
        assert_eq!(shown(&"A".repeat(70_000)).len(), 45);
    }

    #[test]
    fn names_of_hosts_are_accepted() {
        for good in [
            "worker-1",
            "Worker-1.Example.COM",
            "1a.b2",
            "10.0.0.7.example",
            "7",
        ] {
            assert!(is_host_name(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "", ".", "a.", "a..b", "*", "*.a", "a_b", "a\0", "ä", "a:1", &long,
        ] {
            assert!(!is_host_name(bad), "{bad}");
        }
        for address in [
            "127.1",
            "10.0.0.7",
            "0x7f000001",
            "a.0x",
            "2130706433",
            "a.1",
            "::1",
        ] {
            assert!(is_address_in_disguise(address), "{address}");
        }
        for name in ["a", "10.0.0.7.example", "1a", "0y1"] {
            assert!(!is_address_in_disguise(name), "{name}");
        }
    }
}
