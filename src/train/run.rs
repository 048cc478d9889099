//! The folder of a run: what it was told, how it went, and where it stands.
//!
//! | file | what |
//! |---|---|
//! | `settings.json` | what the run was told |
//! | `metrics.jsonl` | a line for each step and each look at the validation people |
//! | `checkpoint.safetensors` | where it stands, with what the optimizer remembers, and the numbers of the best look |
//!
//! Files that matter are written beside themselves, to the disk, and then exchanged: whenever the process ends, the
//! last state is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::SafeTensors;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::parameters::{Tensors, TensorsError, from_bytes, to_bytes};

const SETTINGS: &str = "settings.json";
const METRICS: &str = "metrics.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";

/// How the names of the best look's numbers begin in a checkpoint. They are in the same file, so that they are always those
/// of the look that it names.
const BEST: &str = "best.";

/// The entry of a checkpoint's metadata that says where it stands.
const STANDING: &str = "limen";

/// Why a run cannot be begun, gone on with or kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is a run already.
    #[error("{} holds a run already: --resume goes on with it, another --out begins anew", .0.display())]
    Exists(PathBuf),
    /// There is no run.
    #[error("{} holds no run that could be resumed", .0.display())]
    Absent(PathBuf),
    /// It was told something else.
    #[error("{} was begun with other settings ({what}): resume it with the same, or begin anew in another folder", folder.display())]
    OtherSettings {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file is not what the run wrote.
    #[error("{}: {what}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Tensors cannot be written.
    #[error(transparent)]
    Tensors(#[from] TensorsError),
}

/// What a run keeps, all in one file: it is always of one step.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// Where it stands.
    pub standing: Standing,
    /// The numbers that are learnt, and what the optimizer remembers of them.
    pub numbers: Tensors,
    /// The numbers of the best look.
    pub best: Tensors,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Steps that were taken.
    pub step: u64,
    /// The step of the best look, and how bad it was.
    pub best: Option<(u64, f64)>,
    /// Looks since then.
    pub looks_since: u64,
}

/// The folder of a run that is under way.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    metrics: BufWriter<File>,
}

impl Run {
    /// Begins a run in a folder that holds none.
    ///
    /// # Errors
    /// When it holds one, or cannot be written.
    pub fn begin(folder: &Path, settings: &impl Serialize) -> Result<Self, RunError> {
        fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
        if folder.join(SETTINGS).exists() {
            return Err(RunError::Exists(folder.to_owned()));
        }
        write(folder, SETTINGS, &json(settings))?;
        Self::open(folder)
    }

    /// Goes on with a run, from its last checkpoint if there is one: what was noted after it is forgotten.
    ///
    /// # Errors
    /// When there is none, it was told something else, or a file of it cannot be used.
    pub fn resume<S: Serialize + DeserializeOwned + PartialEq>(
        folder: &Path,
        settings: &S,
    ) -> Result<(Self, Option<Checkpoint>), RunError> {
        let path = folder.join(SETTINGS);
        let told = match fs::read_to_string(&path) {
            Ok(told) => told,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RunError::Absent(folder.to_owned()));
            }
            Err(error) => return Err(at(&path, error)),
        };
        let told: serde_json::Value =
            serde_json::from_str(&told).map_err(|error| damaged(&path, &error))?;
        // As it would stand there.
        let asked: serde_json::Value =
            serde_json::from_slice(&json(settings)).map_err(|error| damaged(&path, &error))?;
        if told != asked {
            let what = difference(&told, &asked).unwrap_or_else(|| "settings".to_owned());
            return Err(RunError::OtherSettings { folder: folder.to_owned(), what });
        }
        let kept = read_checkpoint(&folder.join(CHECKPOINT))?;
        forget_after(&folder.join(METRICS), kept.as_ref().map_or(0, |kept| kept.standing.step))?;
        Ok((Self::open(folder)?, kept))
    }

    fn open(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(METRICS);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let metrics = BufWriter::new(file.map_err(|error| at(&path, error))?);
        Ok(Self { folder: folder.to_owned(), metrics })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, line: &impl Serialize) -> Result<(), RunError> {
        let mut line = json(line);
        line.push(b'\n');
        self.metrics.write_all(&line).map_err(|error| at(&self.folder.join(METRICS), error))
    }

    /// Keeps where it stands.
    ///
    /// # Errors
    /// When it cannot be written: what was kept before is whole.
    pub fn keep(&mut self, checkpoint: &Checkpoint) -> Result<(), RunError> {
        let Checkpoint { standing, numbers, best } = checkpoint;
        self.metrics.flush().map_err(|error| at(&self.folder.join(METRICS), error))?;
        let standing = String::from_utf8_lossy(&json(standing)).into_owned();
        let about = [(STANDING.to_owned(), standing)].into();
        let best = best.iter().map(|(name, tensor)| (format!("{BEST}{name}"), tensor));
        let all = numbers.iter().map(|(name, tensor)| (name.clone(), tensor)).chain(best);
        let all = all.map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
        write(&self.folder, CHECKPOINT, &to_bytes(&all, Some(about))?)
    }

    /// Writes a file of the run, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        write(&self.folder, name, bytes)
    }

    /// Every line that was noted so far.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is none.
    pub fn notes<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, RunError> {
        let path = self.folder.join(METRICS);
        self.metrics.flush().map_err(|error| at(&path, error))?;
        let text = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().map_err(|error| damaged(&path, &error))
    }
}

