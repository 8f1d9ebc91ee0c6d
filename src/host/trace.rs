//! What is asked of other programs and servers, told as it happens: for `--verbose`.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use crate::text::brief;

/// Takes a line of the trace.
pub type TraceListener = fn(&str);

static LISTENER: OnceLock<TraceListener> = OnceLock::new();

/// Tells every later call to `listener`. Only the first listener counts.
pub fn listen(listener: TraceListener) {
    let _ = LISTENER.set(listener);
}

/// A call that is on its way; when it is dropped, its line with the time it took is told.
pub(super) struct Call {
    what: Option<String>,
    began: Instant,
}

impl Call {
    /// Begins a call, described as a person knows it: `GET /version`, `systemctl restart kubelet.service`.
    pub(super) fn begin(what: impl FnOnce() -> String) -> Self {
        Self {
            what: LISTENER.get().map(|_| what()),
            began: Instant::now(),
        }
    }

    /// Adds what came of it.
    pub(super) fn came(&mut self, what: impl fmt::Display) {
        if let Some(call) = &mut self.what {
            call.push_str(&format!(": {what}"));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let (Some(what), Some(listener)) = (&self.what, LISTENER.get()) {
            let seconds = self.began.elapsed().as_secs_f64();
            listener(&format!("{} ({seconds:.3} s)", brief(what)));
        }
    }
}
