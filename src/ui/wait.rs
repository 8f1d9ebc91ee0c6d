//! What a person at a terminal sees while the program waits.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a wait is redrawn.
const TICK: Duration = Duration::from_millis(200);

/// The wait that is shown on standard error, if one is.
#[derive(Debug, Default)]
pub(super) struct WaitLine(RefCell<Option<ProgressBar>>);

impl WaitLine {
    /// Shows what is waited for, and since when. It disappears while another line is printed, and for good with
    /// [`Self::end`].
    pub(super) fn show(&self, what: String) {
        let mut wait = self.0.borrow_mut();
        if let Some(bar) = wait.as_ref() {
            if bar.message() != what {
                bar.reset_elapsed();
                bar.set_message(what);
            }
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} waiting for {msg}: {elapsed}") {
            bar.set_style(style.tick_chars("-\\|/ "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(TICK);
        *wait = Some(bar);
    }

    pub(super) fn end(&self) {
        if let Some(bar) = self.0.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    /// Writes while no wait is shown.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self.0.borrow().as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for WaitLine {
    fn drop(&mut self) {
        self.end();
    }
}
