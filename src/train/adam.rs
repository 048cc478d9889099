//! The optimizer.
//!
//! Kingma and Ba: "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1, with the decay of weights
//! apart from the gradient (Loshchilov and Hutter: "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2):
//! towards zero, or towards where they began (Li, Grandvalet, Davoine: "Explicit Inductive Bias for Transfer Learning
//! with Convolutional Networks", ICML 2018, equation 2), so that few photos do not undo what many had taught.
//! Ours because libtorch's, as `tch` shows it, keeps its moments to itself: a run that is resumed needs them.

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor, no_grad};

use super::parameters::Tensors;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
const SQUARE_MIN: f64 = 1e-30;

/// How weights decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decay {
    /// How much of the way a step takes, times the learning rate.
    pub weight: f64,
    /// Where to.
    pub towards: Towards,
}

/// What weights decay towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Towards {
    /// Nothing.
    Zero,
    /// Where they began.
    Start,
}

/// Which numbers begin with nothing beside others that do not, by the names of their parameters.
#[derive(Clone, Copy)]
pub struct Fresh<'a> {
    /// Whether these do.
    pub is: &'a dyn Fn(&str) -> bool,
    /// How many times faster they learn.
    pub times: f64,
}

impl Fresh<'_> {
    /// None do.
    pub const NONE: Fresh<'static> = Fresh { is: &|_| false, times: 1.0 };
}

/// Adam with decoupled weight decay, and what it remembers of the steps before.
///
/// All numbers that learn are moved into one row, of which the parameters are views from then on, and so are their
/// gradients: a step takes as many operations for a network of a hundred layers as for one, which on a GPU is most of
/// what it takes.
#[derive(Debug)]
pub struct Adam {
    decay: Decay,
    /// Which numbers of the row are whose.
    places: Vec<Place>,
    /// The numbers.
    row: Tensor,
    /// 1 for those that decay, 0 for the others.
    decays: Tensor,
    /// By how much faster than the others each learns.
    rates: Tensor,
    /// Where they began, where they decay towards that.
    start: Option<Tensor>,
    /// Where `backward` sums up the gradients.
    gradient: Tensor,
    /// The mean of the gradients, and of their squares.
    mean: Tensor,
    square: Tensor,
    /// Steps that were taken.
    steps: u64,
}

/// The numbers of a parameter in the row.
#[derive(Debug)]
struct Place {
    name: String,
    shape: Vec<i64>,
    first: i64,
    count: i64,
    /// Whether its gradient is in the row of gradients: there is none before the first `backward`.
    has_gradient: bool,
}

impl Place {
    /// Its part of a row, in its shape.
    fn of(&self, row: &Tensor) -> Result<Tensor, TchError> {
        row.f_narrow(0, self.first, self.count)?.f_view(self.shape.as_slice())
    }
}

impl Adam {
    /// That has taken no step yet. Matrices and convolutions decay, biases and slopes do not; what asks for no gradient is
    /// left alone. Numbers that begin with nothing beside others that do not (`fresh`) have their way before them: they
    /// learn so many times faster, and are not drawn back.
    ///
    /// # Errors
    /// When nothing asks for a gradient, parameters lie on two devices, or libtorch fails.
    pub fn new(
        parameters: &[(String, Tensor)],
        decay: Decay,
        fresh: Fresh<'_>,
    ) -> Result<Self, TchError> {
        let (mut places, mut values) = (Vec::new(), Vec::new());
        let (mut decays, mut rates) = (Vec::new(), Vec::new());
        let mut first = 0;
        for (name, tensor) in learning(parameters) {
            let (shape, count) = (tensor.size(), tensor.numel() as i64);
            values.push(tensor.f_detach()?.f_reshape([-1i64])?);
            let all = |value: f64| Tensor::f_full([count], value, (tensor.kind(), tensor.device()));
            let is_fresh = (fresh.is)(name);
            let stays = is_fresh && decay.towards == Towards::Start;
            decays.push(all(f64::from(u8::from(shape.len() > 1 && !stays)))?);
            rates.push(all(if is_fresh { fresh.times } else { 1.0 })?);
            places.push(Place { name: name.clone(), shape, first, count, has_gradient: false });
            first += count;
        }
        let row = Tensor::f_cat(&values, 0)?;
        for (place, (_, tensor)) in places.iter().zip(learning(parameters)) {
            tensor.shallow_clone().f_set_data(&place.of(&row)?)?;
        }
        Ok(Self {
            decay,
            decays: Tensor::f_cat(&decays, 0)?,
            rates: Tensor::f_cat(&rates, 0)?,
            start: (decay.towards == Towards::Start).then(|| row.copy()),
            gradient: row.f_zeros_like()?,
            mean: row.f_zeros_like()?,
            square: row.f_zeros_like()?,
            row,
            places,
            steps: 0,
        })
    }

