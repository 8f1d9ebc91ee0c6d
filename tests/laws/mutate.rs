//! Files of the corpus, made worse.

use std::fs;
use std::path::Path;

/// One way to make a file worse: what, where, and with what.
pub(crate) type Mutation = (u8, u16, u16);

const TOKENS: &[&str] = &[
    ": ",
    ":",
    " #",
    "#",
    "- ",
    "? ",
    "&a ",
    "&x ",
    "*a",
    "*x ",
    "!!str ",
    "!!bool ",
    "!x ",
    "! ",
    "|",
    ">",
    "|-\n",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "\t",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\\",
    "~",
    "null",
    "true",
    "no",
    "yes",
    "0",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{e9}",
    "\u{a0}",
    "%TAG ! x:\n",
    "%YAML 1.1\n",
    "--- ",
    "---",
    "...",
    "@",
    "`",
    "=",
    "<<",
    ".inf",
    "0x1",
];

const LINES: &[&str] = &[
    "---",
    "--- # c",
    "---\t",
    "--- |",
    "...",
    "# comment",
    "",
    "  ",
    "\t",
    "%YAML 1.1",
    "%YAML 1.2",
    "serverTLSBootstrap: true",
    "serverTLSBootstrap: yes",
    "serverTLSBootstrap: off",
    "serverTLSBootstrap:",
    "serverTLSBootstrap: # c",
    "serverTLSBootstrap: 'true'",
    "serverTLSBootstrap: !!bool",
    "serverTLSBootstrap: &z",
    "serverTLSBootstrap: !!bool \"on\"",
    "serverTLSBootstrap: &y false",
    "serverTLSBootstrap: *y",
    "serverTLSBootstrap: [",
    "serverTLSBootstrap: fal",
    "serverTLSBootstrap: |",
    "serverTLSBootstrap: ! true",
    "? serverTLSBootstrap",
    ": false",
    "  serverTLSBootstrap: false",
    "servertlsbootstrap: true",
    "\"serverTLSBootstrap\": false",
    "kind: KubeletConfiguration",
    "? kind",
    "apiVersion: kubelet.config.k8s.io/v1beta1",
    "apiVersion: kubeadm.k8s.io/v1beta3",
    "kind: ClusterConfiguration",
    "kind: JoinConfiguration",
    "<<: *x",
    "<<: {serverTLSBootstrap: false}",
    "clusterDomain: |+",
    "clusterDomain: >-",
    "clusterDomain: \"a",
    "clusterDomain: 'b",
    "  x",
    "x: &x {a: b}",
    "featureGates: {RotateKubeletServerCertificate: false}",
    "featureGates: {AllBeta: no}",
    "- a",
    "{",
    "}",
    "]",
    "y: *y",
    "apiServer: {}",
    "apiServer: # c",
    "  extraArgs:",
    "  extraArgs: []",
    "  extraArgs: {a: 'b'}",
    "  - name: kubelet-certificate-authority",
    "    value: /etc/kubernetes/pki/ca.crt",
    "    kubelet-certificate-authority: /etc/kubernetes/pki/ca.crt",
    "    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt",
    "    - --kubelet-certificate-authority",
    "    args:",
    "certificatesDir: /etc/kubernetes/pki",
    "apiVersion: kubeadm.k8s.io/v1beta4",
    "kind: InitConfiguration",
];

/// Every file of the corpus.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    // from fuzz/ it lies one up
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = ["testdata/corpus", "../testdata/corpus"]
        .map(|path| root.join(path))
        .into_iter()
        .find(|path| path.exists());
    let mut paths: Vec<_> = fs::read_dir(directory.unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "json")
    });
    paths.retain(|path| path.file_name().is_some_and(|name| name != "cases.json"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Bytes, made worse in one way.
pub(crate) fn worse(corpus: &[Vec<u8>], mut bytes: Vec<u8>, (what, a, b): Mutation) -> Vec<u8> {
    let (a, b) = (a as usize, b as usize);
    let at = a % (bytes.len() + 1);
    let lines: Vec<Vec<u8>> = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let line = a % (lines.len() + 1);
    let edit = |edit: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = lines.clone();
        edit(&mut lines);
        lines.concat()
    };
    match what % 16 {
        0 if !bytes.is_empty() => {
            let at = a % bytes.len();
            bytes[at] = b" \n\t:#-?&*!|>'\"{}[],~0aT\r\\%@<=\x00\xC2\xFF"[b % 32];
            bytes
        }
        1 => edit(&|lines| {
            if line < lines.len() {
                lines.remove(line);
            }
        }),
        2 if !lines.is_empty() => {
            edit(&|lines| lines.insert(b % lines.len(), lines[a % lines.len()].clone()))
        }
        3 | 4 => {
            bytes.splice(at..at, TOKENS[b % TOKENS.len()].bytes());
            bytes
        }
        5 => String::from_utf8_lossy(&bytes)
            .replace("\r\n", "\n")
            .replace('\n', "\r\n")
            .into_bytes(),
        6 => [bytes, b"---\n".to_vec(), corpus[b % corpus.len()].clone()].concat(),
        7 => {
            bytes.truncate(at);
            bytes
        }
        8 => {
            let end = (at + b % 8).min(bytes.len());
            bytes.drain(at..end);
            bytes
        }
        9 if !lines.is_empty() => edit(&|swapped| swapped.swap(a % lines.len(), b % lines.len())),
        10 => edit(&|lines| {
            lines
                .iter_mut()
                .for_each(|line| drop(line.splice(0..0, b"  ".iter().copied())))
        }),
        11 | 12 => {
            edit(&|lines| lines.insert(line, format!("{}\n", LINES[b % LINES.len()]).into_bytes()))
        }
        13 => {
            while bytes.last().is_some_and(u8::is_ascii_whitespace) {
                bytes.pop();
            }
            bytes
        }
        14 => {
            let head = ["\u{feff}", "---\n", "# c\n", "--- # c\n", "\n", "{", " "][b % 7];
            [head.as_bytes().to_vec(), bytes].concat()
        }
        15 if !lines.is_empty() => {
            // one token of a line is replaced by another
            edit(&|lines| {
                let index = a % lines.len();
                let text = String::from_utf8_lossy(&lines[index]).into_owned();
                let token = TOKENS[b % TOKENS.len()].trim_end_matches('\n');
                lines[index] = match text.split_once(": ") {
                    Some((key, _)) => format!("{key}: {token}\n").into_bytes(),
                    None => format!("{token}{text}").into_bytes(),
                };
            })
        }
        _ => bytes,
    }
}
