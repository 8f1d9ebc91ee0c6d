//! The laws of the receipt: what was written is read, and undoes byte for byte or not at all.

use kubelet_tls::parts::plan::{Edit, Target};
use kubelet_tls::parts::receipt::{FileState, NodeReceipt, NodeSubject, ReceiptState};

use crate::law::{Broken, is_one_line};

/// `bytes` as a receipt and a file beside it, and as what a file was and became; a NUL between.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    let mut halves = bytes.splitn(2, |byte| *byte == 0);
    let (one, other) = (
        halves.next().unwrap_or_default(),
        halves.next().unwrap_or_default(),
    );
    match NodeReceipt::parse(one) {
        Ok(receipt) => {
            law!(NodeReceipt::parse(&receipt.to_bytes()).as_ref() == Ok(&receipt));
            for change in &receipt.edits {
                // another user may have written into it what never happened
                if let FileState::After(edit) = change.compare(Some(other)) {
                    law!(edit.bytes_after() == other);
                    law!(change.compare(edit.before.as_deref()) == FileState::Before);
                }
            }
        }
        Err(error) => law!(is_one_line(&error.to_string()), "{error:?}"),
    }

    let (Ok(_), Ok(_)) = (std::str::from_utf8(one), std::str::from_utf8(other)) else {
        return Ok(());
    };
    let edit = Edit::new(
        Target::File("/var/lib/kubelet/config.yaml".into()),
        one.to_vec(),
        other.to_vec(),
    );
    let started = NodeReceipt::started([&edit], NodeSubject::default(), String::new());
    let read = NodeReceipt::parse(&started.at(ReceiptState::Done).to_bytes());
    law!(
        read.as_ref().map(|read| &read.edits) == Ok(&started.edits),
        "{read:?}"
    );
    law!(started.edits.len() == usize::from(one != other));
    for change in &started.edits {
        law!(change.compare(Some(one)) == FileState::Before);
        law!(change.compare(Some(other)) == FileState::After(edit.clone()));
        law!(
            change.compare(Some(&[other, b"\n"].concat())) == FileState::Edited
                || one == [other, b"\n"].concat()
        );
        law!(change.removed.len() <= one.len() && change.inserted.len() <= other.len());
    }
    Ok(())
}
