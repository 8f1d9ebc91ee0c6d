//! What is said of the decision about a request, and what to type next.

use super::Request;
use crate::text::hint::Command;

impl Request {
    /// What the API says about its state, in parentheses: who decided, and why; empty where it says nothing.
    pub fn said(&self) -> String {
        let message = self.message.as_ref();
        message.map_or_else(String::new, |message| format!(" ({message})"))
    }

    /// The command that shows the whole of it.
    pub fn show(&self) -> Command {
        Command::new("kubectl").args(["get", "csr", &self.name, "-o", "yaml"])
    }

    /// The command that approves it after every check; `kubectl certificate approve` checks nothing.
    pub fn approve(&self) -> Command {
        Command::new("kubelet-tls").args(["approve", &self.name])
    }
}
