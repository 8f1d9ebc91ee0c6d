//! `apply`: makes the change, restarts the kubelet, proves that it came back, reports the request.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::apply::{Death, EditFailure, Gate, HEALTH_DEADLINE, Locks, Notice, Vigil, Watched};
use crate::certificate::Certificate;
use crate::cli;
use crate::csr::{Listing, Request, State};
use crate::host::api::{Api, Sight};
use crate::host::healthz::Healthz;
use crate::host::signals::{self, Interrupts};
use crate::host::tls::Served;
use crate::host::{clock, files as host_files, systemd};
use crate::kubelet::Bootstrap;
use crate::observed::{Kubelet, Node};
use crate::plan::{Edit, Plan, Reason, Restart, Target};
use crate::report::{
    CertificateReport, Code, CsrReport, Document, EditReport, Problem, RestartReport,
};

use super::node::{self, Need};
use super::{Console, diff, files, request};

/// How long the API is asked before anything is touched: a kubelet that cannot reach it could ask for nothing.
const PREFLIGHT_DEADLINE: Duration = Duration::from_secs(30);
/// A serving certificate with its chain and key is a few kilobytes, in bytes.
const PEM_CAP: u64 = 256 * 1024;

/// Runs the verb.
///
/// # Errors
/// What kept it from its end; the document says how far it came.
pub(crate) fn run(
    arguments: &cli::Apply,
    console: &Console,
    document: &mut Document,
) -> Result<(), Problem> {
    document.changed = Some(false);
    document.dry_run = Some(arguments.dry_run);
    if arguments.selection.files.is_empty() {
        document.restart = Some(None);
        document.csr = Some(None);
        document.certificate = Some(None);
        document.rolled_back = Some(false);
        run_node(arguments, console, document)
    } else {
        run_files(arguments, console, document)
    }
}

/// Files alone: no systemd, no API, no root.
fn run_files(
    arguments: &cli::Apply,
    console: &Console,
    document: &mut Document,
) -> Result<(), Problem> {
    let paths = &arguments.selection.files;
    node::at_most_one_standard(paths)?;
    let piped = paths.iter().any(|path| path.as_os_str() == files::STANDARD);
    if piped && console.wants_document() {
        return Err(Problem::new(
            Code::Usage,
            "cannot print a document: standard output holds the result of -",
        )
        .hint("kubelet-tls diff - -o json, or name the file"));
    }
    let locks = Locks::of(
        paths
            .iter()
            .map(PathBuf::as_path)
            .filter(|path| path.as_os_str() != files::STANDARD),
    )
    .map_err(|error| files::problem_of(&error))?;
    let wanted = node::wanted(&arguments.selection);
    let edits = paths
        .iter()
        .map(|path| files::of_file(path, wanted, console, document))
        .collect::<Result<_, _>>()?;
    let plan = Plan {
        edits,
        restart: Restart::No,
    };
    locks
        .inspect(&plan)
        .map_err(|error| files::problem_of(&error))?;
    for edit in &plan.edits {
        if piped {
            console.diff_aside(&edit.diff());
        } else {
            diff::show(edit, console);
        }
    }
    tell_unchanged(&plan, wanted, console);
    report_edits(&plan, document);
    if !arguments.dry_run {
        locks
            .edit(&plan)
            .map_err(|failure| edit_problem(&failure, document))?;
    }
    for edit in plan
        .edits
        .iter()
        .filter(|edit| edit.target == Target::Standard)
    {
        let bytes = if arguments.dry_run {
            &edit.before
        } else {
            &edit.after
        };
        console
            .result(bytes)
            .map_err(|error| Problem::new(Code::Io, format!("cannot write -: {error}")))?;
    }
    Ok(())
}

