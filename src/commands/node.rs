//! This node's kubelet: the files that it reads, and the edit of the one that decides.

mod locate;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::host::files::{self as host_files, Root};
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::image::KUBEADM_FLAGS;
use crate::kubelet::{Bootstrap, Refusal, Settings};
use crate::node::{ConfigFile, Kubelet};
use crate::plan::{Edit, Target};
use crate::report::{Code, Problem};
use crate::yaml::MAX_BYTES;

use super::{Ui, files, preflight, unmanaged};

pub(crate) use locate::{Need, When, kubeconfig, locate};

/// Where the kubelet's configuration is, and what runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Located {
    /// Where its files begin.
    pub(crate) root: Root,
    /// The kubelet without its files, which are not read yet.
    pub(crate) kubelet: Kubelet,
    /// The file of `--config`.
    pub(crate) path: PathBuf,
    /// What a person should know about how they were found.
    pub(crate) warnings: Vec<String>,
    /// Why systemd does not say whether there is a unit.
    unasked: Option<Rc<SystemdError>>,
}

/// Where the files of the node begin.
///
/// # Errors
/// When the directory of `--root` cannot be entered.
pub(crate) fn root(named: Option<&Path>) -> Result<Root, Problem> {
    Root::open(named).map_err(|error| files::image::no_root(&error.path, &error))
}

impl Located {
    /// The files that the kubelet merges: that of `--config`, then the drop-ins of `--config-dir`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>, Problem> {
        let mut paths = vec![self.path.clone()];
        let directory = self.kubelet.flags.get("config-dir");
        if let Some(directory) = directory.filter(|directory| !directory.is_empty()) {
            let directory = Path::new("/").join(directory);
            paths.extend(host_files::drop_ins(&directory)?);
        }
        Ok(paths)
    }

    /// The kubelet's configuration cannot be read or locked.
    pub(crate) fn unreadable(&self, error: &host_files::FileError) -> Problem {
        let problem = Problem::from(error);
        match (error.cause.is_missing(), &self.kubelet.unit) {
            (true, None) => unmanaged::no_kubeadm_node(problem, self.unasked.as_deref()),
            (true, Some(_)) => not_joined(problem),
            (false, _) => problem,
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// When one cannot be read, or is not a kubelet's configuration.
    pub(crate) fn read(self, ui: &Ui) -> Result<Kubelet, Problem> {
        match self.read_leniently(ui)? {
            (kubelet, None) => Ok(kubelet),
            (_, Some((target, refusal))) => {
                Err(files::refused(&target, &refusal, files::Whose::Node))
            }
        }
    }

    /// Reads them as [`Self::read`] does, and returns the refusal of files that are not a configuration beside the kubelet,
    /// whose settings are the defaults then.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn read_leniently(
        self,
        ui: &Ui,
    ) -> Result<(Kubelet, Option<(Target, Refusal)>), Problem> {
        self.warnings
            .iter()
            .for_each(|warning| ui.warn(warning.as_str()));
        let mut read = Vec::new();
        for path in self.paths()? {
            let root = &self.root;
            let file = root
                .read(&path, MAX_BYTES as u64)
                .and_then(|bytes| Ok((bytes, root.modified(&path)?)))
                .map_err(|error| match root.is_image() {
                    true => error.into(),
                    false => self.unreadable(&error),
                })?;
            read.push(ConfigFile {
                path,
                bytes: file.0,
                modified: Some(file.1),
            });
        }
        let bytes: Vec<&[u8]> = read.iter().map(|file| file.bytes.as_slice()).collect();
        let main = bytes.first().copied().unwrap_or_default();
        let drop_ins = bytes.get(1..).unwrap_or_default();
        let (settings, refusal) = match Settings::read_with_drop_ins(main, drop_ins) {
            Ok(settings) => (settings, None),
            Err((number, refusal)) => {
                let path = read.get(number).map_or(&self.path, |file| &file.path);
                let refused = (Target::File(path.clone()), refusal);
                (Settings::default(), Some(refused))
            }
        };
        let kubelet = Kubelet {
            is_kubeadm: is_kubeadm(&self.root, &self.path),
            files: read,
            settings,
            ..self.kubelet
        };
        Ok((kubelet, refusal))
    }
}

/// Whether kubeadm set this node up: `kubeadm init` and `kubeadm join` write kubeadm-flags.env beside the configuration.
/// True also where that file cannot be looked for.
fn is_kubeadm(root: &Root, config: &Path) -> bool {
    let flags = Path::new("/").join(KUBEADM_FLAGS);
    let beside = flags.file_name().map(|name| config.with_file_name(name));
    let is_missing = |path: &Path| {
        root.modified(path)
            .is_err_and(|error| error.cause.is_not_found())
    };
    !is_missing(&flags) || beside.is_some_and(|path| !is_missing(&path))
}

/// The edit of the file that decides.
///
/// # Errors
/// When it is refused, would have no effect, or would keep the kubelet from starting.
pub(crate) fn edit(kubelet: &Kubelet, wanted: Bootstrap, ui: &Ui) -> Result<Edit, Problem> {
    let Some((file, kind)) = kubelet.deciding() else {
        return Err(Problem::new(
            Code::Io,
            "cannot read the kubelet's configuration: no file holds it",
        ));
    };
    let target = Target::File(file.path.clone());
    let edit = if kubelet.is_enabled_by_flag() && wanted == Bootstrap::Enabled {
        let flag = kubelet.flag("rotate-server-certificates");
        ui.say(&format!(
            "the flag {flag} already enables serverTLSBootstrap"
        ));
        Edit::new(target, file.bytes.clone(), file.bytes.clone())
    } else {
        let before = file.bytes.clone();
        files::of_bytes(target, before, kind, wanted, files::Whose::Node, ui)?
    };
    preflight::check(kubelet, &edit, wanted, ui)?;
    Ok(edit)
}

/// Adds to a problem that kubeadm has not written the kubelet's configuration.
fn not_joined(problem: Problem) -> Problem {
    problem
        .advise("kubeadm init or kubeadm join writes it")
        .hint("systemctl cat kubelet")
}

/// systemd's refusal or silence as a problem.
pub(crate) fn systemd_problem(doing: &str, error: &SystemdError) -> Problem {
    let message = format!("cannot {doing} {}: {error}", systemd::KUBELET);
    let problem = Problem::new(Code::Unavailable, message);
    if error.is_absent() {
        unmanaged::no_kubeadm_node(problem, Some(error))
    } else if error.is_denied() {
        problem.with_code(Code::Permission).only_root()
    } else {
        problem.hint("systemctl status kubelet")
    }
}
