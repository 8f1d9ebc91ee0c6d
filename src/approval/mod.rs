//! Whether a request for a kubelet serving certificate may be approved.
//!
//! The signer checks little (kubelet-facts, 4): it issues for any name, to anyone whose subject looks like a node's. And
//! a Node's addresses are what its kubelet says they are. So a holder of one node's credential can ask, and a
//! careless approver approves, for another node's address or the API server's. [`ApprovalPolicy`] compares a request with
//! everything in the cluster that the requestor does not write: the other Nodes, the Services, the API server. All of
//! that is one value, [`Inventory`].
//!
//! What it cannot see without `--ip-prefix` or `--renewals`: an address outside the cluster that no Node and no Service
//! has, once the node claims it.

mod address;
mod claims;
mod facts;
mod index;
mod inventory;
mod local;
mod names;
mod policy;
mod renewal;
mod rule;
mod settings;

pub use address::{parse_ip, parse_network};
pub use facts::{Networks, NodeFacts, ServiceFacts};
pub use inventory::Inventory;
pub use local::{Check, Finding, Local};
pub use policy::{Approval, Verdict};
pub use renewal::{NotVerified, ServedAt, judge_renewal};
pub use rule::{Rule, Violation};
pub use settings::{ApprovalPolicy, Vouched};