/// This node.
fn run_node(
    arguments: &cli::Apply,
    console: &Console,
    document: &mut Document,
) -> Result<(), Problem> {
    let mut interrupts = Interrupts::hold();
    let selection = &arguments.selection;
    let rooted = selection.root.is_some();
    let restarts = arguments.restart != cli::Restart::Never && !rooted;
    let need = if restarts { Need::Unit } else { Need::File };
    let path = node::locate(selection, need, console, document)?.path;
    let paths = std::iter::once(&path)
        .chain(&selection.kubeadm_config)
        .map(PathBuf::as_path);
    let locks = Locks::of(paths).map_err(|error| files::problem_of(&error))?;

    // Looked at again under the lock: what another run did meanwhile is seen, and done no second time.
    let kubelet = node::locate(selection, need, console, document)?.read()?;
    let wanted = node::wanted(selection);
    let mut edits = vec![node::edit(&kubelet, wanted, console, document)?];
    for path in &selection.kubeadm_config {
        edits.push(files::of_kubeadm(path, wanted, console, document)?);
    }
    let node_changes = edits.iter().take(1).any(Edit::changes);
    let stale = kubelet.is_older_than_config(clock::now());
    let asks = arguments.wait != cli::Wait::None && wanted == Bootstrap::Enabled && !rooted;
    // Without a restart a change is read at the next start, and until then no request can come.
    let asks = asks && (restarts || (!node_changes && !stale && kubelet.started.is_some()));
    let cluster = if asks {
        Some(Cluster::ask(arguments, &kubelet, console, document)?)
    } else {
        None
    };
    let restart = match arguments.restart {
        _ if rooted => Restart::No,
        cli::Restart::Never => Restart::No,
        cli::Restart::Always => Restart::Yes(Reason::Asked),
        cli::Restart::Auto if node_changes => Restart::Yes(Reason::Changed),
        // A kubelet that has asked since it started has read the key; a restart would orphan its request.
        cli::Restart::Auto if stale && !cluster.as_ref().is_some_and(Cluster::has_asked) => {
            Restart::Yes(Reason::OlderThanConfig)
        }
        cli::Restart::Auto => Restart::No,
    };
    let plan = Plan { edits, restart };
    let gate = gate(&kubelet, arguments.settle)?;
    if restart != Restart::No {
        healthy_before(&gate, &kubelet)?;
    }
    locks
        .inspect(&plan)
        .map_err(|error| files::problem_of(&error))?;

    plan.edits
        .iter()
        .for_each(|edit| diff::show_text(edit, console));
    tell_unchanged(&plan, wanted, console);
    report_edits(&plan, document);
    if restart != Restart::No {
        let planned = RestartReport {
            unit: systemd::KUBELET.into(),
            performed: false,
            healthy: None,
            seconds: None,
        };
        document.restart = Some(Some(planned));
    }
    if arguments.dry_run {
        return Ok(());
    }
    let run = Run {
        arguments,
        console,
        gate,
        plan,
        locks,
        kubelet,
        cluster,
    };
    run.act(&mut interrupts, document)
}

/// What the API said before anything was touched.
struct Cluster {
    api: Api,
    listing: Listing,
    /// The node's addresses, where they were needed.
    node: Option<Node>,
    /// A certificate on disk that the kubelet goes on serving, so that it asks for none.
    kept: Option<Certificate>,
    /// When the running kubelet started.
    started: Option<jiff::Timestamp>,
}

