//! Does the fitted distribution look like the data?

use super::Gpd;

/// A² at the 5 % level, for ξ = 0 and both parameters estimated (Choulakian & Stephens 2001,
/// table 2). Where the fit is held to the support of distances, 8 % by simulation: stricter.
pub const ANDERSON_DARLING_LIMIT: f64 = 0.974;

/// `A² = n ∫ (Fₙ − F)² / (F (1 − F)) dF` of weighted excesses `(x, weight)` by falling x, where n
/// is Kish's effective number `(Σw)² / Σw²` (Anderson & Darling 1952, eq. 4.4).
#[must_use]
pub fn anderson_darling(excesses: &[(f64, f64)], n: f64, fit: Gpd) -> f64 {
    let total: f64 = excesses.iter().map(|e| e.1).sum();
    let (mut above, mut sum) = (0.0, 0.0);
    for (x, weight) in excesses {
        let survival = fit.survival(*x);
        // The data's step is met half-way.
        let empirical = (above + weight / 2.0) / total;
        above += weight;
        let spread = (survival * (1.0 - survival)).max(1e-9);
        sum += weight / total * (empirical - survival).powi(2) / spread;
    }
    n * sum
}
