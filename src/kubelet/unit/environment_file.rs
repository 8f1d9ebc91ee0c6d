//! The grammar of environment files (parse_env_file_internal in src/basic/env-file.c, before 240 src/basic/fileio.c).

/// systemd's ways to read an environment file. They part over backslashes; control characters are the caller's to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EscapeRules {
    /// A backslash in quotes of either kind stands for the next character. RHEL 8 has 239.
    Before240,
    /// A backslash in double quotes is as in a shell, in single quotes nothing special.
    Before254,
    /// A comment ends with its line, also after a backslash.
    Since254,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// All `name=value` of an environment file in their order; lines without `=` are left out.
pub(super) fn assignments(content: &[u8], reading: EscapeRules) -> Vec<Assignment> {
    let bytes = content.iter();
    let mut text = Text {
        bytes,
        line: 1,
        reading,
    };
    let mut found = Vec::new();
    loop {
        let line = text.line;
        match text.next() {
            None => return found,
            Some(b' ' | b'\t' | b'\n' | b'\r') => {}
            Some(b'#' | b';') => text.comment(),
            Some(first) => {
                if let Some(name) = text.name(first) {
                    let value = text.value();
                    found.push(Assignment { line, name, value });
                }
            }
        }
    }
}

struct Text<'a> {
    bytes: std::slice::Iter<'a, u8>,
    line: usize,
    reading: EscapeRules,
}

