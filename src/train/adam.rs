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

/// Adam with decoupled weight decay, and what it remembers of the steps before.
#[derive(Debug)]
pub struct Adam {
    decay: Decay,
    /// Where the parameters began, where they decay towards that.
    start: Vec<Option<Tensor>>,
    /// Steps that were taken.
    steps: u64,
    /// The mean of the gradients and of their squares, by parameter.
    moments: Vec<(String, Tensor, Tensor)>,
}

impl Adam {
    /// That has taken no step yet. Matrices and convolutions decay, biases and slopes do not.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn new(parameters: &[(String, Tensor)], decay: Decay) -> Result<Self, TchError> {
        let zeros = |(name, tensor): &(String, Tensor)| {
            Ok((name.clone(), tensor.f_zeros_like()?, tensor.f_zeros_like()?))
        };
        let moments = parameters.iter().map(zeros).collect::<Result<_, TchError>>()?;
        let start = |(_, tensor): &(String, Tensor)| match decay.towards {
            Towards::Zero => None,
            Towards::Start => Some(tensor.detach().copy()),
        };
        let start = parameters.iter().map(start).collect();
        Ok(Self { decay, start, steps: 0, moments })
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
            let kept = self.moments.iter_mut().zip(&self.start);
            for ((_, parameter), ((_, mean, square), start)) in parameters.iter().zip(kept) {
                let mut gradient = parameter.f_grad()?;
                if !gradient.defined() {
                    continue;
                }
                let _ =
                    mean.f_mul_scalar_(BETA_1)?.f_add_(&gradient.f_mul_scalar(1.0 - BETA_1)?)?;
                let _ = square
                    .f_mul_scalar_(BETA_2)?
                    .f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - BETA_2)?)?;
                let mut parameter = parameter.shallow_clone();
                if parameter.dim() > 1 {
                    let way = match start {
                        Some(start) => parameter.f_sub(start)?,
                        None => parameter.shallow_clone(),
                    };
                    let way = way.f_mul_scalar(rate * self.decay.weight)?;
                    let _ = parameter.f_sub_(&way)?;
                }
                let spread = square.f_div_scalar(bias_2)?.f_sqrt()?.f_add_scalar(EPSILON)?;
                let _ = parameter.f_sub_(&mean.f_div(&spread)?.f_mul_scalar(rate / bias_1)?)?;
                let _ = gradient.f_zero_()?;
            }
            Ok(())
        })
    }

    /// What it remembers, to be kept.
    pub fn save(&self, to: &mut Tensors) {
        for (name, mean, square) in &self.moments {
            to.insert(format!("adam.mean.{name}"), mean.shallow_clone());
            to.insert(format!("adam.square.{name}"), square.shallow_clone());
        }
    }

    /// As it was when it had taken so many steps.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub fn load(&mut self, steps: u64, from: &Tensors) -> Result<(), TchError> {
        for (name, mean, square) in &mut self.moments {
            for (kind, moment) in [("mean", mean), ("square", square)] {
                let name = format!("adam.{kind}.{name}");
                let kept = from
                    .get(&name)
                    .ok_or_else(|| TchError::Shape(format!("`{name}` is missing")))?;
                if kept.size() != moment.size() {
                    return Err(TchError::Shape(format!("`{name}` is {:?}", kept.size())));
                }
                no_grad(|| moment.f_copy_(kept))?;
            }
        }
        self.steps = steps;
        Ok(())
    }
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
            let mut adam = Adam::new(&parameters, Decay { weight: 1.0, towards }).unwrap();
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
        let mut adam = Adam::new(&parameters, NONE).unwrap();
        for step in 0..steps {
            if Some(step) == resume_at {
                let mut kept = Tensors::new();
                adam.save(&mut kept);
                let x = parameters[0].1.detach().copy();
                parameters = vec![("x".to_owned(), x.set_requires_grad(true))];
                adam = Adam::new(&parameters, NONE).unwrap();
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
}