impl Cluster {
    fn ask(
        arguments: &cli::Apply,
        kubelet: &Kubelet,
        console: &Console,
        document: &mut Document,
    ) -> Result<Self, Problem> {
        let end = Instant::now() + PREFLIGHT_DEADLINE;
        let kubeconfig = arguments
            .kubeconfig
            .clone()
            .unwrap_or_else(|| kubelet.kubeconfig());
        let untouched = |problem: Problem| match problem.code {
            Code::Unavailable => problem.hint(
                "nothing was changed; to go on without the API: kubelet-tls apply --wait none",
            ),
            _ => problem,
        };
        let api = request::open(&kubeconfig, document).map_err(untouched)?;
        let listing = api
            .requests(end)
            .map_err(|error| untouched(request::problem("list", &error)))?;
        let on_disk = host_files::read(&kubelet.serving_certificate(), PEM_CAP)
            .ok()
            .and_then(|pem| Certificate::from_pem(&pem).ok());
        let node = match &on_disk {
            None => None,
            Some(_) => api
                .node(end)
                .map_err(|error| {
                    console.warn(
                        document,
                        format!("cannot get Node {}: {error}", api.node_name()),
                    )
                })
                .ok(),
        };
        let kept = on_disk.filter(|certificate| {
            node.as_ref().is_some_and(|node| {
                node.would_serve(api.node_name(), certificate, clock::timestamp())
            })
        });
        let started = kubelet
            .started
            .and_then(|started| jiff::Timestamp::try_from(started).ok());
        Ok(Self {
            api,
            listing,
            node,
            kept,
            started,
        })
    }

    /// The newest request, if the running kubelet made it and it can still be issued.
    fn open_request(&self) -> Option<&Request> {
        let newest = self.listing.newest.as_ref()?;
        let open = matches!(newest.state, State::Pending | State::Approved);
        // The API's times are cut to the second.
        let since = self
            .started
            .zip(newest.created)
            .is_none_or(|(started, created)| created.as_second() >= started.as_second());
        (open && since).then_some(newest)
    }

    /// Whether the running kubelet has made a request since it started, so that it runs with the key on.
    fn has_asked(&self) -> bool {
        self.started.is_some() && self.open_request().is_some()
    }

    /// Watches for requests; with `open` also for what becomes of that one.
    fn watch(&self, open: Option<&Request>, end: Instant) -> Receiver<Sight> {
        let mut listing = self.listing.clone();
        if let Some(open) = open {
            listing.known.remove(&open.name);
        }
        self.api.watch(&listing, end)
    }

    /// The Node's addresses, asked for once.
    fn node(&mut self) -> Option<&Node> {
        if self.node.is_none() {
            self.node = self.api.node(Instant::now() + Duration::from_secs(5)).ok();
        }
        self.node.as_ref()
    }

    /// What the kubelet serves, at an address of the request's or the Node's.
    fn served(&mut self, request: Option<&Request>, port: u16) -> Result<Served, String> {
        let mut addresses = request
            .map(|request| request.names.ips.clone())
            .unwrap_or_default();
        if addresses.is_empty() {
            addresses = self
                .node()
                .map(|node| node.serving_names().0)
                .unwrap_or_default();
        }
        request::served(&addresses, port, self.api.roots())
    }
}

/// One run of `apply` on a node, decided and not yet done.
struct Run<'a> {
    arguments: &'a cli::Apply,
    console: &'a Console,
    gate: Gate,
    plan: Plan,
    locks: Locks,
    kubelet: Kubelet,
    cluster: Option<Cluster>,
}

