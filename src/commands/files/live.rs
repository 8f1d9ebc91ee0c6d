//! A FILE that is the one this machine's kubelet reads: then the verb without FILE is probably meant.

use std::path::Path;

use crate::commands::Ui;
use crate::host::{files, process};
use crate::kubelet::image::DEFAULT_CONFIG;
use crate::kubelet::{Bootstrap, Flags};

/// Warns of each path that is the configuration of a kubelet on this machine.
pub(super) fn warn<'a>(paths: impl Iterator<Item = &'a Path>, wanted: Bootstrap, ui: &Ui) {
    let running = process::named("kubelet");
    let read: Vec<_> = running.iter().filter_map(|words| config(words)).collect();
    let disable = match wanted {
        Bootstrap::Enabled => "",
        Bootstrap::Disabled => " --disable",
    };
    for path in paths {
        let is_read = |config: &str| files::is_same(path, Path::new(config));
        if is_read(DEFAULT_CONFIG) || read.iter().any(|config| is_read(config)) {
            ui.warn(format!(
                "{} is the file that this machine's kubelet reads, and only the file is edited: the kubelet is not \
                 restarted, and rollback will not know of it; for the whole change: kubelet-tls apply{disable}",
                path.display()
            ));
        }
    }
}

/// The file that a kubelet with this command line reads.
fn config(words: &[String]) -> Option<String> {
    let flags = Flags::parse(words.iter().skip(1).cloned());
    flags.get("config").map(str::to_owned)
}
