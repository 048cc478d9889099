//! Numbers as people read them: `98.61 %`, `1e-4`, `87,023,110`.

/// A figure together with the way in which it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A proportion in [0, 1], written as a percentage.
    Percent(f64),
    /// A small rate in [0, 1], written as a power of ten.
    Rate(f64),
    /// How many.
    Count(u64),
    /// A distance, a score or another plain number, with three decimals.
    Number(f64),
    /// Anything else.
    Text(String),
}

impl Value {
    /// The value as it stands in a table.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => grouped(*count),
            Self::Percent(x) | Self::Rate(x) | Self::Number(x) => self.spell(*x),
        }
    }

    /// The ends of an interval, written as the value is.
    pub fn shown_interval(&self, (low, high): (f64, f64)) -> String {
        format!("{} to {}", self.spell(low), self.spell(high))
    }

    fn spell(&self, x: f64) -> String {
        match self {
            _ if !x.is_finite() => "undefined".into(),
            Self::Percent(_) => percent(x),
            Self::Rate(_) => rate(x),
            Self::Number(_) => format!("{x:.3}"),
            Self::Count(_) | Self::Text(_) => rounded(x, 1),
        }
    }
}

/// A proportion as a percentage: two decimals, and two significant digits of what is closer than
/// that to 0 % or 100 %, so that neither is claimed where it was not reached.
pub(super) fn percent(x: f64) -> String {
    let distance_from_end = x.abs().min((1.0 - x).abs()) * 100.0;
    let decimals = if distance_from_end == 0.0 {
        0
    } else if distance_from_end >= 0.1 {
        2
    } else {
        (1.0 - distance_from_end.log10().floor()).clamp(2.0, 9.0) as usize
    };
    // A no-break space: the sign never stands alone on a line.
    format!("{:.decimals$}\u{a0}%", x * 100.0)
}

/// A rate: `0.3` and `0.01` plainly, what is smaller as `2.5e-4`.
pub(super) fn rate(x: f64) -> String {
    if x == 0.0 || x.abs() >= 0.01 {
        return rounded(x, 4);
    }
    let text = format!("{x:.1e}");
    text.replace(".0e", "e")
}

/// At most so many decimals, without trailing zeros.
pub(super) fn rounded(x: f64, decimals: usize) -> String {
    let text = format!("{x:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A count with a comma between thousands.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_never_rounds_up_to_certainty() {
        assert_eq!(percent(0.9861), "98.61\u{a0}%");
        assert_eq!(percent(0.999_996), "99.99960\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(0.0), "0\u{a0}%");
        assert_eq!(percent(0.000_12), "0.012\u{a0}%");
    }

    #[test]
    fn small_rates_are_powers_of_ten() {
        assert_eq!(rate(1e-4), "1e-4");
        assert_eq!(rate(2.5e-6), "2.5e-6");
        assert_eq!(rate(0.03), "0.03");
        assert_eq!(rate(0.0), "0");
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!(grouped(87_023_110), "87,023,110");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn what_is_not_a_number_is_called_undefined() {
        assert_eq!(Value::Percent(f64::NAN).shown(), "undefined");
        assert_eq!(Value::Number(f64::INFINITY).shown(), "undefined");
    }
}
