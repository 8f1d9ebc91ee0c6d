//! KubeletConfiguration: setting `serverTLSBootstrap` in it, and what else the program needs to know of it.

pub(crate) mod config;
mod edit;
mod flags;
pub(crate) mod goyaml;
pub(crate) mod secrets;
mod settings;
pub mod unit;
pub(crate) mod verdict;
pub(crate) mod warnings;

pub use edit::{Bootstrap, Change, Edited, FileKind, edit};
pub use flags::Flags;
pub use settings::{Origin, Settings};
pub use verdict::{Refusal, RefusalClass, Warning};

pub use crate::yaml::Position;
