//! Executes a plan: all edits or none, then the restart, then the proof that the kubelet came back, or everything is
//! put back.

mod edits;
mod gate;
mod news;

pub use edits::{EditFailure, Locks};
pub use gate::{
    Death, Gate, HEALTH_DEADLINE, Known, LOOK_AT_FLAGS, LOOK_AT_JOURNAL, LOOK_AT_STATUS, Vigil,
    Watched,
};
pub use news::{News, Notice};
