//! `people.csv`: the rows of an archive.

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::row::{Fields, Person};
use crate::http::Problem;

/// The columns that a list may have.
const COLUMNS: [&str; 9] = [
    "employee_id",
    "badge_id",
    "name",
    "department",
    "groups",
    "valid_from",
    "valid_until",
    "consent_version",
    "photo",
];

/// Those of which a list needs one: they say who it is.
const WHO: [&str; 3] = ["employee_id", "badge_id", "name"];

/// A row of the list; its photo is still to come.
#[derive(Debug)]
pub(super) struct Listed {
    /// Where it stands, from 1: the header's is 1.
    pub line: u64,
    /// What it calls the person by.
    pub label: String,
    pub person: Result<Person, Problem>,
    /// The name of its photo.
    pub photo: Option<String>,
}

/// Reads a whole list.
///
/// # Errors
/// When its header is not one, or it has more than `rows_max` rows; a row that is wrong is told of in its place.
pub(super) fn read(text: &[u8], rows_max: usize) -> Result<Vec<Listed>, Problem> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text);
    let unreadable = |error: csv::Error| bad_list(format!("people.csv: {error}"));
    let columns = columns(reader.byte_headers().map_err(unreadable)?)?;
    let mut rows = Vec::new();
    let mut record = ByteRecord::new();
    let mut lines = Lines { text, line: 1, counted: 0 };
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        if rows.len() == rows_max {
            return Err(too_many_rows(rows_max));
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        let (fields, wrong) = fields(&columns, &record);
        rows.push(Listed {
            line,
            label: fields.label(),
            person: wrong.map_or_else(|| fields.person(), Err),
            photo: fields.photo,
        });
    }
    Ok(rows)
}

/// Counts lines as editors do. The crate's count is one behind where lines end with a return too.
struct Lines<'t> {
    text: &'t [u8],
    line: u64,
    counted: usize,
}

impl Lines<'_> {
    /// The line of the row that begins at or behind this byte: another than that of the row before.
    fn of(&mut self, begins: u64) -> u64 {
        let rest = self.text.get(begins as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begins = self.text.len() - rest.len() + blank;
        let before = self.text.get(self.counted..begins).unwrap_or_default();
        let ends = before.iter().filter(|byte| **byte == b'\n').count() as u64;
        (self.line, self.counted) = (self.line + ends.max(1), begins);
        self.line
    }
}

/// A comma; or a semicolon, which spreadsheets write where the comma is in numbers.
fn delimiter(text: &[u8]) -> u8 {
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.contains(&b';') && !header.contains(&b',') { b';' } else { b',' }
}

fn columns(header: &ByteRecord) -> Result<Vec<&'static str>, Problem> {
    let mut columns = Vec::with_capacity(header.len());
    for (name, number) in header.iter().zip(1..) {
        let known =
            COLUMNS.into_iter().find(|column| column.as_bytes() == name).ok_or_else(|| {
                // By its number: a list without a header has a person there, and this is kept.
                let known = COLUMNS.join(", ");
                bad_list(format!(
                    "people.csv, line 1: what field {number} is called is no column; there are {known}"
                ))
            })?;
        if columns.contains(&known) {
            return Err(bad_list(format!("people.csv, line 1: the column {known} comes twice")));
        }
        columns.push(known);
    }
    if !WHO.iter().any(|column| columns.contains(column)) {
        let who = WHO.join(", ");
        return Err(bad_list(format!("people.csv, line 1: one of the columns {who} is needed")));
    }
    Ok(columns)
}

/// What a row says, and what is wrong with how it says it.
fn fields(columns: &[&str], record: &ByteRecord) -> (Fields, Option<Problem>) {
    let mut fields = Fields::default();
    let mut wrong = None;
    for (column, value) in columns.iter().zip(record) {
        let Ok(value) = std::str::from_utf8(value) else {
            let detail = format!("{column}: not UTF-8");
            wrong = Some(Problem::unprocessable("bad_value", detail));
            continue;
        };
        let value = Some(value).filter(|value| !value.is_empty()).map(str::to_owned);
        match *column {
            "employee_id" => fields.employee_id = value,
            "badge_id" => fields.badge_id = value,
            "name" => fields.name = value,
            "department" => fields.department = value,
            "groups" => {
                let groups = value.iter().flat_map(|groups| groups.split('|'));
                fields.groups = groups.map(|group| group.trim().to_owned()).collect();
            }
            "valid_from" => fields.valid_from = value,
            "valid_until" => fields.valid_until = value,
            "consent_version" => fields.consent_version = value,
            _ => fields.photo = value,
        }
    }
    if record.len() != columns.len() {
        let (found, wanted) = (record.len(), columns.len());
        let detail = format!("the row has {found} fields, the header {wanted}");
        wrong = Some(Problem::unprocessable("bad_value", detail));
    }
    (fields, wrong)
}