/// Writes beside the file, to the disk, and exchanges.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), RunError> {
    let path = folder.join(name);
    let written = (|| {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|error| at(&path, error))
}

fn read_checkpoint(path: &Path) -> Result<Option<Checkpoint>, RunError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path, error)),
    };
    let (_, about) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, &error))?;
    let standing = about.metadata().as_ref().and_then(|entries| entries.get(STANDING));
    let standing = standing.ok_or_else(|| damaged(path, &"it does not say where it stands"))?;
    let standing = serde_json::from_str(standing).map_err(|error| damaged(path, &error))?;
    let mut checkpoint = Checkpoint { standing, ..Checkpoint::default() };
    for (name, tensor) in from_bytes(&bytes).map_err(|error| damaged(path, &error))? {
        match name.strip_prefix(BEST) {
            Some(name) => checkpoint.best.insert(name.to_owned(), tensor),
            None => checkpoint.numbers.insert(name, tensor),
        };
    }
    if checkpoint.standing.best.is_some() && checkpoint.best.is_empty() {
        return Err(damaged(path, &"it lacks the numbers of the best look"));
    }
    Ok(Some(checkpoint))
}

/// Leaves out the lines of steps after `step`, and one that was cut short.
fn forget_after(path: &Path, step: u64) -> Result<(), RunError> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(()) };
    let kept = text.lines().filter(|line| {
        let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
        line.and_then(|line| line["step"].as_u64()).is_some_and(|at| at <= step)
    });
    let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
    if kept == text {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    write(folder, METRICS, kept.as_bytes())
}

