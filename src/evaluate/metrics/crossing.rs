//! Where two error rates meet.

/// The operating point at which a rising and a falling error rate are equal, or come closest.
///
/// `points` are in the order in which the first rate of `rates` rises and the second falls. Rates of
/// finite data move in steps and may jump past each other: the last point before and the first
/// point after are compared, and the one with the smaller sum is chosen (Maio et al. 2002, "FVC2000:
/// fingerprint verification competition"); with equal sums the one before. The equal
/// error rate is then the mean of both rates. None without points.
pub(super) fn crossing<P: Copy>(
    points: impl IntoIterator<Item = P>,
    rates: impl Fn(&P) -> (f64, f64),
) -> Option<P> {
    let sum = |point: &P| rates(point).0 + rates(point).1;
    let mut before = None;
    for point in points {
        let (rising, falling) = rates(&point);
        if rising < falling {
            before = Some(point);
        } else {
            // Equal rates are the crossing itself.
            #[allow(clippy::float_cmp, reason = "equal fractions are equal numbers")]
            let met = rising == falling;
            return match before {
                Some(earlier) if !met && sum(&earlier) <= sum(&point) => Some(earlier),
                _ => Some(point),
            };
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(points: &[(f64, f64)]) -> Option<(f64, f64)> {
        crossing(points.iter().copied(), |p| *p)
    }

    #[test]
    fn rates_that_meet_are_taken_where_they_meet() {
        assert_eq!(of(&[(0.0, 0.3), (0.2, 0.2), (0.4, 0.0)]), Some((0.2, 0.2)));
    }

    #[test]
    fn of_the_points_around_a_jump_the_smaller_sum_wins_and_the_earlier_a_tie() {
        assert_eq!(of(&[(0.0, 0.4), (0.5, 0.1)]), Some((0.0, 0.4)));
        assert_eq!(of(&[(0.0, 0.4), (0.2, 0.1)]), Some((0.2, 0.1)));
        assert_eq!(of(&[(0.0, 0.25), (0.25, 0.0)]), Some((0.0, 0.25)));
    }

    #[test]
    fn rates_that_never_meet_are_taken_at_the_end_where_they_come_closest() {
        assert_eq!(of(&[(0.0, 0.9), (0.1, 0.5)]), Some((0.1, 0.5)));
        assert_eq!(of(&[(0.6, 0.5), (0.9, 0.2)]), Some((0.6, 0.5)));
        assert_eq!(of(&[]), None);
    }
}
