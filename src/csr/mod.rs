//! CertificateSigningRequest: its state, whose it is, what it asks for. Reads the API's own JSON.

mod list;
mod newest;
mod next;
mod wire;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed as _, Deserializer};

use crate::text::names::is_node_name;
use crate::x509::Names;

pub use newest::{Newest, Standing};

pub use list::TooMany;
use list::{ListSeed, MOST_OF_ONE_NODE};
use newest::Age;
use wire::Wire;

/// The signer of kubelet serving certificates
/// (<https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers>).
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";

/// The user name that the API server gives to the kubelet of `node`.
pub fn requestor_of(node: &str) -> String {
    format!("system:node:{node}")
}

/// A CertificateSigningRequest with all that a node asks of its own and an approver of others'. Texts are as their
/// writers wrote them, unless they say otherwise; [`crate::text`] makes them safe to print.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `metadata.name`. A request that was read with [`Request::from_json`] has a name that is safe to print.
    pub name: String,
    /// `metadata.uid`, which tells a request from an earlier one of the same name.
    pub uid: String,
    /// `metadata.creationTimestamp`, to the second.
    pub created: Option<Timestamp>,
    /// `metadata.resourceVersion`: etcd's revision of its last change.
    pub resource_version: String,
    /// `spec.signerName`.
    pub signer: String,
    /// `spec.username`, which the API server fills in from the credential used.
    pub requestor: String,
    /// `spec.groups`, which the API server fills in as well.
    pub groups: Vec<String>,
    /// `spec.usages`.
    pub usages: Vec<String>,
    /// `spec.expirationSeconds`; without it the signer takes its own default, which the API does not tell.
    pub expiration_seconds: Option<i64>,
    /// `spec.request`: its PKCS#10 request in PEM.
    pub pem: Vec<u8>,
    /// How far it has come.
    pub state: State,
    /// Whether it has a certificate that no one approved, or a condition that is neither Approved nor Denied nor Failed.
    /// Its state is Pending then.
    pub odd: bool,
    /// What the API says about its state, safe to print.
    pub message: Option<String>,
    /// The names asked for in its PKCS#10 request, safe to print; empty where that cannot be read.
    pub names: Names,
    /// The subject of its PKCS#10 request, such as `O=system:nodes, CN=system:node:worker-1`, safe to print; empty where
    /// that cannot be read.
    pub subject: String,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// No one has decided.
    #[default]
    Pending,
    /// Approved and not yet issued.
    Approved,
    /// Its certificate is there.
    Issued,
    /// Denied; the kubelet makes another one in a few seconds.
    Denied,
    /// The signer refused it.
    Failed,
}

impl State {
    /// As the result document has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Approved => "Approved",
            Self::Issued => "Issued",
            Self::Denied => "Denied",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Request {
    /// Reads one object of the API's; none where it is not a kubelet-serving request, or has a name that no kubelet's
    /// request has.
    ///
    /// # Errors
    /// When it is not a CertificateSigningRequest.
    pub fn from_json<'de, D: Deserializer<'de>>(object: D) -> Result<Option<Self>, D::Error> {
        Wire::deserialize(object).map(Wire::into_kubelet_serving)
    }

    /// A pending request of `node` for nothing yet.
    #[cfg(test)]
    pub(crate) fn new(name: &str, node: &str) -> Self {
        Self {
            name: name.to_owned(),
            signer: KUBELET_SERVING.to_owned(),
            requestor: requestor_of(node),
            ..Self::default()
        }
    }

    /// The requestor's node; none where the requestor is not a node, or has a name that no Node can have.
    pub fn node(&self) -> Option<&str> {
        let node = self.requestor.strip_prefix("system:node:");
        node.filter(|node| is_node_name(node))
    }

    /// Whether it was made after `other`, as far as [`Newest`] can tell. Of two of which it cannot, one that is still
    /// Pending counts as the newer: a decision changes a request's revision and not its age.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        match Age::of(self).compare(Age::of(other)) {
            Some(order) => order.is_gt(),
            None => {
                let order = |request: &Self| {
                    let revision = request.resource_version.parse::<u64>().ok();
                    (request.state == State::Pending, revision)
                };
                order(self) > order(other)
            }
        }
    }
}

/// Reads a CertificateSigningRequest of any signer and name.
impl<'de> serde::Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        Wire::deserialize(object).map(Self::from)
    }
}

