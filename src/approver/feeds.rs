//! What feeds the loop: the watches, and the regular reading of what cannot be watched.

use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use crate::approval::Networks;
use crate::host::kube::{
    Admin, Followed, Listener, Malformed, NODES, SERVICES, node_facts, service_facts,
    serving_requests,
};

use super::{Message, StartError};

/// How often the API server's names and the networks are read again.
const REFRESH: Duration = Duration::from_secs(15);

/// Starts them; they end when no one receives what they send.
pub(super) fn start(
    admin: &Admin,
    networks: &Networks,
    sender: &SyncSender<Message>,
) -> Result<(), StartError> {
    let requests = sender.clone();
    admin.follow(serving_requests(), move |what| {
        heard(&requests, Ok(Message::Request(what)))
    })?;
    let nodes = sender.clone();
    admin.follow(NODES.to_owned(), move |what| {
        let usable = mapped(what, |node| match node_facts(&node) {
            Ok(facts) => Ok(Ok(facts)),
            // Its next change, or its end, tells that this one is repaired.
            Err(Malformed::PodCidr(malformed)) => Ok(Err(malformed)),
            Err(malformed) => Err(malformed),
        });
        heard(&nodes, usable.map(Message::Node))
    })?;
    let services = sender.clone();
    admin.follow(SERVICES.to_owned(), move |what| {
        let usable = mapped(what, |service| service_facts(&service));
        heard(&services, usable.map(Message::Service))
    })?;
    let admin = admin.again()?;
    let networks = networks.clone();
    let facts = sender.clone();
    std::thread::Builder::new().spawn(move || {
        loop {
            let end = Instant::now() + REFRESH;
            let read = admin.cluster_facts(&networks, &mut |_| {}, end);
            if facts.send(Message::Cluster(read)).is_err() {
                return;
            }
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
        }
    })?;
    Ok(())
}

/// Hands on what was told. An object that can be told from no other is not handed on: the list that has it is not a list.
fn heard(sender: &SyncSender<Message>, message: Result<Message, Malformed>) -> Listener {
    match message {
        Ok(message) => match sender.send(message) {
            Ok(()) => Listener::Present,
            Err(_) => Listener::Gone,
        },
        Err(malformed) => Listener::Misled(malformed.to_string()),
    }
}

fn mapped<A, B>(
    what: Followed<A>,
    map: impl Fn(A) -> Result<B, Malformed>,
) -> Result<Followed<B>, Malformed> {
    Ok(match what {
        Followed::Put(object) => Followed::Put(map(object)?),
        Followed::Restarted => Followed::Restarted,
        Followed::Gone { namespace, name } => Followed::Gone { namespace, name },
        Followed::Synced => Followed::Synced,
        Followed::Answered => Followed::Answered,
        Followed::Heard => Followed::Heard,
        Followed::Degraded(error) => Followed::Degraded(error),
    })
}
