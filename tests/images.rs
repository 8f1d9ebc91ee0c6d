//! `--root DIR` with images that an attacker built: symlinks at every level, device nodes, FIFOs and sockets for files,
//! forged receipts. Every run is traced: nothing outside of DIR is opened but what any program opens, and nothing outside
//! of it changes.
//!
//! Needs strace; without it the test is skipped, or fails where `KUBELET_TLS_REQUIRE_NODE_TESTS=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and is about files and processes"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use support::harness::is_required;

const TOOL: &str = env!("CARGO_BIN_EXE_kubelet-tls");
const LAYOUTS: u64 = 200;
const THREADS: usize = 4;
/// A run that waits for a FIFO's writer never ends; in seconds.
const DEADLINE: &str = "60";

const OFF: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
const KEY: &str = "serverTLSBootstrap: true\n";
/// What a program opens outside of DIR whatever it is for: the loader's files and the kernel's.
const OF_THE_SYSTEM: &[&str] = &[
    "/etc/ld.so",
    "/lib/",
    "/lib64/",
    "/usr/lib/",
    "/usr/lib64/",
    "/proc/",
    "/sys/",
    "/dev/null",
    "pipe:",
    "anon_inode:",
    "socket:",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/etc/localtime",
];

/// A small generator of numbers: a layout is its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// An image, and beside it what it is after.
struct Layout {
    directory: tempfile::TempDir,
    seed: u64,
    said: String,
}

impl Layout {
    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn new(seed: u64) -> Self {
        let mut layout = Self {
            directory: tempfile::tempdir().unwrap(),
            seed,
            said: String::new(),
        };
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        layout.build_victim();
        fs::create_dir(layout.image()).unwrap();
        layout.build_tree(&mut dice);
        layout
    }

    /// A node of its own, which every trick leads to.
    fn build_victim(&self) {
        let outside = self.outside();
        for directory in ["var/lib/kubelet/pki", "var/lib/kubelet-tls", "etc/default"] {
            fs::create_dir_all(outside.join(directory)).unwrap();
        }
        fs::write(outside.join("var/lib/kubelet/config.yaml"), OFF).unwrap();
        fs::write(outside.join("etc/default/kubelet"), "KUBELET_EXTRA_ARGS=\n").unwrap();
        fs::write(outside.join("secret"), format!("{OFF}{KEY}")).unwrap();
        let pki = outside.join("var/lib/kubelet/pki");
        let pair = pki.join("kubelet-server-2026-11-23-07-16-56.pem");
        fs::write(&pair, "pair").unwrap();
        symlink(&pair, pki.join("kubelet-server-current.pem")).unwrap();
        fs::write(
            outside.join("var/lib/kubelet-tls/receipt.json"),
            receipt("Done", &outside.join("var/lib/kubelet/config.yaml"), None),
        )
        .unwrap();
    }

    fn build_tree(&mut self, dice: &mut Dice) {
        for level in [
            "var",
            "var/lib",
            "var/lib/kubelet",
            "var/lib/kubelet-tls",
            "var/lib/kubelet/pki",
            "etc",
            "etc/default",
        ] {
            // Most levels are plain, or few layouts would lead anywhere.
            if dice.below(6) == 0 {
                self.trick(level, dice);
            } else {
                let _ = fs::create_dir_all(self.image().join(level));
            }
        }
        let config = format!(
            "{OFF}{}",
            dice.pick(&["", KEY, "serverTLSBootstrap: false\n", "a: [\n"])
        );
        self.file("var/lib/kubelet/config.yaml", &config, dice);
        self.file(
            "var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\n",
            dice,
        );
        self.file(
            "etc/default/kubelet",
            "KUBELET_EXTRA_ARGS=--config-dir=/etc\n",
            dice,
        );
        if dice.below(4) != 0 {
            let forged = self.forge(dice);
            self.file("var/lib/kubelet-tls/receipt.json", &forged, dice);
        }
        let link = self
            .image()
            .join("var/lib/kubelet/pki/kubelet-server-current.pem");
        if dice.below(3) == 0 {
            let _ = symlink(self.outside().join("secret"), link);
        }
        if dice.below(6) == 0 {
            self.trick("var/lib/kubelet-tls/lock", dice);
        }
    }

