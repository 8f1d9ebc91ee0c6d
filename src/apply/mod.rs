//! Executes a plan: all edits or none, then the restart, then the health check; or everything is rolled back.

mod come_back;
mod edits;
mod feed;
mod health;
mod instance;
mod node_receipts;
mod receipts;
mod watch;

pub use come_back::{CameBack, InstanceFailure, InstanceProgress, NotReady};
pub use edits::{EditFailure, Locks};
pub use feed::Progress;
pub use health::{
    HEALTH_DEADLINE, HealthCheck, HealthFailure, LOOK_AT_FLAGS, LOOK_AT_JOURNAL, LOOK_AT_STATUS,
};
pub use instance::{Awaited, InstanceCheck};
pub use node_receipts::{InterruptedRun, NodeReceipts, states};
pub use receipts::{NothingToUndo, ReceiptStore};
pub use watch::{HealthWatch, KnownRequest, WatchOutcome};
