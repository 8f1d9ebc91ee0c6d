//! Looking at this node: which kubelet runs, from which file, with which flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::host::files::{self as host_files, Root};
use crate::host::process;
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::image::{DEFAULT_CONFIG, KUBEADM_FLAGS};
use crate::kubelet::unit::Word;
use crate::kubelet::{Bootstrap, Flags, Settings};
use crate::node::{ConfigFile, Kubelet, Unit};
use crate::plan::{Edit, Target};
use crate::report::{Code, Problem};
use crate::yaml::MAX_BYTES;

use super::{Ui, files, preflight, unmanaged};

/// Of a kubelet whose command line was changed since it started: which one is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// What it runs with.
    Now,
    /// What its next start brings.
    NextStart,
}

/// What the verb needs to find on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A kubelet.service that systemd knows: it will be restarted.
    Unit,
    File,
}

/// Where the kubelet's configuration is, and what runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Located {
    /// Where its files begin.
    pub(crate) root: Root,
    pub(crate) unit: Option<Unit>,
    flags: Flags,
    flags_change: bool,
    sources: BTreeMap<String, String>,
    program: Option<String>,
    started: Option<std::time::SystemTime>,
    /// The file of `--config`.
    pub(crate) path: PathBuf,
    warnings: Vec<String>,
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

/// Asks systemd and the process table.
///
/// # Errors
/// When something that is needed does not exist.
pub(crate) fn locate(root: Option<&Path>, need: Need, when: When) -> Result<Located, Problem> {
    if let Some(root) = root {
        let root = self::root(Some(root))?;
        return Ok(Located {
            path: root.path(Path::new(DEFAULT_CONFIG)),
            root,
            ..Located::default()
        });
    }
    let mut warnings = Vec::new();
    let mut unasked = None;
    let unit = match systemd::show(systemd::KUBELET) {
        Ok(unit) if unit.load_state == "loaded" => Some(unit),
        Ok(unit) if need == Need::Unit => return Err(no_unit(&unit)),
        Ok(_) => None,
        Err(error) if need == Need::Unit => {
            return Err(systemd_problem("ask systemd about", &error));
        }
        Err(error) => {
            warnings.push(match error.is_absent() {
                true => format!("{error}; assuming the kubelet uses {DEFAULT_CONFIG}"),
                false => format!(
                    "could not ask systemd: {error}; assuming the kubelet uses {DEFAULT_CONFIG}"
                ),
            });
            unasked = Some(error);
            None
        }
    };
    let pid = unit.as_ref().map_or(0, |unit| unit.main_pid);
    let running = if pid == 0 {
        None
    } else {
        let monotonic = unit.as_ref().and_then(|unit| unit.started_monotonic);
        process::command_line(pid, monotonic)
            .ok()
            .filter(|words| !words.is_empty())
    };
    let started = unit
        .as_ref()
        .filter(|_| running.is_some())
        .and_then(|unit| process::started(pid, unit.started_monotonic).ok());
    let next = unit.as_ref().map(systemd::next_words).transpose();
    // Where nothing was written since the start, the next start brings the same words, and the running ones are surely
    // right.
    let asks = unit
        .as_ref()
        .is_some_and(|unit| started.is_none_or(|started| systemd::changed_since(unit, started)));
    if let (Err(error), true) = (&next, asks) {
        warnings.push(format!(
            "cannot tell which configuration the kubelet's next start will use: {error}"
        ));
    }
    let next = next.ok().flatten();
    let sources = next.as_deref().map(sources).unwrap_or_default();
    let next: Option<Vec<String>> = next
        .filter(|_| asks)
        .map(|words| words.into_iter().map(|word| word.text).collect());
    let program = running
        .as_ref()
        .or(next.as_ref())
        .and_then(|words| words.first().cloned());
    let running_flags = running.map(|words| Flags::parse(words.into_iter().skip(1)));
    let next_flags = next.map(|words| Flags::parse(words.into_iter().skip(1)));
    let flags_change = running_flags
        .as_ref()
        .zip(next_flags.as_ref())
        .is_some_and(|(now, next)| now.differs(next));
    let is_known = running_flags.is_some() || next_flags.is_some();
    let flags = match when {
        When::Now => running_flags.or(next_flags),
        When::NextStart => next_flags.or(running_flags),
    };
    let flags = flags.unwrap_or_default();
    let path = match flags.get("config") {
        Some(path) => Path::new("/").join(path),
        None if is_known => {
            let program = program.as_deref().unwrap_or_default();
            if let Some(problem) = unmanaged::other_program(program) {
                return Err(problem);
            }
            return Err(Problem::new(
                Code::Refused,
                "cannot edit the kubelet's configuration: it is started without --config, so it reads no file",
            )
            .advise("kubeadm gives it --config=/var/lib/kubelet/config.yaml")
            .hint("systemctl cat kubelet"));
        }
        None => PathBuf::from(DEFAULT_CONFIG),
    };
    Ok(Located {
        root: Root::host(),
        unit,
        flags,
        flags_change,
        sources,
        program,
        started,
        path,
        warnings,
        unasked: unasked.map(Rc::new),
    })
}

