//! What a dry run says instead of acting.

use crate::commands::Ui;
use crate::host::systemd;
use crate::kubelet::Bootstrap;
use crate::plan::{Plan, Restart};

use super::decide::Decision;
use super::observe::ApplySite;

/// Says what a dry run would have done to the kubelet.
pub(super) fn tell(decision: &Decision, site: &ApplySite<'_>) {
    let enables = site.options.wanted == Bootstrap::Enabled;
    if decision.issues_first {
        site.ui.say(
            "(dry run) would first create a CSR with a key of its own, and install its certificate when it is issued",
        );
    } else if decision.plan.restart != Restart::No && enables {
        for name in site.pending() {
            site.ui.warn(format!(
                "the restart makes the pending CSR {name} useless, because the kubelet discards its key"
            ));
        }
    }
    tell_restart(&decision.plan, site.ui);
}

/// Says whether a dry run would have restarted the kubelet, and why.
pub(in crate::commands) fn tell_restart(plan: &Plan, ui: &Ui) {
    let unit = systemd::KUBELET;
    let what = match plan.restart {
        Restart::No => format!("would not restart {unit}"),
        Restart::Yes(reason) => format!("would restart {unit}: {reason}"),
    };
    ui.say(&format!("(dry run) nothing was changed; {what}"));
}
