//! docs/approve.md says what the program does.

use kubelet_tls::parts::approval::Rule;
use kubelet_tls::parts::host::Fact;

fn text() -> String {
    std::fs::read_to_string("docs/approve.md").unwrap()
}

#[test]
fn each_rule_has_its_row_with_its_sentence_and_its_remedy() {
    let text = text();
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `") && !line.starts_with("| `--"))
        .collect();
    let wanted: Vec<String> = Rule::ALL
        .iter()
        .map(|rule| format!("| `{rule}` | {} | {} |", rule.sentence(), rule.remedy()))
        .collect();
    assert_eq!(rows, wanted);
}

#[test]
fn the_cluster_role_allows_what_is_read() {
    let text = text();
    for fact in Fact::ALL {
        assert!(
            text.contains(&format!("- {}\n", fact.rbac_rule())),
            "{fact:?}"
        );
    }
}
