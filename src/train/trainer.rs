//! Step after step.

use std::collections::BTreeMap;
use std::time::Instant;

use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use super::adam::{Adam, Decay, Fresh};
use super::collapse::Collapse;
use super::parameters::Tensors;
use super::prepare::expect_steps;
use super::random::random;
use super::run::{Checkpoint, Run, RunError, Standing};
use super::schedule::Schedule;

/// Numbers that are learnt, by name, in an order that stays.
pub type Parameters = [(String, Tensor)];

/// How fast numbers learn at least that begin with nothing.
const FRESH_RATE: f64 = 1e-3;

/// What is learnt, and by what it is judged.
pub trait Task {
    /// The numbers.
    fn parameters(&self) -> &Parameters;

    /// Whether a parameter begins with nothing beside others that do not, and is left behind in the end.
    fn is_fresh(&self, _name: &str) -> bool {
        false
    }

    /// The loss of the next step, with random numbers for each purpose.
    ///
    /// # Errors
    /// When libtorch fails.
    fn loss(&mut self, random: &dyn Fn(&str) -> StdRng) -> Result<Loss, TaskError>;

    /// Measures on people who are not learnt from.
    ///
    /// # Errors
    /// When they cannot be compared, or libtorch fails.
    fn look(&self) -> Result<Judgement, TaskError>;
}

/// The loss of a step.
#[derive(Debug)]
pub struct Loss {
    /// A scalar that gradients flow from.
    pub mean: Tensor,
    /// Faces that it was made of.
    pub faces: usize,
    /// What the eye wants to see beside it.
    pub measures: BTreeMap<String, f64>,
    /// What has come of the encodings, where nothing can come of it any more.
    pub collapsed: Option<Collapse>,
}

/// How good the numbers are.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What the best look is chosen by: the less the better.
    pub badness: f64,
    /// Error rates, by name.
    pub figures: BTreeMap<String, f64>,
}

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The people that are judged by cannot be compared.
    #[error("the validation people cannot be compared: {0}")]
    Figures(#[from] super::figures::FiguresError),
    /// What the network says of pictures is no number.
    #[error(
        "what the network says is no longer a number; the last state that was kept is whole. A lower --rate helps"
    )]
    NotANumber,
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// Why training ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The loss, or what is learnt, is no number.
    #[error(
        "step {step}: the loss is not a number; the last state that was kept is whole. A lower --rate helps"
    )]
    NotANumber {
        /// Where.
        step: u64,
    },
    /// The encodings tell nobody apart any more.
    #[error(
        "step {step}: {collapse}. --mining semi-hard, a lower --rate or a longer --warm-up helps"
    )]
    Collapsed {
        /// Where.
        step: u64,
        /// What has come of them.
        collapse: Collapse,
    },
    /// What was kept are other numbers.
    #[error("the checkpoint is of another architecture: {0}; begin anew in another --out")]
    OtherArchitecture(TchError),
    /// The task cannot go on.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The run cannot be kept.
    #[error(transparent)]
    Run(#[from] RunError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// How steps follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Where all random numbers begin.
    pub seed: u64,
    /// How fast is learnt.
    pub schedule: Schedule,
    /// How much weights shrink by themselves.
    pub decay: Decay,
    /// Steps from one look to the next; the state is kept each time.
    pub interval: u64,
    /// Looks without a better one after which training stops; 0: never.
    pub patience: u64,
}

/// A line of a run's notes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum Note {
    /// A step.
    Step(Step),
    /// A look.
    Look(Look),
}

/// A step, as it is noted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// What the eye wants to see beside it.
    #[serde(flatten)]
    pub measures: BTreeMap<String, f64>,
}

/// A look, as it is noted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// After this step; 0: before the first.
    pub step: u64,
    /// What the best look is chosen by: the less the better.
    pub badness: f64,
    /// Error rates, by name.
    #[serde(flatten)]
    pub figures: BTreeMap<String, f64>,
}