/// A request with what it holds, as `get` answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedRequest {
    /// What is said of it everywhere else.
    pub request: Request,
    /// `status.certificate`: what was issued, in PEM; empty before that.
    pub certificate: Vec<u8>,
}

impl FetchedRequest {
    /// Reads one object of the API's; none where it is not a kubelet-serving request.
    ///
    /// # Errors
    /// When it is not a CertificateSigningRequest.
    pub fn read(object: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        serde_json::from_slice(object).map(Wire::into_fetched)
    }
}

/// What one list of the API says about one node's requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Where a watch continues from.
    pub resource_version: String,
    /// The names of this node's requests, decided ones too.
    pub known: BTreeSet<String>,
    /// The newest of them, in whatever state.
    pub newest: Option<Request>,
    /// The names of those that are Pending. All but the newest belong to lost keys.
    pub pending: BTreeSet<String>,
    /// Requests of other nodes that are Pending, and that were approved: whether anybody approves.
    pub others: (usize, usize),
    /// How far the server's clock is ahead of this machine's, in seconds: `created` is the server's time.
    pub clock_ahead: i64,
}

impl Listing {
    /// Reads a page of a CertificateSigningRequestList as it arrives, keeping nothing of other requestors' requests.
    /// `after_item` is called behind each item. The token of the next page comes with it, empty at the end.
    ///
    /// # Errors
    /// When it is not such a list.
    pub fn read(
        reader: impl std::io::Read,
        node: &str,
        after_item: &dyn Fn(),
    ) -> Result<(Self, String), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_reader(reader);
        let page = ListSeed {
            requestor: &requestor_of(node),
            after_item,
        }
        .deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(page)
    }

    /// Adds the next page of the same list.
    ///
    /// # Errors
    /// When the node has more requests than a kubelet makes.
    pub fn append(&mut self, page: Self) -> Result<(), TooMany> {
        // Each page shows the same state, which the first one names.
        if self.resource_version.is_empty() {
            self.resource_version = page.resource_version;
            self.clock_ahead = page.clock_ahead;
        }
        self.known.extend(page.known);
        self.pending.extend(page.pending);
        self.others.0 += page.others.0;
        self.others.1 += page.others.1;
        if let Some(request) = page.newest {
            self.see(request);
        }
        match self.known.len() > MOST_OF_ONE_NODE {
            true => Err(TooMany),
            false => Ok(()),
        }
    }

    /// The Pending requests that must not be approved: older than the newest, or all where that one is decided.
    pub fn stale(&self) -> Vec<&str> {
        let newest = self
            .newest
            .as_ref()
            .filter(|newest| newest.state == State::Pending);
        self.pending_besides(newest.map(|newest| newest.name.as_str()))
    }

    /// The Pending requests other than `name`.
    pub fn pending_besides(&self, name: Option<&str>) -> Vec<&str> {
        self.pending
            .iter()
            .map(String::as_str)
            .filter(|pending| Some(*pending) != name)
            .collect()
    }

    fn add(&mut self, request: Request) {
        self.known.insert(request.name.clone());
        if request.state == State::Pending {
            self.pending.insert(request.name.clone());
        }
        self.see(request);
    }

    /// Keeps the request where it is the newest so far.
    fn see(&mut self, request: Request) {
        if self
            .newest
            .as_ref()
            .is_none_or(|newest| request.is_newer_than(newest))
        {
            self.newest = Some(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, node: &str) -> Result<Listing, serde_json::Error> {
        Listing::read(json.as_bytes(), node, &|| {}).map(|(page, _)| page)
    }

    #[test]
    fn captured_lists_are_read_in_each_state() {
        let list = |text| read(text, "node36").unwrap();
        let empty = list(include_str!(
            "../../testdata/captured/1.36/csr-list-empty.json"
        ));
        assert_eq!(
            (empty.newest, empty.resource_version.as_str()),
            (None, "527")
        );

        let pending = list(include_str!(
            "../../testdata/captured/1.36/csr-list-pending.json"
        ));
        assert_eq!(pending.pending.len(), 1);
        let newest = pending.newest.unwrap();
        assert_eq!(
            (newest.name.as_str(), newest.state),
            ("csr-mlf85", State::Pending)
        );
        assert_eq!(newest.requestor, "system:node:node36");
        assert_eq!(
            newest.created,
            Some("2026-11-23T07:16:49Z".parse().unwrap())
        );
        assert_eq!(newest.names.describe(), "DNS node36, IP 10.77.0.21");
        assert_eq!(newest.message, None);

        let issued = list(include_str!(
            "../../testdata/captured/1.36/csr-list-issued.json"
        ))
        .newest
        .unwrap();
        assert_eq!(issued.state, State::Issued);
        assert_eq!(
            issued.message.as_deref(),
            Some("This CSR was approved by kubectl certificate approve.")
        );
    }

    #[test]
    fn of_a_denied_an_issued_and_a_new_request_the_new_one_is_the_newest() {
        let text = include_str!("../../testdata/captured/1.36/csr-list-denied-and-retried.json");
        let listing = read(text, "node36").unwrap();
        assert_eq!(listing.newest.unwrap().name, "csr-b7vfl");
        assert_eq!(listing.known.len(), 3);
        assert_eq!(listing.pending.len(), 1);
        let others = read(text, "node37").unwrap();
        assert_eq!(
            (others.newest, others.others),
            (None, (1, 1)),
            "one waits, one was approved, one was denied"
        );
        assert_eq!(read(text, "node3").unwrap().known.len(), 0);
    }

    #[test]
    fn a_decision_does_not_make_a_request_newer_than_one_of_the_same_second() {
        let item = |name: &str, revision: &str, conditions: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","creationTimestamp":"2026-11-23T07:16:56Z","resourceVersion":"{revision}"}},
                "spec":{{"signerName":"{KUBELET_SERVING}","username":"system:node:n"}},"status":{{"conditions":[{conditions}]}}}}"#
            )
        };
        let denied = item("first", "12", r#"{"type":"Denied"}"#);
        let pending = item("second", "11", "");
        let older = item("older", "9", "");
        for items in [
            format!("{denied},{pending},{older}"),
            format!("{older},{pending},{denied}"),
        ] {
            let listing = read(&format!(r#"{{"items":[{items}]}}"#), "n").unwrap();
            assert_eq!(listing.newest.unwrap().name, "second");
        }
    }

    #[test]
    fn a_request_that_the_signer_of_1_19_failed_is_failed() {
        let text = include_str!("../../testdata/captured/1.19/csrs-after-blind-approval.json");
        let all: serde_json::Value = serde_json::from_str(text).unwrap();
        let states: Vec<State> = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|item| Request::from_json(item.clone()).unwrap())
            .map(|request| request.state)
            .collect();
        assert!(
            states.contains(&State::Failed) && states.contains(&State::Issued),
            "{states:?}"
        );
    }

    #[test]
    fn an_incomplete_list_is_an_error() {
        for text in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"items":{}}"#,
            r#"{"items":[{}]}"#,
            r#"{"items":[]"#,
            r#"{"items":[]} x"#,
        ] {
            assert!(read(text, "n").is_err(), "{text}");
        }
        assert!(read(r#"{"items":null,"metadata":{}}"#, "n").is_ok());
    }

    #[test]
    fn the_pages_of_a_list_become_one_listing() {
        let item = |name: &str, node: &str, created: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","creationTimestamp":"{created}"}},"spec":{{"signerName":"kubernetes.io/kubelet-serving","username":"system:node:{node}","request":"","usages":[]}},"status":{{}}}}"#
            )
        };
        let (early, late) = ("2026-11-23T07:16:49Z", "2026-11-23T08:16:49Z");
        let pages = [
            (
                "token",
                [item("csr-b", "n", late), item("csr-x", "m", late)],
            ),
            ("", [item("csr-a", "n", early), item("csr-y", "m", early)]),
        ];
        let mut all = Listing::default();
        for (token, items) in pages {
            let text = format!(
                r#"{{"metadata":{{"resourceVersion":"7","continue":"{token}"}},"items":[{}]}}"#,
                items.join(",")
            );
            let (page, next) = Listing::read(text.as_bytes(), "n", &|| {}).unwrap();
            assert_eq!(next, token);
            all.append(page).unwrap();
        }
        assert_eq!(all.resource_version, "7");
        assert_eq!(all.newest.as_ref().unwrap().name, "csr-b");
        assert_eq!(all.stale(), ["csr-a"]);
        assert_eq!((all.known.len(), all.others), (2, (2, 0)));
    }

    #[test]
    fn a_bookmark_is_not_taken_for_a_request() {
        let bookmark = r#"{"kind":"CertificateSigningRequest","metadata":{"resourceVersion":"560"},"spec":{"request":null,"signerName":""},"status":{}}"#;
        assert!(!matches!(
            Request::from_json(serde_json::from_str::<serde_json::Value>(bookmark).unwrap()),
            Ok(Some(_))
        ));
    }
}