    /// Puts something hostile at `name`.
    fn trick(&mut self, name: &str, dice: &mut Dice) {
        let path = self.image().join(name);
        let outside = self.outside().join(name);
        let up = "../".repeat(name.split('/').count() + 6);
        let relative = format!("{}outside/{name}", "../".repeat(name.split('/').count()));
        let host = format!("{up}{}", outside.strip_prefix("/").unwrap().display());
        let target = match dice.below(12) {
            0 | 1 => outside.display().to_string(),
            2 => relative,
            3 => host,
            4 => "/".to_owned(),
            5 => "..".to_owned(),
            6 => format!("/{name}"),
            7 => format!("/proc/self/root{}", outside.display()),
            8 => "/var/lib/kubelet/config.yaml".to_owned(),
            9 => {
                let _ = nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU);
                let _ = write!(self.said, " {name}=fifo");
                return;
            }
            10 => {
                let _ = UnixListener::bind(&path);
                let _ = write!(self.said, " {name}=socket");
                return;
            }
            _ => {
                // As root; another user cannot make one.
                let _ = Command::new("mknod")
                    .arg(&path)
                    .args(["c", "1", "5"])
                    .output();
                let _ = write!(self.said, " {name}=device");
                return;
            }
        };
        let _ = write!(self.said, " {name}->{target}");
        let _ = symlink(target, path);
    }

    fn file(&mut self, name: &str, content: &str, dice: &mut Dice) {
        if dice.below(4) == 0 {
            self.trick(name, dice);
            return;
        }
        let path = self.image().join(name);
        // Never through a link that leads out: the layout is built by hand, and checked afterwards.
        if path
            .parent()
            .and_then(|parent| parent.canonicalize().ok())
            .is_some_and(|real| real.starts_with(self.image()))
        {
            let _ = fs::write(&path, content);
            let mode = if dice.below(8) == 0 { 0o4755 } else { 0o600 };
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        }
    }

    fn forge(&mut self, dice: &mut Dice) -> String {
        let outside = self.outside();
        let secret = outside.join("secret");
        let climbing = PathBuf::from(format!("/../../../../..{}", secret.display()));
        let targets = [
            PathBuf::from("/var/lib/kubelet/config.yaml"),
            PathBuf::from("/var/lib/kubelet/config.yaml"),
            outside.join("var/lib/kubelet/config.yaml"),
            secret,
            climbing,
            "secret".into(),
            "/etc/shadow".into(),
            "/etc/default/kubelet".into(),
        ];
        let pki = |root: &Path| {
            let pki = root.join("var/lib/kubelet/pki");
            (
                pki.join("kubelet-server-current.pem"),
                pki.join("kubelet-server-2026-11-23-07-16-56.pem"),
            )
        };
        let installed = match dice.below(5) {
            0 => Some(pki(&outside)),
            1 => Some(pki(Path::new("/"))),
            2 => Some((outside.join("link"), outside.join("secret"))),
            _ => None,
        };
        let state = dice.pick(&["Done", "Done", "Started", "RollingBack"]);
        let target = dice.pick(&targets).clone();
        let _ = write!(
            self.said,
            " receipt({state} {} {installed:?})",
            target.display()
        );
        receipt(state, &target, installed)
    }
}

/// A receipt by which `target` goes from with the key to without.
fn receipt(state: &str, target: &Path, installed: Option<(PathBuf, PathBuf)>) -> String {
    let sha256 = |text: String| {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let mut hex = String::new();
        digest
            .as_ref()
            .iter()
            .for_each(|byte| write!(hex, "{byte:02x}").unwrap());
        hex
    };
    let mut receipt = serde_json::json!({
        "version": 1, "state": state, "started": "2026-11-23T07:16:56Z",
        "edits": [{
            "target": target, "offset": OFF.len(), "removed": "", "inserted": KEY,
            "sha256Before": sha256(OFF.to_owned()), "sha256After": sha256(format!("{OFF}{KEY}")),
        }],
    });
    if let Some((link, pair)) = installed {
        receipt["installed"] =
            serde_json::json!({"link": link, "pair": pair, "replaced": "/etc/passwd"});
    }
    receipt.to_string()
}

/// Everything beneath `directory`: kind, mode, size, link target, content.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(here) = directories.pop() {
        for entry in fs::read_dir(here).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mut said = format!(
                "{:o} {} {}",
                metadata.mode(),
                metadata.ino(),
                metadata.mtime_nsec()
            );
            if metadata.is_symlink() {
                let _ = write!(said, " {}", fs::read_link(&path).unwrap().display());
            } else if metadata.is_dir() {
                directories.push(path.clone());
            } else if metadata.is_file() {
                said.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
            }
            found.insert(path, said);
        }
    }
    found
}

/// What a trace shows that it must not.
fn violations(trace: &str, image: &Path) -> Vec<String> {
    let image = image.canonicalize().unwrap();
    trace
        .lines()
        .filter(|line| !is_allowed(line, &image))
        .map(str::to_owned)
        .collect()
}

