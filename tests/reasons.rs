//! The documentation keeps up with the code.

use limen::domain::Reason;

#[test]
fn every_reason_has_its_row_in_the_documentation() {
    let table = include_str!("../docs/REASONS.md");
    for reason in Reason::ALL {
        let row = format!("| {} | `{}` |", reason.decision().code(), reason.code());
        assert!(table.contains(&row), "docs/REASONS.md has no row starting with {row}");
    }
    let rows = table.lines().filter(|line| line.contains("` |")).count();
    assert_eq!(rows, Reason::ALL.len(), "docs/REASONS.md has rows for reasons that do not exist");
}
