//! Lists of pairs: LFW's `pairs.txt`, or a CSV.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{DatasetError, read_csv, read_text};

/// Two photos and whether they show one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Below the folder of images.
    pub left: PathBuf,
    /// Below the folder of images.
    pub right: PathBuf,
    /// Whether both show the same person.
    pub same: bool,
    /// The fold that the protocol puts it in, from 0, where there are folds.
    pub fold: Option<u32>,
}

/// Reads a list: a `.csv` with the columns `left,right,same` (and `fold`; a list that names none and is laid out as
/// LFW's, ten times so many genuine pairs and as many impostor ones, has these ten folds), anything else as LFW's own
/// `pairs.txt` (Huang et al. 2007): `folds pairs` or `pairs`, then in each fold so many lines `name number number` and as
/// many `name number name number`.
///
/// # Errors
/// When the file cannot be read, holds no pair, or a line is not one.
pub fn read_pairs(file: &Path) -> Result<Vec<Pair>, DatasetError> {
    let is_csv = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let pairs = if is_csv { from_csv(file)? } else { from_lfw(file)? };
    if pairs.is_empty() {
        return Err(DatasetError::Empty { path: file.to_owned(), what: "pairs" });
    }
    Ok(pairs)
}

/// Folds of LFW's own list, and of those that follow it.
const LFW_FOLDS: usize = 10;

#[derive(Deserialize)]
struct Row {
    left: PathBuf,
    right: PathBuf,
    same: String,
    fold: Option<u32>,
}

fn from_csv(file: &Path) -> Result<Vec<Pair>, DatasetError> {
    let pair = |(line, row): (u64, Row)| {
        let same = match row.same.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            other => {
                let what = format!("`same` must be 1 or 0, not {other:?}");
                return Err(DatasetError::Line { file: file.to_owned(), line, what });
            }
        };
        Ok(Pair { left: row.left, right: row.right, same, fold: row.fold })
    };
    let mut pairs = read_csv::<Row>(file)?.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    if let Some(folds) = folds_by_layout(&pairs) {
        let each = pairs.len() / folds;
        pairs.iter_mut().zip(0..).for_each(|(pair, at)| pair.fold = Some((at / each) as u32));
    }
    Ok(pairs)
}

/// The folds that a list which names none is laid out in, as LFW's is; none where it is laid out otherwise.
fn folds_by_layout(pairs: &[Pair]) -> Option<usize> {
    let runs: Vec<usize> = pairs.chunk_by(|a, b| a.same == b.same).map(<[Pair]>::len).collect();
    let each = *runs.first()?;
    let is_laid_out = pairs[0].same
        && pairs.iter().all(|pair| pair.fold.is_none())
        && runs.len() == 2 * LFW_FOLDS
        && runs.iter().all(|run| *run == each);
    is_laid_out.then_some(LFW_FOLDS)
}

