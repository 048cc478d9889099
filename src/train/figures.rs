//! How well encodings tell people apart: every photo against every other.

use std::collections::BTreeMap;

use serde::Serialize;
use tch::{TchError, Tensor};

use crate::domain::{Distance, EncodingError};
use crate::evaluate::metrics::{
    AllPairsIntervals, Bootstrap, DistanceCounts, MatchesByPerson, MetricError, Roc, RocSummary,
};
use crate::evaluate::protocol::each_pair;

/// The error rates of some encodings.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Photos that were compared.
    pub photos: usize,
    /// The rates.
    #[serde(flatten)]
    pub rates: RocSummary,
    /// How far they may be off, where that was asked for.
    #[serde(flatten)]
    pub intervals: Option<AllPairsIntervals>,
}

/// Why they cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FiguresError {
    /// There are too few photos.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Two photos cannot be compared.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// Visits every two of unit encodings `[N, D]` once, with how far apart they are.
///
/// # Errors
/// When libtorch fails.
pub fn each_pair_of(
    encodings: &Tensor,
    visit: impl FnMut(usize, usize, Distance),
) -> Result<(), TchError> {
    let size = encodings.size2()?.1;
    let values = encodings.f_detach()?.f_to_device(tch::Device::Cpu)?.f_contiguous()?;
    let values = Vec::<f32>::try_from(values.f_view([-1i64])?)?;
    let templates: Vec<Option<&[f32]>> =
        values.chunks(size.unsigned_abs().max(1) as usize).map(Some).collect();
    each_pair(&templates, visit)
}

impl Figures {
    /// Of unit encodings `[N, D]`, `person[i]` being who is in photo `i`; with 95 % intervals over the people where a
    /// bootstrap is given.
    ///
    /// # Errors
    /// When there is no pair of one person or none of two, or libtorch fails.
    pub fn of(
        encodings: &Tensor,
        person: &[u32],
        bootstrap: Option<Bootstrap>,
    ) -> Result<Self, FiguresError> {
        Self::of_pairs(person, |visit| Ok(each_pair_of(encodings, visit)?), bootstrap)
    }

    /// Of photos, `person[i]` being who is in photo `i`, of which `each` visits every two once, with how far apart they
    /// are.
    ///
    /// # Errors
    /// When there is no pair of one person or none of two, or `each` fails.
    pub fn of_pairs(
        person: &[u32],
        each: impl Fn(&mut dyn FnMut(usize, usize, Distance)) -> Result<(), FiguresError>,
        bootstrap: Option<Bootstrap>,
    ) -> Result<Self, FiguresError> {
        let mut counts = [DistanceCounts::default(), DistanceCounts::default()];
        each(&mut |left, right, distance| {
            counts[usize::from(person[left] == person[right])].add(Some(distance));
        })?;
        let [impostor, genuine] = counts;
        let roc = Roc::new(&genuine, &impostor)?;
        let rates = roc.summary();
        let intervals = match bootstrap {
            None => None,
            Some(bootstrap) => {
                let mut matches = MatchesByPerson::new(&rates, person);
                each(&mut |left, right, distance| {
                    matches.add([person[left], person[right]], distance);
                })?;
                Some(matches.intervals(bootstrap))
            }
        };
        Ok(Self { photos: person.len(), rates, intervals })
    }

    /// The rates by name, without those that so few comparisons cannot show.
    #[must_use]
    pub fn named(&self) -> BTreeMap<String, f64> {
        let fnmr = self.rates.tar_at_fmr.iter();
        let fnmr =
            fnmr.filter_map(|(fmr, tar)| Some((format!("FNMR at FMR {fmr}"), 1.0 - (*tar)?)));
        fnmr.chain([("EER".to_owned(), self.rates.eer)]).collect()
    }

    /// What training chooses the best step by, the less the better: the mean of the EER and of the FNMR at each FMR of
    /// 1e-3, 1e-4 and 1e-5 that so many comparisons can show. One alone would rest on a few pairs.
    #[must_use]
    pub fn badness(&self) -> f64 {
        let shown = |fmr| self.rates.tar_at_fmr.get(fmr).copied().flatten();
        let fnmr = ["1e-3", "1e-4", "1e-5"].into_iter().filter_map(shown).map(|tar| 1.0 - tar);
        let all: Vec<f64> = fnmr.chain([self.rates.eer]).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }
}
