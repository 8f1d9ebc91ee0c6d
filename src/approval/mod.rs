//! Whether a request for a kubelet serving certificate may be approved.
//!
//! The signer checks little (kubelet-facts, 4): it issues for any name, to anybody whose subject looks like a node's. And
//! a Node's addresses are what its kubelet says they are. So whoever holds the credential of one node can ask, and a
//! careless approver approves, for another node's address or the API server's. [`Judge`] holds a request against
//! everything in the cluster that the requestor does not write: the other Nodes, the Services, the API server.
//!
//! What it cannot see: an address outside the cluster that no Node and no Service has, once the node claims it.

mod asked;
mod cluster;
mod judge;
mod key;
mod local;
mod names;
mod newest;
mod pkcs10;
mod rule;

pub use asked::{Asked, Decision};
pub use cluster::{Cluster, NodeObject, ServiceObject};
pub use judge::Judge;
pub use local::{Check, Finding, Local};
pub use newest::Newest;
pub use pkcs10::San;
pub use rule::{Broken, Rule};

pub(crate) use rule::quoted;