fn from_lfw(file: &Path) -> Result<Vec<Pair>, DatasetError> {
    let text = read_text(file)?;
    let wrong = |line: usize, what: String| DatasetError::Line {
        file: file.to_owned(),
        line: line as u64 + 1,
        what,
    };
    let mut lines = text.lines().enumerate();
    let header: Option<Vec<usize>> = lines
        .next()
        .and_then(|(_, line)| line.split_whitespace().map(|n| n.parse().ok()).collect());
    let (folds, pairs) = match header.as_deref() {
        Some([folds, pairs]) => (*folds, *pairs),
        Some([pairs]) => (1, *pairs),
        _ => return Err(wrong(0, "expected LFW's header: `folds pairs` or `pairs`".into())),
    };
    let mut read = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let photo = |person: &str, number_of: &str| {
            let photo: u32 = number_of
                .parse()
                .map_err(|_| wrong(number, format!("{number_of:?} is no photo's number")))?;
            Ok(PathBuf::from(person).join(format!("{person}_{photo:04}.jpg")))
        };
        let (left, right, same) = match words[..] {
            [person, a, b] => (photo(person, a)?, photo(person, b)?, true),
            [one, a, other, b] => (photo(one, a)?, photo(other, b)?, false),
            _ => return Err(wrong(number, "expected `name n m` or `name n name m`".into())),
        };
        let fold = (folds > 1).then(|| (read.len() / (2 * pairs).max(1)) as u32);
        read.push(Pair { left, right, same, fold });
    }
    let promised = folds.saturating_mul(pairs).saturating_mul(2);
    if read.len() != promised {
        let what = format!("promises {promised} pairs, {} follow", read.len());
        return Err(wrong(0, what));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<Pair>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read_pairs(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn lfws_own_list_gives_paths_and_folds() {
        let pairs = read("pairs.txt", "2\t1\nAda\t1\t2\nAda\t1\tBob\t3\nBob 1 2\nBob 4 Ada 1\n");
        let pairs = pairs.unwrap();
        assert_eq!(pairs.iter().map(|p| p.fold).collect::<Vec<_>>(), [0, 0, 1, 1].map(Some));
        assert_eq!(pairs[1].right, Path::new("Bob/Bob_0003.jpg"));
        assert_eq!(pairs.iter().filter(|p| p.same).count(), 2);
        assert_eq!(read("dev.txt", "1\nAda 1 2\nAda 1 Bob 3\n").unwrap()[0].fold, None);
    }

    #[test]
    fn a_csv_that_is_laid_out_as_lfw_s_list_has_its_folds() {
        let list = |runs: &[(usize, u8)]| {
            let lines = runs.iter().flat_map(|(many, same)| (0..*many).map(move |_| *same));
            let lines: String = lines.map(|same| format!("a.jpg,b.jpg,{same}\n")).collect();
            let pairs = read("pairs.csv", &format!("left,right,same\n{lines}")).unwrap();
            pairs.iter().map(|pair| pair.fold).collect::<Vec<_>>()
        };
        let laid_out = [(3, 1), (3, 0)].repeat(10);
        let folds = list(&laid_out);
        assert_eq!((folds[0], folds[5], folds[6], folds[59]), (Some(0), Some(0), Some(1), Some(9)));
        let mut uneven = laid_out.clone();
        uneven[19].0 = 2;
        let reversed: Vec<(usize, u8)> = laid_out.iter().rev().copied().collect();
        for other in [&laid_out[..18], &laid_out[..19], &uneven, &reversed] {
            assert!(list(other).iter().all(Option::is_none), "{other:?}");
        }
    }

    #[test]
    fn a_csv_gives_pairs_and_the_folds_it_names() {
        let pairs =
            read("pairs.csv", "left,right,same\na.jpg, b.jpg, 1\na.jpg,c.jpg,false\n").unwrap();
        assert_eq!((pairs[0].same, pairs[1].same, pairs[0].fold), (true, false, None));
        let folded = read("pairs.csv", "fold,same,right,left\n3,1,b.jpg,a.jpg\n").unwrap();
        assert_eq!((folded[0].fold, folded[0].left.to_str()), (Some(3), Some("a.jpg")));
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        for (name, text, parts) in [
            ("p.txt", "2 1\nAda 1 2\n", ["line 1", "promises 4 pairs, 1 follow"]),
            ("p.txt", "1\nAda 1 2\nAda one Bob 2\n", ["line 3", "no photo's number"]),
            ("p.txt", "1\nAda\n", ["line 2", "expected `name n m`"]),
            ("p.txt", "Ada 1 2\n", ["line 1", "header"]),
            ("p.csv", "left,right,same\na,b,1\na,c,maybe\n", ["line 3", "maybe"]),
            ("p.csv", "left,right\na,b\n", ["line 2", "same"]),
            ("p.csv", "left,right,same\n", ["p.csv", "no pairs"]),
        ] {
            let error = read(name, text).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
        }
    }
}