/// The first value that differs, by its name.
fn difference(told: &serde_json::Value, asked: &serde_json::Value) -> Option<String> {
    match (told, asked) {
        (serde_json::Value::Object(told), serde_json::Value::Object(asked)) => {
            let names = told.keys().chain(asked.keys());
            names.into_iter().find_map(|name| {
                let (was, is) = (told.get(name)?, asked.get(name)?);
                (was != is).then(|| match difference(was, is) {
                    Some(within) if was.is_object() => format!("{name}.{within}"),
                    _ => format!("{name}: {was}, now {is}"),
                })
            })
        }
        _ => None,
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("settings and figures have no odd keys")
}

fn at(path: &Path, error: io::Error) -> RunError {
    RunError::File { path: path.to_owned(), error }
}

fn damaged(path: &Path, what: &impl ToString) -> RunError {
    RunError::Damaged { path: path.to_owned(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tch::Tensor;

    use super::*;

    /// As many as the step's number.
    fn at_step(step: u64) -> Checkpoint {
        let numbers = [("x".to_owned(), Tensor::from_slice(&[step as f32]))].into();
        let standing = Standing { step, ..Standing::default() };
        Checkpoint { standing, numbers, best: Tensors::new() }
    }

    #[test]
    fn a_run_goes_on_from_its_checkpoint_and_forgets_what_came_after() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("run");
        let settings = json!({"rate": 0.1, "batch": {"people": 2}});
        let mut run = Run::begin(&folder, &settings).unwrap();
        assert!(matches!(Run::begin(&folder, &settings), Err(RunError::Exists(_))));
        let weight =
            |values: &[f32]| Tensors::from([("weight".to_owned(), Tensor::from_slice(values))]);
        run.note(&json!({"step": 1})).unwrap();
        let standing = Standing { step: 1, best: Some((0, 0.25)), looks_since: 1 };
        let (numbers, best) = (weight(&[1.5, -2.0]), weight(&[1.0, -1.0]));
        let checkpoint = Checkpoint { standing, numbers, best };
        run.keep(&checkpoint).unwrap();
        run.note(&json!({"step": 2})).unwrap();
        drop(run);
        // As a kill leaves it.
        let metrics = folder.join(METRICS);
        let cut = fs::read_to_string(&metrics).unwrap() + "{\"ste";
        fs::write(&metrics, cut).unwrap();

        let (mut run, kept) = Run::resume(&folder, &settings).unwrap();
        let kept = kept.unwrap();
        assert_eq!(kept.standing, standing);
        assert_eq!(kept.numbers, checkpoint.numbers);
        assert_eq!(kept.best, checkpoint.best);
        let notes: Vec<serde_json::Value> = run.notes().unwrap();
        assert_eq!(notes, [json!({"step": 1})]);
    }

    #[test]
    fn what_cannot_be_resumed_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let settings = json!({"rate": 0.1, "batch": {"people": 2}});
        let resumed = |settings| Run::resume(folder.path(), &settings).map(drop);
        assert!(matches!(resumed(settings.clone()), Err(RunError::Absent(_))));
        Run::begin(folder.path(), &settings).unwrap();
        let other = resumed(json!({"rate": 0.1, "batch": {"people": 3}})).unwrap_err().to_string();
        assert!(other.contains("batch.people: 2, now 3"), "{other}");
        fs::write(folder.path().join(CHECKPOINT), b"nonsense").unwrap();
        let damaged = resumed(settings).unwrap_err().to_string();
        assert!(damaged.contains(CHECKPOINT), "{damaged}");
    }

    #[test]
    fn a_state_that_cannot_be_written_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::begin(folder.path(), &json!({})).unwrap();
        run.keep(&at_step(1)).unwrap();
        // No file can be made there any more: as good as a full disk.
        let moved = folder.path().with_extension("moved");
        fs::rename(folder.path(), &moved).unwrap();
        assert!(run.keep(&at_step(2)).is_err());
        let kept = read_checkpoint(&moved.join(CHECKPOINT)).unwrap().unwrap();
        assert_eq!((kept.standing.step, kept.numbers["x"].double_value(&[0])), (1, 1.0));
        fs::remove_dir_all(moved).unwrap();
    }

    #[test]
    fn a_full_disk_is_told_by_the_name_of_the_file_and_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::begin(folder.path(), &json!({})).unwrap();
        run.keep(&at_step(1)).unwrap();
        drop(run);
        // A device that is always full.
        fs::remove_file(folder.path().join(METRICS)).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join(METRICS)).unwrap();
        let mut run = Run::open(folder.path()).unwrap();
        run.note(&json!({"step": 2})).unwrap();
        let error = run.keep(&at_step(2)).unwrap_err().to_string();
        assert!(error.contains(METRICS) && error.contains("No space left"), "{error}");
        let kept = read_checkpoint(&folder.path().join(CHECKPOINT)).unwrap().unwrap();
        assert_eq!((kept.standing.step, kept.numbers["x"].double_value(&[0])), (1, 1.0));
    }
}
