//! The documentation keeps up with the code.

use limen::domain::Reason;
use limen::http::PROBLEM_CODES;

const DOCUMENT: &str = include_str!("../docs/REASONS.md");

/// The two tables: reasons of gates, and codes of problems.
fn tables() -> (&'static str, &'static str) {
    DOCUMENT.split_once("# What is wrong with a request").expect("two parts")
}

fn rows(table: &str) -> usize {
    table.lines().filter(|line| line.starts_with('|') && line.contains("` |")).count()
}

#[test]
fn every_reason_has_its_row_in_the_documentation() {
    let (table, _) = tables();
    for reason in Reason::ALL {
        let row = format!("| {} | `{}` |", reason.decision().code(), reason.code());
        assert!(table.contains(&row), "docs/REASONS.md has no row starting with {row}");
    }
    assert_eq!(rows(table), Reason::ALL.len(), "rows for reasons that do not exist");
}

#[test]
fn every_code_of_a_problem_has_its_row_in_the_documentation() {
    let (_, table) = tables();
    for (code, meaning) in PROBLEM_CODES {
        let row = format!("| `{code}` | {meaning} |");
        assert!(table.contains(&row), "docs/REASONS.md has no row {row}");
    }
    assert_eq!(rows(table), PROBLEM_CODES.len(), "rows for codes that do not exist");
}
