//! The command line of kube-apiserver, as pflag reads it. A flag that is not known here is not an error.

/// The flags that were given, in their order, by their names with dashes.
#[derive(Debug)]
pub(super) struct Flags(Vec<(String, String)>);

impl Flags {
    /// Reads what follows the program's name.
    pub(super) fn parse(args: &[String]) -> Self {
        let mut flags = Vec::new();
        let mut args = args.iter().peekable();
        while let Some(arg) = args.next() {
            let flag = arg.trim_start_matches('-');
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => {
                    let value = args.next_if(|next| !next.starts_with("--"));
                    (flag, value.cloned().unwrap_or_default())
                }
            };
            flags.push((name.replace('_', "-"), value));
        }
        Self(flags)
    }

    /// The last value of a flag.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rfind(|(other, _)| other == name)?;
        Some(value)
    }

    /// The values of a flag that is a list: given twice, it accumulates.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let given = self.0.iter().filter(|(other, _)| other == name);
        given
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_lists_accumulate() {
        let args = [
            "--a=1",
            "--a_b",
            "2",
            "--a=3",
            "--types=X,Y",
            "--verbose",
            "--types=Z",
            "--a-b=",
        ];
        let flags = Flags::parse(&args.map(str::to_owned));
        assert_eq!((flags.get("a"), flags.get("a-b")), (Some("3"), Some("")));
        assert_eq!(flags.list("types"), ["X", "Y", "Z"]);
        assert_eq!((flags.get("verbose"), flags.get("c")), (Some(""), None));
    }
}