impl Run<'_> {
    fn act(mut self, interrupts: &mut Interrupts, document: &mut Document) -> Result<(), Problem> {
        self.tell_outage(document);
        if let Some(signal) = interrupts.received() {
            // Nothing has happened yet.
            signals::die_of(signal);
        }
        self.locks
            .edit(&self.plan)
            .map_err(|failure| edit_problem(&failure, document))?;
        document.changed = Some(self.plan.changes());
        let Some(unit) = self.kubelet.unit.clone() else {
            return Ok(());
        };
        let far = Instant::now() + HEALTH_DEADLINE + self.arguments.settle + self.arguments.timeout;
        let restarts = self.plan.restart != Restart::No;
        let open = self
            .cluster
            .as_ref()
            .filter(|_| !restarts)
            .and_then(Cluster::open_request)
            .cloned();
        let sights = self.cluster.as_ref().map(|cluster| {
            cluster.watch(open.as_ref(), far + unit.stop_timeout.unwrap_or_default())
        });
        let vigil = if restarts {
            self.console
                .say(&format!("restarting {}", systemd::KUBELET));
            match self.gate.restart(Some(&unit)) {
                Ok(vigil) => vigil,
                Err(error) => {
                    let death = Death {
                        reason: error.to_string(),
                        journal: Vec::new(),
                    };
                    let problem = node::systemd_problem("restart", &error);
                    return Err(Problem {
                        code: problem.code,
                        ..self.put_back(&death, interrupts, document)
                    });
                }
            }
        } else if self.cluster.is_some() {
            self.gate.resume(&unit)
        } else {
            self.tell_pending_restart();
            return Ok(());
        };
        let watched = self.watch(vigil, sights.as_ref(), open, interrupts);
        if restarts {
            document.restart = Some(Some(RestartReport {
                unit: systemd::KUBELET.into(),
                performed: true,
                healthy: Some(watched.health.is_ok()),
                seconds: watched
                    .answered_after
                    .map(|after| (after.as_secs_f64() * 100.0).round() / 100.0),
            }));
        }
        document.csr = Some(watched.request.as_ref().map(CsrReport::from));
        if let Err(death) = &watched.health {
            return Err(self.put_back(death, interrupts, document));
        }
        self.conclude(&watched, document)
    }

    /// Watches over the kubelet until it has settled and the request, or its certificate, is there.
    fn watch(
        &mut self,
        vigil: Vigil,
        sights: Option<&Receiver<Sight>>,
        open: Option<Request>,
        interrupts: &mut Interrupts,
    ) -> Watched {
        let console = self.console;
        let wait = self.arguments.wait;
        let port = self.kubelet.port();
        let tell = |request: &Request| {
            if request.state == State::Pending {
                console.name(&request.name);
            }
            console.say(&request::describe(request));
            if let Some(step) = request::next_step(request) {
                console.say(
                    &format!("to approve it: {step}")
                        .replace("to approve it: kubectl get", "to see why: kubectl get"),
                );
            }
        };
        if let Some(open) = &open {
            tell(open);
        }
        let cluster = std::cell::RefCell::new(self.cluster.as_mut());
        let enough = |request: Option<&Request>| {
            let mut borrowed = cluster.borrow_mut();
            let Some(cluster) = borrowed.as_mut() else {
                return true;
            };
            match wait {
                cli::Wait::None => true,
                cli::Wait::Csr => {
                    cluster.kept.is_some() || request.is_some_and(|request| !is_lost(request))
                }
                cli::Wait::Issued => {
                    (cluster.kept.is_some()
                        || request.is_some_and(|request| request.state == State::Issued))
                        && cluster
                            .served(request, port)
                            .is_ok_and(|served| served.verified.is_ok())
                }
            }
        };
        let notify = |notice: Notice<'_>| match notice {
            Notice::Answers(after) => console.say(&format!(
                "{} answers after {:.1} s",
                systemd::KUBELET,
                after.as_secs_f64()
            )),
            Notice::Request(request) => tell(request),
            Notice::Interrupted => {
                console.say("interrupted: completing the restart and its proof first")
            }
        };
        vigil.keep(
            sights,
            open,
            Instant::now() + self.arguments.timeout,
            interrupts,
            notify,
            enough,
        )
    }

    /// The kubelet is healthy; is what was waited for there?
    fn conclude(&mut self, watched: &Watched, document: &mut Document) -> Result<(), Problem> {
        let port = self.kubelet.port();
        let wait = self.arguments.wait;
        let Some(cluster) = self.cluster.as_mut() else {
            return Ok(());
        };
        let request = watched.request.as_ref();
        let issued =
            cluster.kept.is_some() || request.is_some_and(|request| request.state == State::Issued);
        let served = if issued {
            cluster.served(request, port)
        } else {
            Err("no certificate is issued".to_owned())
        };
        if let Ok(served) = &served {
            let verified = served.verified.is_ok();
            document.certificate =
                Some(Some(CertificateReport::new(&served.certificate, verified)));
        }
        if let (Some(kept), None) = (&cluster.kept, request) {
            self.console.say(&format!(
                "the kubelet keeps the serving certificate that it has, valid until {}; no request is coming",
                kept.not_after
            ));
        }
        let interrupted = if watched.interrupted {
            "interrupted"
        } else {
            "out of time"
        };
        let done = match wait {
            cli::Wait::Csr => cluster.kept.is_some() || request.is_some(),
            cli::Wait::Issued => {
                issued && served.as_ref().is_ok_and(|served| served.verified.is_ok())
            }
            cli::Wait::None => true,
        };
        if done {
            if let (cli::Wait::Issued, Ok(served)) = (wait, &served) {
                self.console.say(&format!(
                    "port {port} serves a certificate of {}, valid until {}, and it verifies",
                    served.certificate.issuer, served.certificate.not_after
                ));
            }
            return Ok(());
        }
        let code = if watched
            .trouble
            .as_ref()
            .is_some_and(crate::host::api::ApiError::is_forbidden)
        {
            Code::Permission
        } else {
            Code::Temporary
        };
        match request {
            Some(request) if issued => {
                let why = served
                    .and_then(|served| served.verified.map(|()| served.certificate))
                    .err()
                    .unwrap_or_default();
                Err(Problem::new(
                    code,
                    format!("cannot wait for the certificate of {}: {interrupted}: it is issued, but port {port}: {why}", request.name),
                )
                .hint("journalctl -u kubelet | grep -i certificate"))
            }
            Some(request) => {
                let problem = Problem::new(
                    code,
                    format!(
                        "cannot wait for the certificate of {}: {interrupted}, and it is {}",
                        request.name, request.state
                    ),
                );
                Err(match request::next_step(request) {
                    Some(step) => problem.hint(step),
                    None => problem.hint("kubectl get csr"),
                })
            }
            None => {
                let mut reasons = cluster.node().map(Node::why_no_request).unwrap_or_default();
                reasons.extend(watched.trouble.as_ref().map(ToString::to_string));
                let why = if reasons.is_empty() {
                    "the kubelet runs and has made none".to_owned()
                } else {
                    reasons.join("; ")
                };
                Err(Problem::new(
                    code,
                    format!("cannot wait for the kubelet's request: {interrupted}: {why}"),
                )
                .hint("kubelet-tls csr, in a while; journalctl -u kubelet | grep -i csr"))
            }
        }
    }

    /// The kubelet is not healthy: the old bytes, a restart, the same proof.
    fn put_back(
        &self,
        death: &Death,
        interrupts: &mut Interrupts,
        document: &mut Document,
    ) -> Problem {
        if !death.journal.is_empty() {
            self.console.say("the kubelet's last words:");
            death
                .journal
                .iter()
                .for_each(|line| self.console.say(&format!("  {line}")));
            document.journal.clone_from(&death.journal);
        }
        let verb = if node::wanted(&self.arguments.selection) == Bootstrap::Enabled {
            "enable"
        } else {
            "disable"
        };
        let refused = |rest: &str| {
            Problem::new(
                Code::Refused,
                format!("cannot {verb} serverTLSBootstrap: {}; {rest}", death.reason),
            )
            .hint("journalctl -u kubelet --no-pager -n 50")
        };
        if !self.plan.changes() {
            return refused("no file was changed, so there is nothing to put back");
        }
        self.console.say("putting everything back");
        if let Err(failure) = self.locks.edit(&self.plan.inverse()) {
            let problem = edit_problem(&failure, document);
            return Problem {
                code: Code::Io,
                ..refused(&format!("and putting back failed: {}", problem.message))
            };
        }
        document.changed = Some(false);
        document.rolled_back = Some(true);
        // A restart that systemd refused has left the old kubelet running.
        let untouched = systemd::show(systemd::KUBELET).is_ok_and(|now| {
            self.kubelet
                .unit
                .as_ref()
                .is_some_and(|was| was.incarnation() == now.incarnation())
        });
        if untouched {
            return refused("the file was put back, and the kubelet was not touched");
        }
        let again = self
            .gate
            .restart(self.kubelet.unit.as_ref())
            .map_err(|error| error.to_string())
            .and_then(|vigil| {
                let watched = vigil.keep(None, None, Instant::now(), interrupts, |_| {}, |_| true);
                watched.health.map_err(|death| death.reason)
            });
        match again {
            Ok(()) => refused("everything was put back, and the kubelet is healthy again"),
            Err(reason) => refused(&format!("everything was put back, and the kubelet is not healthy with the old file either: {reason}"))
                .hint("systemctl status kubelet"),
        }
    }

    /// Before the restart that begins it.
    fn tell_outage(&self, document: &mut Document) {
        let outage = self.plan.restart != Restart::No
            && self.plan.changes()
            && node::wanted(&self.arguments.selection) == Bootstrap::Enabled
            && !self
                .cluster
                .as_ref()
                .is_some_and(|cluster| cluster.kept.is_some());
        if outage {
            self.console.warn(
                document,
                format!(
                    "from the restart until the request is approved, port {} of this node refuses TLS: no logs, exec, port-forward or metrics; pods run on and the Node stays Ready",
                    self.kubelet.port()
                ),
            );
        }
    }

    fn tell_pending_restart(&self) {
        if self.arguments.restart == cli::Restart::Never && self.plan.changes() {
            self.console.say("the kubelet reads it when it next starts");
        }
    }
}

