//! Who may ask for an operation: the table of docs/ROLES.md, which a test drives every operation against.

const ROLES: &str = include_str!("../../../docs/ROLES.md");

/// Who may, in words: the roles, or for whom it is without a key. None: the table does not have it.
pub(super) fn of(operation: &str) -> Option<String> {
    let mut lines = ROLES.lines().skip_while(|line| !line.starts_with("| operation |"));
    let roles = cells(lines.next()?);
    let row = lines.map(cells).find(|row| row[0].trim_matches('`') == operation)?;
    if row[1].starts_with("everybody") {
        return Some(row[1].to_owned());
    }
    let may = roles.iter().zip(row).skip(1).filter_map(|(role, cell)| match cell {
        "" => None,
        "yes" => Some((*role).to_owned()),
        restricted => Some(format!("{role} ({restricted})")),
    });
    Some(may.collect::<Vec<_>>().join(", "))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_table_says_who_may() {
        let says = |operation| of(operation).unwrap();
        assert_eq!(says("GET /docs"), "everybody");
        assert_eq!(says("POST /v1/invitation/face"), "everybody with the link");
        assert_eq!(says("POST /v1/verify"), "gate");
        let change = says("PATCH /v1/employees/{employee_id}");
        assert_eq!(change, "enroller, officer (the status alone), admin");
        assert_eq!(of("GET /nothing"), None);
    }
}
