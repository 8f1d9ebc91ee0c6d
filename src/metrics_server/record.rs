//! What kubelet-tls remembers of a directory, outside of it: the CAs that it created there. A CA that lies in the directory
//! and is not in the record may be another party's, and would sign whatever the API server then takes for metrics-server.

use serde::{Deserialize, Serialize};

use crate::text::sha256;

/// How many CAs are remembered. Two are in use at a time; more only where runs were killed.
const REMEMBERED: usize = 8;

/// The CAs that were created in one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaRecord {
    /// The directory's real path, for people who read the record.
    directory: String,
    /// The SHA-256 of each CA's certificate (DER), in hexadecimal digits, the newest last.
    cas: Vec<String>,
}

impl CaRecord {
    /// The name under which the record of the directory with this real path is kept.
    pub fn file_name(directory: &str) -> String {
        format!("metrics-server-{}.json", sha256(directory.as_bytes()))
    }

    /// Reads a record; what is not one remembers nothing.
    pub fn read(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    /// Whether this CA (DER) was created in the directory.
    pub fn contains(&self, ca: &[u8]) -> bool {
        self.cas.contains(&sha256(ca))
    }

    /// This record of `directory` with one more CA (DER), as it is kept.
    pub fn with(&self, directory: &str, ca: &[u8]) -> Vec<u8> {
        let hash = sha256(ca);
        let mut cas: Vec<String> = self
            .cas
            .iter()
            .filter(|known| **known != hash)
            .cloned()
            .collect();
        cas.push(hash);
        let first = cas.len().saturating_sub(REMEMBERED);
        let record = Self {
            directory: directory.to_owned(),
            cas: cas.split_off(first),
        };
        // A struct of strings always becomes JSON.
        serde_json::to_vec(&record).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_remembers_the_newest_cas_and_no_other() {
        let mut record = CaRecord::read(b"not a record");
        assert_eq!(record, CaRecord::default());
        for ca in 0..=REMEMBERED {
            record = CaRecord::read(&record.with("/d", &[ca as u8]));
        }
        assert!(!record.contains(&[0]) && record.contains(&[1]) && record.contains(&[8]));
        assert_eq!(record.cas.len(), REMEMBERED);
        let again = CaRecord::read(&record.with("/d", &[1]));
        assert!(again.contains(&[2]) && again.cas.last() == Some(&sha256(&[1])));
        assert_ne!(CaRecord::file_name("/a"), CaRecord::file_name("/b"));
    }
}