fn is_lost(request: &Request) -> bool {
    matches!(request.state, State::Denied | State::Failed)
}

fn gate(kubelet: &Kubelet, settle: Duration) -> Result<Gate, Problem> {
    let healthz = kubelet.healthz().map_err(|reason| {
        Problem::new(
            Code::Input,
            format!("cannot read {}: {reason}", kubelet.config.path.display()),
        )
    })?;
    let healthz = healthz.and_then(|(address, port)| Healthz::new(address, port));
    Ok(Gate {
        unit: systemd::KUBELET,
        healthz,
        settle,
    })
}

/// A kubelet that is not healthy is not touched: nobody could tell afterwards what broke it.
fn healthy_before(gate: &Gate, kubelet: &Kubelet) -> Result<(), Problem> {
    let Some(unit) = &kubelet.unit else {
        return Ok(());
    };
    gate.check(unit).map_err(|reason| {
        Problem::new(
            Code::Refused,
            format!("cannot restart {}: it was not healthy before: {reason}; nothing was changed", systemd::KUBELET),
        )
        .hint("mend it first: journalctl -u kubelet -n 50; or edit alone: kubelet-tls apply --restart never")
    })
}

fn tell_unchanged(plan: &Plan, wanted: Bootstrap, console: &Console) {
    for edit in plan.edits.iter().filter(|edit| !edit.changes()) {
        let already = match wanted {
            Bootstrap::Enabled => "serverTLSBootstrap is already true",
            Bootstrap::Disabled => "serverTLSBootstrap is already off",
        };
        console.say(&format!("{}: unchanged: {already}", edit.target));
    }
    if plan.restart == Restart::Yes(Reason::OlderThanConfig) {
        console.say(
            "the kubelet started before its configuration was last written, so it has not read it",
        );
    }
}

fn report_edits(plan: &Plan, document: &mut Document) {
    document.edits = Some(plan.edits.iter().map(EditReport::from).collect());
    document.changed = Some(plan.changes());
}

fn edit_problem(failure: &EditFailure, document: &mut Document) -> Problem {
    document.changed = Some(!failure.left.is_empty());
    let mut problem = files::problem_of(&failure.cause);
    for left in &failure.left {
        problem.message.push_str(&format!(
            "; and an earlier edit could not be undone: {left}"
        ));
    }
    problem
}