/// Which variable of which file sets each flag; of several the last one counts.
fn sources(words: &[Word]) -> BTreeMap<String, String> {
    let flags = words
        .iter()
        .filter_map(|word| Some((word.text.strip_prefix("--")?, &word.source)));
    flags
        .map(|(flag, source)| {
            (
                flag.split('=').next().unwrap_or(flag).replace('_', "-"),
                source.to_string(),
            )
        })
        .collect()
}

impl Located {
    pub(crate) fn flags(&self) -> &Flags {
        &self.flags
    }

    /// What a person should know about how they were found.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The files that the kubelet merges: that of `--config`, then the drop-ins of `--config-dir`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn paths(&self) -> Result<Vec<PathBuf>, Problem> {
        let mut paths = vec![self.path.clone()];
        if let Some(directory) = self
            .flags
            .get("config-dir")
            .filter(|directory| !directory.is_empty())
        {
            let directory = Path::new("/").join(directory);
            paths.extend(
                host_files::drop_ins(&directory).map_err(|error| files::problem_of(&error))?,
            );
        }
        Ok(paths)
    }

    /// The kubelet's configuration cannot be read or locked.
    pub(crate) fn unreadable(&self, error: &host_files::FileError) -> Problem {
        let problem = files::problem_of(error);
        match (error.cause.is_missing(), &self.unit) {
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
            (_, Some(refusal)) => Err(refusal),
        }
    }

    /// Reads them as [`Self::read`] does, and returns the refusal of files that are not a configuration beside the kubelet,
    /// whose settings are the defaults then.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn read_leniently(self, ui: &Ui) -> Result<(Kubelet, Option<Problem>), Problem> {
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
                    true => files::problem_of(&error),
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
        let refused = |(number, refusal)| {
            let path = read
                .get::<usize>(number)
                .map_or_else(|| self.path.clone(), |file| file.path.clone());
            files::refused(&Target::File(path), &refusal, files::Whose::Node)
        };
        let (settings, refusal) = match Settings::read_with_drop_ins(main, drop_ins) {
            Ok(settings) => (settings, None),
            Err(refusal) => (Settings::default(), Some(refused(refusal))),
        };
        let is_kubeadm = is_kubeadm(&self.root, &self.path);
        let kubelet = Kubelet {
            is_kubeadm,
            unit: self.unit,
            flags: self.flags,
            flags_change: self.flags_change,
            sources: self.sources,
            program: self.program,
            started: self.started,
            files: read,
            settings,
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

/// The kubeconfig of this node's kubelet, for verbs that need nothing else of it.
pub(crate) fn kubeconfig() -> PathBuf {
    let unit = systemd::show(systemd::KUBELET).ok();
    let running = unit
        .as_ref()
        .filter(|unit| unit.main_pid != 0)
        .and_then(|unit| process::command_line(unit.main_pid, unit.started_monotonic).ok());
    let words = running
        .or_else(|| {
            unit.as_ref()
                .and_then(|unit| systemd::next_words(unit).ok())
                .map(|words| words.into_iter().map(|word| word.text).collect())
        })
        .unwrap_or_default();
    crate::node::kubeconfig(&Flags::parse(words.into_iter().skip(1)))
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

fn no_unit(unit: &Unit) -> Problem {
    let problem = Problem::new(
        Code::Unavailable,
        format!(
            "cannot restart {}: systemd says it is {}",
            systemd::KUBELET,
            unit.load_state
        ),
    );
    match unit.load_state.as_str() {
        "masked" => problem.hint("systemctl unmask kubelet"),
        "not-found" => unmanaged::no_kubeadm_node(problem, None),
        _ => problem.hint("systemctl status kubelet"),
    }
}

/// systemd's refusal or silence as a problem.
pub(crate) fn systemd_problem(doing: &str, error: &SystemdError) -> Problem {
    if error.is_absent() {
        let message = format!("cannot {doing} {}: {error}", systemd::KUBELET);
        let problem = Problem::new(Code::Unavailable, message);
        return unmanaged::no_kubeadm_node(problem, Some(error));
    }
    let code = match error.is_denied() {
        true => Code::Permission,
        false => Code::Unavailable,
    };
    let problem = Problem::new(
        code,
        format!("cannot {doing} {}: {error}", systemd::KUBELET),
    );
    if code == Code::Permission {
        problem.only_root()
    } else {
        problem.hint("systemctl status kubelet")
    }
}
