//! Axes: from values to places, and where their marks are.

/// Marks of an axis from 0 to `top`, each with its label: about `most` of them, a step of 1, 2 or 5 apart.
pub(super) fn linear(top: f64, most: u32) -> Vec<(f64, String)> {
    let rough = (top / f64::from(most.max(1))).max(f64::MIN_POSITIVE);
    let decade = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|part| part * decade).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * decade);
    let decimals = decimals(step);
    let marks = (0..=most + 1).map(|number| f64::from(number) * step).take_while(|mark| *mark <= top * 1.0001);
    marks.map(|mark| (mark, format!("{mark:.decimals$}"))).collect()
}

/// Marks of a logarithmic axis: decades, or more where these are few.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let marks = |parts: &[f64]| -> Vec<f64> {
        let decades = low.log10().floor().max(-12.0)..=high.log10().ceil().min(12.0);
        let mut found = Vec::new();
        let mut decade = *decades.start();
        while decade <= *decades.end() {
            let here = parts.iter().map(|part| part * 10_f64.powf(decade));
            found.extend(here.filter(|mark| (low..=high).contains(mark)));
            decade += 1.0;
        }
        found
    };
    let few: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]];
    few.iter().map(|parts| marks(parts)).find(|found| found.len() >= 4).unwrap_or_else(|| marks(few[2]))
}

/// Digits behind the point that tell multiples of `step` apart.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9")]
fn decimals(step: f64) -> usize {
    (-step.log10().floor()).clamp(0.0, 9.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let labels = |top| linear(top, 5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(92.4), ["0", "20", "40", "60", "80"]);
        assert_eq!(labels(0.31), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels(1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert!(labels(0.0).len() < 9 && labels(1e12).len() < 9);
    }

    #[test]
    fn a_short_logarithmic_axis_has_marks_too() {
        assert_eq!(logarithmic(90.0, 2e6), [1e2, 1e3, 1e4, 1e5, 1e6]);
        assert_eq!(logarithmic(180.0, 2500.0), [200.0, 500.0, 1000.0, 2000.0]);
        assert!(logarithmic(200.0, 420.0).len() >= 3);
        assert!(logarithmic(f64::MIN_POSITIVE, f64::MAX).len() < 30);
    }
}
