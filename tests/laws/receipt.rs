//! The laws of the receipt: what was written is read, and undoes byte for byte or not at all.

use kubelet_tls::plan::{Edit, Target};
use kubelet_tls::receipt::{Receipt, Standing, State};

use crate::law::{Broken, is_one_line};

/// `bytes` as a receipt and a file beside it, and as what a file was and became; a NUL between.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    let mut halves = bytes.splitn(2, |byte| *byte == 0);
    let (one, other) = (
        halves.next().unwrap_or_default(),
        halves.next().unwrap_or_default(),
    );
    match Receipt::parse(one) {
        Ok(receipt) => {
            law!(Receipt::parse(&receipt.to_bytes()).as_ref() == Ok(&receipt));
            for change in &receipt.edits {
                // somebody may have written into it what never was
                if let Standing::After(edit) = change.standing(other) {
                    law!(edit.after == other);
                    law!(change.standing(&edit.before) == Standing::Before);
                }
            }
        }
        Err(error) => law!(is_one_line(&error), "{error:?}"),
    }

    let (Ok(_), Ok(_)) = (std::str::from_utf8(one), std::str::from_utf8(other)) else {
        return Ok(());
    };
    let edit = Edit {
        target: Target::File("/var/lib/kubelet/config.yaml".into()),
        before: one.to_vec(),
        after: other.to_vec(),
    };
    let started = Receipt::started(std::slice::from_ref(&edit), String::new());
    let read = Receipt::parse(&started.at(State::Done).to_bytes());
    law!(
        read.as_ref().map(|read| &read.edits) == Ok(&started.edits),
        "{read:?}"
    );
    law!(started.edits.len() == usize::from(one != other));
    for change in &started.edits {
        law!(change.standing(one) == Standing::Before);
        law!(change.standing(other) == Standing::After(edit.clone()));
        law!(
            change.standing(&[other, b"\n"].concat()) == Standing::Other
                || one == [other, b"\n"].concat()
        );
        law!(change.removed.len() <= one.len() && change.inserted.len() <= other.len());
    }
    Ok(())
}
