//! The two streams that the program writes to.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};

use super::wait::WaitLine;
use crate::report::{Code, Problem};

/// Standard output and standard error. Neither that is closed (a lost session, `| head`) stops a verb.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Whether standard output is a terminal, or was one before its session ended.
    terminal: bool,
    /// Whether nothing is printed on standard error.
    pub(super) silent: bool,
    /// The error of the last write to standard output that failed.
    lost: RefCell<Option<io::Error>>,
    pub(super) wait: WaitLine,
}

impl Streams {
    pub(super) fn open() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            ..Self::default()
        }
    }

    pub(super) fn silent() -> Self {
        Self {
            silent: true,
            ..Self::default()
        }
    }

    /// Why the answer could not be written, if it could not. A reader that went away is not an error: a closed pipe, or a
    /// terminal whose session ended, which fails with EIO.
    pub(super) fn lost(&self) -> Option<Problem> {
        let error = self.lost.borrow_mut().take()?;
        let hung_up = self.terminal && error.raw_os_error() == Some(nix::errno::Errno::EIO as i32);
        let gone = hung_up || error.kind() == io::ErrorKind::BrokenPipe;
        (!gone).then(|| {
            Problem::new(
                Code::Io,
                format!("cannot write standard output: {}", error.kind()),
            )
        })
    }

    pub(super) fn stdout(&self, text: &str) {
        let written = self.wait.aside(|| {
            let mut stdout = anstream::stdout();
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            *self.lost.borrow_mut() = Some(error);
        }
    }

    pub(super) fn stderr(&self, text: &str) {
        if !self.silent {
            let _ = self.wait.aside(|| writeln!(anstream::stderr(), "{text}"));
        }
    }

    /// Prints bytes on standard output, not through anstream: they are not text with colors.
    ///
    /// # Errors
    /// When standard output does not take them.
    pub(super) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        self.wait.aside(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        })
    }
}
