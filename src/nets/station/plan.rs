//! A network recorded for the sizes of batches.

use std::collections::HashMap;

use tch::{Kind, TchError, Tensor};
use tracing::warn;

use super::cuda::Graph;
use super::{Model, Planes};
use crate::nets::Compute;

/// One network's graphs, by the batches' sizes.
pub(super) struct Plans {
    compute: Compute,
    /// By the number of pictures, their height and their width.
    plans: HashMap<[i64; 3], Plan>,
    /// Whether the network can be recorded.
    can_record: bool,
}

/// The network as it was recorded for one size.
struct Plan {
    /// `[N, height, width, 3]` bytes, from which it reads.
    pictures: Tensor,
    /// To which it writes.
    answer: Tensor,
    graph: Graph,
}

/// Cameras have few sizes. Whoever comes with ever new ones shall not fill the GPU's memory with plans.
const PLANS_MAX: usize = 64;

impl Plans {
    pub fn new(compute: Compute) -> Self {
        let can_record = compute.device.is_cuda();
        Self { compute, plans: HashMap::new(), can_record }
    }

    /// A row for each picture of `parts`, `[N, height, width, 3]` bytes each, of one size; there until the
    /// next is asked for.
    pub fn answer(&mut self, model: &impl Model, parts: &[Tensor]) -> Result<Tensor, TchError> {
        let count: i64 = parts.iter().map(|part| part.size()[0]).sum();
        let size = parts.first().map(Tensor::size).unwrap_or_default();
        let &[_, height, width, 3] = size.as_slice() else {
            return Err(TchError::Shape(format!("expected [N, height, width, 3], found {size:?}")));
        };
        if self.can_record {
            // A few numbers of pictures do for all; what is left over computes on what lay there before.
            let planned = count.unsigned_abs().next_power_of_two() as i64;
            match self.plan(model, [planned, height, width]) {
                Ok(plan) => {
                    let _ = Tensor::f_cat_out(&plan.pictures.f_narrow(0, 0, count)?, parts, 0)?;
                    plan.graph.replay()?;
                    return plan.answer.f_narrow(0, 0, count);
                }
                Err(error) => {
                    warn!(%error, "a network could not be recorded; it goes on, launch by launch");
                    self.can_record = false;
                }
            }
        }
        let pictures = match parts {
            [one] => one.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        };
        compute(model, &pictures, self.compute)
    }

    fn plan(&mut self, model: &impl Model, key: [i64; 3]) -> Result<&Plan, TchError> {
        if !self.plans.contains_key(&key) {
            if self.plans.len() >= PLANS_MAX {
                self.plans.clear();
            }
            self.plans.insert(key, Plan::record(model, key, self.compute)?);
        }
        self.plans.get(&key).ok_or_else(|| TchError::Torch("a plan is gone".to_owned()))
    }
}

impl Plan {
    fn record(
        model: &impl Model,
        [count, height, width]: [i64; 3],
        settings: Compute,
    ) -> Result<Self, TchError> {
        let size = [count, height, width, 3];
        let pictures = Tensor::f_zeros(size, (Kind::Uint8, settings.device))?;
        // What libtorch prepares at a first call.
        let _ = compute(model, &pictures, settings)?;
        let (graph, answer) = Graph::record(|| compute(model, &pictures, settings))?;
        Ok(Self { pictures, answer, graph })
    }
}

/// From bytes to rows, all on the GPU.
fn compute(model: &impl Model, pictures: &Tensor, to: Compute) -> Result<Tensor, TchError> {
    let pictures = match model.planes() {
        Planes::Rgb => pictures.shallow_clone(),
        Planes::Bgr => pictures.f_flip([3])?,
    };
    model.answer(&pictures.f_permute([0, 3, 1, 2])?.f_to_kind(to.kind)?)
}
