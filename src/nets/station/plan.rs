//! A network recorded for the sizes of batches.

use std::collections::HashMap;

use tch::{Device, Kind, TchError, Tensor};
use tracing::warn;

use super::cuda::{self, Graph};
use super::{Model, Planes};
use crate::nets::Compute;

/// The number of pictures, their height and their width.
type Size = [i64; 3];

/// One network's graphs, by the batches' sizes.
pub(super) struct Plans {
    compute: Compute,
    sizes: HashMap<Size, Known>,
    /// Counts batches, so that it is known which size was met last.
    batches: u64,
}

/// What is known of a size that was met.
struct Known {
    last_met: u64,
    plan: Option<Plan>,
    /// Whether it was tried to record it, and could not be.
    failed: bool,
}

/// The network as it was recorded for one size.
struct Plan {
    /// `[N, height, width, 3]` bytes, from which it reads.
    pictures: Tensor,
    /// To which it writes.
    answer: Tensor,
    graph: Graph,
}

/// Whoever comes with ever new sizes shall not fill the memory: the size that was met longest ago goes.
const SIZES_MAX: usize = 1_024;

/// The most pixels of all that one network has recorded, 64 pictures of 640 x 640 twice over. What a network
/// computes in between takes some 20 to 70 bytes a pixel.
const PIXELS_MAX: i64 = 2 * 64 * 640 * 640;

impl Plans {
    pub fn new(compute: Compute) -> Self {
        Self { compute, sizes: HashMap::new(), batches: 0 }
    }

    /// A row for each picture of `parts`, `[N, height, width, 3]` bytes each, of one size; there until the
    /// next is asked for. A size that is met a second time is recorded.
    pub fn answer(&mut self, model: &impl Model, parts: &[Tensor]) -> Result<Tensor, TchError> {
        let count: i64 = parts.iter().map(|part| part.size()[0]).sum();
        let size = parts.first().map(Tensor::size).unwrap_or_default();
        let &[_, height, width, 3] = size.as_slice() else {
            return Err(TchError::Shape(format!("expected [N, height, width, 3], found {size:?}")));
        };
        // A few numbers of pictures do for all; what is left over computes on what lay there before.
        let planned = count.unsigned_abs().next_power_of_two() as i64;
        let size = [planned, height, width];
        if self.meet(size) {
            self.record(model, size);
        }
        if let Some(plan) = self.sizes.get(&size).and_then(|known| known.plan.as_ref()) {
            let _ = Tensor::f_cat_out(&plan.pictures.f_narrow(0, 0, count)?, parts, 0)?;
            plan.graph.replay()?;
            return plan.answer.f_narrow(0, 0, count);
        }
        let pictures = match parts {
            [one] => one.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        };
        compute(model, &pictures, self.compute)
    }

    /// Records a size before it is met.
    pub fn prepare(&mut self, model: &impl Model, size: Size) {
        self.meet(size);
        self.record(model, size);
    }

    /// Notes that a size is met; whether it should be recorded now.
    fn meet(&mut self, size: Size) -> bool {
        self.batches += 1;
        if let Some(known) = self.sizes.get_mut(&size) {
            known.last_met = self.batches;
            return known.plan.is_none() && !known.failed && self.compute.device.is_cuda();
        }
        if self.sizes.len() >= SIZES_MAX {
            self.forget_one(|_| true);
        }
        let known = Known { last_met: self.batches, plan: None, failed: false };
        self.sizes.insert(size, known);
        false
    }

    fn record(&mut self, model: &impl Model, size: Size) {
        let pixels = size.iter().product::<i64>();
        if pixels > PIXELS_MAX || !self.compute.device.is_cuda() {
            return;
        }
        while self.recorded_pixels() + pixels > PIXELS_MAX {
            self.forget_one(|known| known.plan.is_some());
        }
        let recorded = Plan::record(model, size, self.compute);
        let Some(known) = self.sizes.get_mut(&size) else { return };
        match recorded {
            Ok(plan) => known.plan = Some(plan),
            Err(error) => {
                warn!(%error, ?size, "a network could not be recorded for a size: launch by launch");
                known.failed = true;
                // Memory may have run out, and the stream may be spoilt.
                self.sizes.values_mut().for_each(|known| known.plan = None);
                if let Device::Cuda(index) = self.compute.device
                    && let Err(error) = cuda::take_stream(index)
                {
                    warn!(%error, "no new stream");
                }
            }
        }
    }

    /// Forgets of those that are `such` the size that was met longest ago.
    fn forget_one(&mut self, such: impl Fn(&Known) -> bool) {
        let sizes = self.sizes.iter().filter(|(_, known)| such(known));
        let oldest = sizes.min_by_key(|(_, known)| known.last_met).map(|(size, _)| *size);
        if let Some(size) = oldest {
            self.sizes.remove(&size);
        }
    }

    fn recorded_pixels(&self) -> i64 {
        let recorded = self.sizes.iter().filter(|(_, known)| known.plan.is_some());
        recorded.map(|(size, _)| size.iter().product::<i64>()).sum()
    }
}

impl Plan {
    fn record(
        model: &impl Model,
        [count, height, width]: Size,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plans() -> Plans {
        Plans::new(Device::Cuda(0).into())
    }

    #[test]
    fn a_size_is_recorded_when_it_is_met_a_second_time_and_not_where_it_failed() {
        let mut plans = plans();
        assert!(!plans.meet([1, 32, 32]));
        assert!(plans.meet([1, 32, 32]));
        plans.sizes.get_mut(&[1, 32, 32]).unwrap().failed = true;
        assert!(!plans.meet([1, 32, 32]));
        let mut here = Plans::new(Device::Cpu.into());
        assert!(
            !here.meet([1, 32, 32]) && !here.meet([1, 32, 32]),
            "the processor records nothing"
        );
    }

    #[test]
    fn of_ever_new_sizes_the_one_met_longest_ago_is_forgotten() {
        let mut plans = plans();
        for height in 0..SIZES_MAX as i64 {
            plans.meet([1, height, 1]);
        }
        plans.meet([1, 0, 1]);
        plans.meet([2, 1, 1]);
        assert_eq!(plans.sizes.len(), SIZES_MAX);
        assert!(plans.sizes.contains_key(&[1, 0, 1]) && !plans.sizes.contains_key(&[1, 1, 1]));
    }
}