fn bad_list(detail: String) -> Problem {
    Problem::unprocessable("bad_list", detail)
}

/// What an import with more rows is told.
pub(super) fn too_many_rows(rows_max: usize) -> Problem {
    let detail = format!("an import has at most {rows_max} rows (enrolment.import_rows_max)");
    Problem::too_large("too_many_rows", detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problem(text: &str) -> Problem {
        read(text.as_bytes(), 10).unwrap_err()
    }

    #[test]
    fn a_list_is_read_by_its_header_whatever_program_wrote_it() {
        for text in [
            "badge_id,name,groups,photo\r\nB-1,Ada Lovelace,staff|night shift,ada.jpg\r\n",
            "\u{feff}badge_id;name;groups;photo\nB-1; Ada  Lovelace ;staff | night shift;ada.jpg",
            "name,photo,badge_id,groups\n\"Ada Lovelace\",ada.jpg,B-1,staff|night shift\n\n",
        ] {
            let rows = read(text.as_bytes(), 10).unwrap();
            assert_eq!(rows.len(), 1, "{text}");
            let person = rows[0].person.as_ref().unwrap();
            assert_eq!(person.badge_id.as_ref().unwrap().as_str(), "B-1");
            assert_eq!(person.name.as_ref().unwrap().as_str(), "Ada Lovelace");
            let groups: Vec<_> = person.groups.iter().map(|group| group.as_str()).collect();
            assert_eq!(groups, ["staff", "night shift"]);
            assert_eq!(rows[0].photo.as_deref(), Some("ada.jpg"));
            assert_eq!((rows[0].line, rows[0].label.as_str()), (2, "B-1"));
        }
    }

    #[test]
    fn every_row_has_a_line_of_its_own_whatever_ends_them() {
        for (text, lines) in [
            ("name\nAda\n\nGrace\n\"A\nB\"\nMary", &[2, 4, 5, 7][..]),
            ("name\r\nAda\r\n\r\nGrace\r\nMary\r\n", &[2, 4, 5]),
            ("name\rAda\rGrace\rMary", &[2, 3, 4]),
        ] {
            let rows = read(text.as_bytes(), 10).unwrap();
            assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), lines, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_header_is_refused_by_its_column() {
        for (header, told) in [
            ("badge_id,surname", "field 2"),
            ("name,photo,name", "name comes twice"),
            ("department,photo", "employee_id, badge_id, name"),
            ("", "employee_id, badge_id, name"),
        ] {
            let problem = problem(header);
            assert_eq!(problem.code(), "bad_list");
            assert!(problem.detail().contains(told), "{}", problem.detail());
            assert!(!problem.detail().contains("surname"), "{}", problem.detail());
        }
        assert_eq!(problem(&format!("name\n{}", "Ada\n".repeat(11))).code(), "too_many_rows");
    }

    #[test]
    fn a_wrong_row_is_told_of_by_its_line_and_the_others_stand() {
        let text = "badge_id,name,valid_until\nB-1,Ada,tomorrow\nB-2,Grace\nB-3,Mary,2027-01-01T00:00:00Z\n,,\n";
        let rows = read(text.as_bytes(), 10).unwrap();
        let wrong = |row: &Listed| row.person.as_ref().unwrap_err().detail().to_owned();
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert!(wrong(&rows[0]).contains("valid_until"), "{}", wrong(&rows[0]));
        assert!(!wrong(&rows[0]).contains("tomorrow"), "{}", wrong(&rows[0]));
        assert!(wrong(&rows[1]).contains("2 fields"), "{}", wrong(&rows[1]));
        assert!(rows[2].person.is_ok());
        assert!(wrong(&rows[3]).contains("badge_id"), "{}", wrong(&rows[3]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_a_refusal(text in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&text, 10);
            let _ = read(&[&b"badge_id,name,photo\n"[..], &text].concat(), 10);
        }

        #[test]
        fn what_is_written_as_csv_is_read_as_it_was(
            people in proptest::collection::vec(("[A-Za-z0-9,;\"-]{1,20}", "[A-Za-z\u{e0}-\u{ff}\"',;]{1,30}"), 1..10)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["badge_id", "name"]).unwrap();
            for (badge, name) in &people {
                writer.write_record([badge, name]).unwrap();
            }
            let rows = read(&writer.into_inner().unwrap(), 10).unwrap();
            prop_assert_eq!(rows.len(), people.len());
            for (number, (row, (badge, name))) in rows.iter().zip(&people).enumerate() {
                let person = row.person.as_ref().unwrap();
                prop_assert_eq!(row.line, number as u64 + 2);
                prop_assert_eq!(person.badge_id.as_ref().unwrap().as_str(), badge);
                prop_assert_eq!(person.name.as_ref().unwrap().as_str(), name);
            }
        }
    }
}
