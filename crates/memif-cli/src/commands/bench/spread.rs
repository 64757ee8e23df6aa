//! Figures of several runs: their middle, and how far they lie apart.

use crate::output::plot::Bar;

/// Figures of several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) runs: usize,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of these; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let runs = values.len();
        let (low, high) = (values.get(runs.checked_sub(1)? / 2)?, values.get(runs / 2)?);
        Some(Self { runs, median: f64::midpoint(*low, *high), least: *values.first()?, greatest: *values.last()? })
    }

    /// From the least to the greatest, as a part of the median.
    pub(crate) fn percent(&self) -> f64 {
        100.0 * (self.greatest - self.least) / self.median.max(f64::MIN_POSITIVE)
    }

    /// As it is drawn, in that unit.
    pub(crate) fn bar(&self, unit: f64) -> Bar {
        let range = (self.runs > 1).then_some((self.least / unit, self.greatest / unit));
        Bar { value: self.median / unit, range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_a_value_or_between_two() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { runs: 3, median: 2.0, least: 1.0, greatest: 3.0 });
        assert!((spread.percent() - 100.0).abs() < 1e-9);
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([7.0]).unwrap().bar(1.0).range, None);
    }
}
