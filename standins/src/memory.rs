//! The memory of a process, for the tests that bound it.

/// The most memory that process `pid` ever had resident, in KiB; none once it has ended, and none until it is the program
/// called `kubelet-tls`, because a child has its parent's memory until it executes another program.
#[must_use]
pub fn peak(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = text
        .starts_with("Name:\tkubelet-tls")
        .then(|| text.lines())?;
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