    /// Takes a step down the gradients that `backward` left, and forgets these. The parameters are those that it was
    /// made for, in their order.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn step(&mut self, parameters: &[(String, Tensor)], rate: f64) -> Result<(), TchError> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let (bias_1, bias_2) = (1.0 - BETA_1.powi(steps), 1.0 - BETA_2.powi(steps));
        no_grad(|| {
            self.gather(parameters)?;
            let gradient = &self.gradient;
            let _ = self.mean.f_mul_scalar_(BETA_1)?;
            let _ = self.mean.f_add_(&gradient.f_mul_scalar(1.0 - BETA_1)?)?;
            let _ = self.square.f_mul_scalar_(BETA_2)?;
            let _ = self.square.f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - BETA_2)?)?;
            // No denormal numbers, of which processors take roots a hundred times as slowly; beside ε it is nothing.
            let _ = self.square.f_clamp_min_(SQUARE_MIN)?;
            let way = match &self.start {
                Some(start) => self.row.f_sub(start)?,
                None => self.row.copy(),
            };
            let way = way.f_mul(&self.decays)?.f_mul_scalar(rate * self.decay.weight)?;
            let _ = self.row.f_sub_(&way)?;
            let spread = self.square.f_div_scalar(bias_2)?.f_sqrt()?.f_add_scalar(EPSILON)?;
            let step = self.mean.f_div(&spread)?.f_mul(&self.rates)?;
            let _ = self.row.f_sub_(&step.f_mul_scalar(rate / bias_1)?)?;
            let _ = self.gradient.f_zero_()?;
            Ok(())
        })
    }

    /// Moves gradients into the row that are not there yet; the next `backward` adds to them there.
    fn gather(&mut self, parameters: &[(String, Tensor)]) -> Result<(), TchError> {
        let places = self.places.iter_mut().zip(learning(parameters));
        for (place, (_, tensor)) in places.filter(|(place, _)| !place.has_gradient) {
            let mut gradient = tensor.f_grad()?;
            if gradient.defined() {
                let mut own = place.of(&self.gradient)?;
                own.f_copy_(&gradient)?;
                gradient.f_set_data(&own)?;
                place.has_gradient = true;
            }
        }
        Ok(())
    }

    /// Whether all numbers that learn are numbers still.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn is_finite(&self) -> Result<bool, TchError> {
        Ok(self.row.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0)
    }

    /// What it remembers, to be kept.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn save(&self, to: &mut Tensors) -> Result<(), TchError> {
        for place in &self.places {
            for (kind, row) in [("mean", &self.mean), ("square", &self.square)] {
                to.insert(format!("adam.{kind}.{}", place.name), place.of(row)?);
            }
        }
        Ok(())
    }

    /// As it was when it had taken so many steps.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub fn load(&mut self, steps: u64, from: &Tensors) -> Result<(), TchError> {
        for place in &self.places {
            for (kind, row) in [("mean", &self.mean), ("square", &self.square)] {
                let name = format!("adam.{kind}.{}", place.name);
                let kept = from
                    .get(&name)
                    .ok_or_else(|| TchError::Shape(format!("`{name}` is missing")))?;
                if kept.size() != place.shape {
                    return Err(TchError::Shape(format!("`{name}` is {:?}", kept.size())));
                }
                no_grad(|| place.of(row)?.f_copy_(kept))?;
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// Those that ask for gradients.
fn learning(parameters: &[(String, Tensor)]) -> impl Iterator<Item = &(String, Tensor)> {
    parameters.iter().filter(|(_, tensor)| tensor.requires_grad())
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    const NONE: Decay = Decay { weight: 0.0, towards: Towards::Zero };

    #[test]
    fn weights_decay_towards_nothing_or_towards_where_they_began() {
        for (towards, expected) in [(Towards::Zero, 0.0), (Towards::Start, 2.0)] {
            let x = Tensor::from_slice(&[2.0f32]).view([1, 1]).set_requires_grad(true);
            let parameters = vec![("x".to_owned(), x)];
            let mut adam =
                Adam::new(&parameters, Decay { weight: 1.0, towards }, Fresh::NONE).unwrap();
            for step in 0..600 {
                // Drawn away at first, then left alone.
                let pull = if step < 10 { 1.0 } else { 0.0 };
                (&parameters[0].1 * pull).sum(Kind::Float).backward();
                adam.step(&parameters, 0.05).unwrap();
            }
            let x = parameters[0].1.double_value(&[0, 0]);
            assert!((x - expected).abs() < 0.05, "{towards:?}: {x}");
        }
    }

    /// Minimises (x − 3)² from 0; afterwards x.
    fn minimised(steps: usize, resume_at: Option<usize>) -> f64 {
        let start = || Tensor::from_slice(&[0.0f32]).set_requires_grad(true);
        let mut parameters = vec![("x".to_owned(), start())];
        let mut adam = Adam::new(&parameters, NONE, Fresh::NONE).unwrap();
        for step in 0..steps {
            if Some(step) == resume_at {
                let mut kept = Tensors::new();
                adam.save(&mut kept).unwrap();
                let x = parameters[0].1.detach().copy();
                parameters = vec![("x".to_owned(), x.set_requires_grad(true))];
                adam = Adam::new(&parameters, NONE, Fresh::NONE).unwrap();
                adam.load(step as u64, &kept).unwrap();
            }
            let loss = (&parameters[0].1 - 3.0).square().sum(Kind::Float);
            loss.backward();
            adam.step(&parameters, 0.1).unwrap();
        }
        parameters[0].1.double_value(&[0])
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl() {
        assert!((minimised(400, None) - 3.0).abs() < 1e-2, "{}", minimised(400, None));
        // The first step is as long as the rate, whatever the gradient (Kingma and Ba, section 2.1).
        assert!((minimised(1, None) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn resumed_it_goes_on_as_if_nothing_had_been() {
        assert_eq!(minimised(20, Some(7)).to_bits(), minimised(20, None).to_bits());
    }

    #[test]
    fn numbers_that_ask_for_no_gradient_are_left_alone_and_the_others_keep_their_places() {
        let of =
            |values: &[f32], learns: bool| Tensor::from_slice(values).set_requires_grad(learns);
        let parameters = [
            ("a".to_owned(), of(&[1.0, 2.0], true)),
            ("gathered".to_owned(), of(&[5.0], false)),
            ("b".to_owned(), of(&[3.0, 4.0], true)),
        ];
        // As a layer holds it.
        let held = parameters[2].1.shallow_clone();
        let mut adam = Adam::new(&parameters, NONE, Fresh::NONE).unwrap();
        (&held * Tensor::from_slice(&[1.0f32, -1.0])).sum(Kind::Float).backward();
        adam.step(&parameters, 0.5).unwrap();
        let values = |tensor: &Tensor| Vec::<f32>::try_from(tensor.detach()).unwrap();
        assert_eq!(values(&parameters[0].1), [1.0, 2.0]);
        assert_eq!(values(&parameters[1].1), [5.0]);
        assert_eq!(values(&held), [2.5, 4.5]);
        assert!(Adam::new(&parameters[1..2], NONE, Fresh::NONE).is_err());
    }

    #[test]
    fn what_begins_with_nothing_beside_what_does_not_goes_faster_and_is_not_drawn_back() {
        let of = || Tensor::from_slice(&[2.0f32]).view([1, 1]).set_requires_grad(true);
        let parameters = [("old".to_owned(), of()), ("new".to_owned(), of())];
        let decay = Decay { weight: 1.0, towards: Towards::Start };
        let fresh = Fresh { is: &|name| name == "new", times: 5.0 };
        let mut adam = Adam::new(&parameters, decay, fresh).unwrap();
        for step in 0..400 {
            let pull = if step < 10 { 1.0 } else { 0.0 };
            ((&parameters[0].1 + &parameters[1].1) * pull).sum(Kind::Float).backward();
            adam.step(&parameters, 0.05).unwrap();
        }
        let [old, new] = [0, 1].map(|at: usize| parameters[at].1.double_value(&[0, 0]));
        assert!((old - 2.0).abs() < 0.05 && new < 0.0, "{old} {new}");
    }
}