impl Text<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.next()?;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn comment(&mut self) {
        while let Some(byte) = self.next() {
            let ends = match byte {
                b'\\' => {
                    let escaped = self.next();
                    self.reading == EscapeRules::Since254 && escaped.is_some_and(is_newline)
                }
                _ => is_newline(byte),
            };
            if ends {
                return;
            }
        }
    }

    /// Up to the `=`; none where the line ends before.
    fn name(&mut self, first: u8) -> Option<Vec<u8>> {
        let mut name = vec![first];
        loop {
            match self.next()? {
                b'=' => break,
                byte if is_newline(byte) => return None,
                byte => name.push(byte),
            }
        }
        while name.last().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            name.pop();
        }
        Some(name)
    }

    /// Quoted pieces, joined whatever white space is between them, then a bare rest in which quotes mean nothing.
    fn value(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'\n' | b'\r' => break,
                b' ' | b'\t' => {}
                b'\'' | b'"' => self.quoted(byte, &mut value),
                byte => {
                    self.rest(byte, &mut value);
                    break;
                }
            }
        }
        value
    }

    fn quoted(&mut self, quote: u8, value: &mut Vec<u8>) {
        let escapes = quote == b'"' || self.reading == EscapeRules::Before240;
        while let Some(byte) = self.next() {
            match byte {
                b'\\' if escapes => {
                    let Some(escaped) = self.next() else { return };
                    self.escaped(escaped, value);
                }
                byte if byte == quote => return,
                byte => value.push(byte),
            }
        }
    }

    /// The byte after a backslash in quotes. A newline disappears.
    fn escaped(&self, byte: u8, value: &mut Vec<u8>) {
        match (self.reading, byte) {
            (_, b'\n') | (EscapeRules::Before240, b'\r') => {}
            (EscapeRules::Before240, _) | (_, b'"' | b'\\' | b'`' | b'$') => value.push(byte),
            _ => value.extend([b'\\', byte]),
        }
    }

    /// The bare rest: a backslash takes the next byte as it is, or takes away a newline. White space at the end is cut.
    fn rest(&mut self, first: u8, value: &mut Vec<u8>) {
        let mut kept = value.len();
        let mut next = Some(first);
        while let Some(byte) = next {
            match byte {
                b'\n' | b'\r' => break,
                b'\\' => {
                    value.extend(self.next().filter(|byte| !is_newline(*byte)));
                    kept = value.len();
                }
                b' ' | b'\t' => value.push(byte),
                byte => {
                    value.push(byte);
                    kept = value.len();
                }
            }
            next = self.next();
        }
        value.truncate(kept);
    }
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What 254 and later make of a file, as `name=value@line`.
    fn read(content: &str, reading: EscapeRules) -> Vec<String> {
        let show = |a: Assignment| {
            let (name, value) = (
                String::from_utf8_lossy(&a.name),
                String::from_utf8_lossy(&a.value),
            );
            format!("{name}={value}@{}", a.line)
        };
        assignments(content.as_bytes(), reading)
            .into_iter()
            .map(show)
            .collect()
    }

    #[test]
    fn environment_files_are_read_as_systemd_reads_them() {
        let cases: [(&str, &[&str]); 24] = [
            ("", &[]),
            ("# c\n; c\n\n  # c\nA=b\n", &["A=b@5"]),
            (" A = b c \t\n", &["A=b c@1"]),
            ("A=\nB=  \nC", &["A=@1", "B=@2"]),
            ("no assignment\nA=b", &["A=b@2"]),
            ("export A=b", &["export A=b@1"]),
            ("A=b # not a comment", &["A=b # not a comment@1"]),
            ("A=b=c;d", &["A=b=c;d@1"]),
            ("A=b\r\nB=c\r\n", &["A=b@1", "B=c@2"]),
            (r#"A="b  c" "#, &["A=b  c@1"]),
            (r#"A="b" 'c'  d"e" "#, &[r#"A=bcd"e"@1"#]),
            (r#"A=--x="y z""#, &[r#"A=--x="y z"@1"#]),
            (r#"A="a\"b\\c\$d\`e\nf""#, &[r#"A=a"b\c$d`e\nf@1"#]),
            (r#"A='a\nb"c'"#, &[r#"A=a\nb"c@1"#]),
            ("A='it'\\''s'", &["A=it''s'@1"]),
            (r"A=a\ b\\c\nd\ ", &[r"A=a b\cnd @1"]),
            ("A=\"b \\\n  c\"\nD=e", &["A=b   c@1", "D=e@3"]),
            ("A=--b \\\n  --c\nD=e", &["A=--b   --c@1", "D=e@3"]),
            ("A=\\\n\"b\"\nC=d", &["A=\"b\"@1", "C=d@3"]),
            ("A=b \\\n\nC=d", &["A=b @1", "C=d@3"]),
            ("A=--b \\\r\n--c=d\r\n", &["A=--b @1", "--c=d@2"]),
            ("A=\"b\nc\" 'd\ne'\nF=g", &["A=b\ncd\ne@1", "F=g@4"]),
            ("A=\"open\nB=c", &["A=open\nB=c@1"]),
            ("A=b\\", &["A=b@1"]),
        ];
        for (content, expected) in cases {
            assert_eq!(read(content, EscapeRules::Since254), expected, "{content}");
        }
    }

    #[test]
    fn each_version_of_systemd_is_read_in_its_own_way() {
        let all = |content| {
            [
                EscapeRules::Before240,
                EscapeRules::Before254,
                EscapeRules::Since254,
            ]
            .map(|reading| read(content, reading).join(" "))
        };
        assert_eq!(all("# x \\\nA=b"), ["", "", "A=b@2"]);
        assert_eq!(
            all("# x \\\n# y \\\nA=b\nC=d"),
            ["C=d@4", "C=d@4", "A=b@3 C=d@4"]
        );
        assert_eq!(all(r#"A="\n""#), ["A=n@1", r"A=\n@1", r"A=\n@1"]);
        assert_eq!(all(r"A='\n'"), ["A=n@1", r"A=\n@1", r"A=\n@1"]);
    }

    proptest! {
        #[test]
        fn any_value_survives_double_quotes_in_a_file(value in r#"[ -~äß\\"$`\n]{0,20}"#) {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$").replace('`', r"\`");
            for reading in [EscapeRules::Before240, EscapeRules::Before254, EscapeRules::Since254] {
                let found = assignments(format!("A=\"{quoted}\"").as_bytes(), reading);
                prop_assert_eq!(found, [Assignment { line: 1, name: b"A".into(), value: value.clone().into() }]);
            }
        }
    }
}