fn is_allowed(line: &str, image: &Path) -> bool {
    // `1234 openat(5</image>, "var", O_PATH) = 6</image/var>`
    let call = line
        .split_once(' ')
        .map_or(line, |(_, call)| call.trim_start());
    let Some((name, rest)) = call.split_once('(') else {
        return true;
    };
    let Some((arguments, result)) = rest.rsplit_once(" = ") else {
        return true;
    };
    if result.starts_with('-') {
        // Nothing came of it.
        return true;
    }
    let path = |text: &str| {
        let inside = text.split_once('<')?.1;
        Some(PathBuf::from(
            inside.rsplit_once('>')?.0.trim_end_matches("(deleted)"),
        ))
    };
    let inside = |path: &Path| path.starts_with(image);
    match name {
        "open" | "openat" | "openat2" | "creat" => path(result).is_none_or(|opened| {
            let looks = arguments.contains("O_PATH") && image.starts_with(&opened);
            let of_the_system = OF_THE_SYSTEM
                .iter()
                .any(|allowed| opened.to_string_lossy().starts_with(allowed))
                && !arguments.contains("O_WRONLY")
                && !arguments.contains("O_RDWR");
            inside(&opened) || looks || of_the_system || opened == Path::new(TOOL)
        }),
        // Nothing is changed by its path alone.
        "rename" | "unlink" | "mkdir" | "rmdir" | "symlink" | "link" | "chmod" | "chown"
        | "lchown" | "truncate" | "mknod" | "setxattr" | "lsetxattr" | "removexattr"
        | "lremovexattr" | "utime" | "utimes" => false,
        "renameat" | "renameat2" | "linkat" => {
            let mut handles = arguments.split(", ").filter(|part| part.contains('<'));
            handles.all(|handle| path(handle).is_some_and(|handle| inside(&handle)))
        }
        "unlinkat" | "mkdirat" | "symlinkat" | "mknodat" | "fchmodat" | "fchownat"
        | "utimensat" => arguments
            .split(", ")
            .find(|part| part.contains('<'))
            .and_then(path)
            .is_some_and(|handle| inside(&handle)),
        _ => true,
    }
}

/// One traced run: its exit code and what it did outside.
fn run(layout: &Layout, arguments: &[&str]) -> (i32, String, Vec<String>) {
    let log = layout.directory.path().join("trace");
    let mut command = Command::new("timeout");
    command.args([DEADLINE, "strace", "-f", "-qq", "-y", "-s", "300", "-e"]);
    command.arg("trace=%file,fchmod,fchown,renameat2,openat2");
    if layout.seed % 2 == 1 {
        // Linux before 5.6.
        command.args(["-e", "inject=openat2:error=ENOSYS"]);
    }
    command.arg("-o").arg(&log).arg(TOOL).args(arguments);
    let output = command
        .arg("--root")
        .arg(layout.image())
        .env_remove("KUBELET_TLS_STATE_DIR")
        .output()
        .expect("strace");
    let trace = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, said, violations(&trace, &layout.image()))
}

/// What is wrong with this layout's runs.
fn play(seed: u64, codes: &Mutex<BTreeMap<String, u32>>) -> Vec<String> {
    let layout = Layout::new(seed);
    let before = snapshot(&layout.outside());
    let mut wrong = Vec::new();
    for arguments in [
        &["diff"][..],
        &["rollback", "--dry-run"],
        &["rollback"],
        &["apply", "--dry-run"],
        &["apply"],
        &["rollback", "-q"],
    ] {
        let (code, said, outside) = run(&layout, arguments);
        let known = [0, 1, 65, 74, 75, 77, 78].contains(&code);
        *codes
            .lock()
            .unwrap()
            .entry(format!("{} {code}", arguments[0]))
            .or_default() += 1;
        if !known {
            wrong.push(format!(
                "{seed}{}: {arguments:?} ends with {code}: {said}",
                layout.said
            ));
        }
        wrong.extend(
            outside
                .iter()
                .map(|call| format!("{seed}{}: {arguments:?}: {call}", layout.said)),
        );
    }
    if snapshot(&layout.outside()) != before {
        wrong.push(format!("{seed}{}: something outside changed", layout.said));
    }
    wrong
}

#[test]
fn no_image_leads_a_run_out_of_it() {
    if !Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        assert!(!is_required(), "strace is needed");
        eprintln!("skipped: strace may not trace here, or is not installed");
        return;
    }
    let next = AtomicU64::new(0);
    let (codes, wrong) = (Mutex::default(), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= LAYOUTS {
                        return;
                    }
                    let found = play(seed, &codes);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let (codes, wrong) = (codes.into_inner().unwrap(), wrong.into_inner().unwrap());
    println!(
        "{LAYOUTS} layouts, {} runs: {codes:?}, {} violations",
        LAYOUTS * 6,
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Layouts in which nothing ever happens would prove nothing.
    for happens in ["apply 0", "diff 1", "rollback 0", "rollback 78", "diff 74"] {
        assert!(
            codes.get(happens).is_some_and(|count| *count > 5),
            "{happens}: {codes:?}"
        );
    }
}