/// Whoever watches a run.
pub trait Watcher {
    /// After a step; `faces_per_second` over the steps of this process.
    fn stepped(&mut self, step: &Step, faces_per_second: f64);
    /// After a look; whether it was the best so far.
    fn looked(&mut self, look: &Look, best: bool);
    /// Whether training shall stop after this step and be resumed another time.
    fn is_interrupted(&self) -> bool;
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After its last step.
    Complete,
    /// Nothing had become better for so long.
    Stopped,
    /// Somebody interrupted it: it can be resumed.
    Interrupted,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Trained {
    /// Where it stands.
    pub standing: Standing,
    /// How it ended.
    pub ending: Ending,
    /// The numbers of the best look: for [`restore`].
    pub best: Tensors,
}

/// Trains until the last step, until nothing becomes better, or until it is interrupted. With `kept` it goes on there.
/// On the processor a run that was resumed ends bit for bit as one that was not.
///
/// # Errors
/// [`TrainingError`]; what was kept last stays whole.
pub fn train(
    task: &mut dyn Task,
    pace: &Pace,
    run: &mut Run,
    kept: Option<Checkpoint>,
    watcher: &mut dyn Watcher,
) -> Result<Trained, TrainingError> {
    if let Some((_, tensor)) = task.parameters().first() {
        expect_steps(tensor.device());
    }
    let times = (FRESH_RATE / pace.schedule.rate).max(1.0);
    let fresh = Fresh { is: &|name| task.is_fresh(name), times };
    let mut adam = Adam::new(task.parameters(), pace.decay, fresh)?;
    let mut state = match kept {
        Some(kept) => {
            restore(task.parameters(), &kept.numbers)
                .and_then(|()| adam.load(kept.standing.step, &kept.numbers))
                .map_err(TrainingError::OtherArchitecture)?;
            kept
        }
        None => {
            let mut state = Checkpoint::default();
            look(task, run, &mut state, watcher)?;
            keep(task, &adam, run, &mut state)?;
            state
        }
    };
    let (begun_at, mut faces) = (Instant::now(), 0);
    let ending = loop {
        let Standing { step, looks_since, .. } = state.standing;
        if step >= pace.schedule.steps {
            break Ending::Complete;
        }
        if pace.patience > 0 && looks_since >= pace.patience {
            break Ending::Stopped;
        }
        if watcher.is_interrupted() {
            keep(task, &adam, run, &mut state)?;
            break Ending::Interrupted;
        }
        let (step, seen) = take(task, pace, &mut adam, step)?;
        state.standing.step = step.step;
        faces += seen;
        watcher.stepped(&step, faces as f64 / begun_at.elapsed().as_secs_f64().max(1e-9));
        let is_last = step.step == pace.schedule.steps;
        let is_looked = step.step.is_multiple_of(pace.interval) || is_last;
        run.note(&Note::Step(step))?;
        if is_looked {
            look(task, run, &mut state, watcher)?;
            keep(task, &adam, run, &mut state)?;
        }
    };
    Ok(Trained { standing: state.standing, ending, best: state.best })
}

/// One step; with how many faces it saw.
fn take(
    task: &mut dyn Task,
    pace: &Pace,
    adam: &mut Adam,
    number: u64,
) -> Result<(Step, usize), TrainingError> {
    let Loss { mean, faces, measures, collapsed } =
        task.loss(&|purpose| random(pace.seed, purpose, number))?;
    let step = Step {
        step: number + 1,
        loss: f64::try_from(&mean)?,
        rate: pace.schedule.rate(number),
        measures,
    };
    if !step.loss.is_finite() {
        return Err(TrainingError::NotANumber { step: step.step });
    }
    if let Some(collapse) = collapsed {
        return Err(TrainingError::Collapsed { step: step.step, collapse });
    }
    mean.f_backward()?;
    adam.step(task.parameters(), step.rate)?;
    // Else the next loss would say so, and by then this might have taken the place of the last sound state.
    if !adam.is_finite()? {
        return Err(TrainingError::NotANumber { step: step.step });
    }
    Ok((step, faces))
}

fn look(
    task: &dyn Task,
    run: &mut Run,
    state: &mut Checkpoint,
    watcher: &mut dyn Watcher,
) -> Result<(), TrainingError> {
    let Judgement { badness, figures } = task.look()?;
    let standing = &mut state.standing;
    let look = Look { step: standing.step, badness, figures };
    let best = standing.best.is_none_or(|(_, badness)| look.badness < badness);
    if best {
        standing.best = Some((look.step, look.badness));
        standing.looks_since = 0;
        // Steps to come change the parameters in place.
        let copy = |(name, tensor): &(String, Tensor)| Ok((name.clone(), tensor.f_detach_copy()?));
        state.best = task.parameters().iter().map(copy).collect::<Result<_, TchError>>()?;
    } else {
        standing.looks_since += 1;
    }
    watcher.looked(&look, best);
    Ok(run.note(&Note::Look(look))?)
}

fn keep(
    task: &dyn Task,
    adam: &Adam,
    run: &mut Run,
    state: &mut Checkpoint,
) -> Result<(), TrainingError> {
    let detached = |(name, tensor): &(String, Tensor)| Ok((name.clone(), tensor.f_detach()?));
    state.numbers = task.parameters().iter().map(detached).collect::<Result<_, TchError>>()?;
    adam.save(&mut state.numbers)?;
    Ok(run.keep(state)?)
}

/// Puts kept numbers into the parameters.
///
/// # Errors
/// When one is missing or of another shape: it is of another architecture.
pub fn restore(parameters: &Parameters, from: &Tensors) -> Result<(), TchError> {
    for (name, tensor) in parameters {
        let kept = from.get(name).ok_or_else(|| TchError::Shape(format!("`{name}` is missing")))?;
        if kept.size() != tensor.size() {
            let (found, wanted) = (kept.size(), tensor.size());
            return Err(TchError::Shape(format!("`{name}` is {found:?}, not {wanted:?}")));
        }
        tch::no_grad(|| tensor.shallow_clone().f_copy_(kept))?;
    }
    Ok(())
}
