//! A mean from replications, with the luck of the draws taken out.
//!
//! The method is least squares: what is known of the draws (a control) has a known mean, so its
//! difference from that mean tells how lucky a replication was. The estimate is where the
//! fitted plane meets no luck at all. Runs of a queue are skewed and the plane bends, which
//! shifts an estimate from few of them: the jackknife takes that shift out, and gives an error
//! that does not rely on a straight plane.
//!
//! Sources: S. S. Lavenberg and P. D. Welch, "A Perspective on the Use of Control Variables to
//! Increase the Efficiency of Monte Carlo Simulations", Management Science 27, 1981;
//! R. G. Miller, "The Jackknife: A Review", Biometrika 61, 1974.

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    /// The mean.
    pub(super) value: f64,
    /// Its standard error; none where there are too few observations for one.
    pub(super) error: Option<f64>,
}

/// The mean of the first value of each row; the other values are controls, whose means are
/// zero. Controls that do not vary, or that are too many for the rows, are left out.
pub(super) fn mean(rows: &[Vec<f64>]) -> Mean {
    let width = rows.first().map_or(0, Vec::len);
    (1..=width)
        .rev()
        .find_map(|width| jackknife(rows, width))
        .unwrap_or_else(|| Mean {
            value: rows.iter().map(|row| row[0]).sum::<f64>() / rows.len() as f64,
            error: None,
        })
}

/// The fit without each row in turn, against the fit with all.
fn jackknife(rows: &[Vec<f64>], width: usize) -> Option<Mean> {
    // Without a row there must be one more left than the fit has factors.
    if rows.len() < width + 1 {
        return None;
    }
    let count = rows.len() as f64;
    let all = fit(rows, width)?;
    let without = |gone: usize| {
        let mut rest = rows.to_vec();
        rest.remove(gone);
        // What each row by itself says the value is.
        fit(&rest, width).map(|fitted| count * all - (count - 1.0) * fitted)
    };
    let said: Vec<f64> = (0..rows.len()).map(without).collect::<Option<_>>()?;
    let value = said.iter().sum::<f64>() / count;
    let squares: f64 = said.iter().map(|one| (one - value) * (one - value)).sum();
    Some(Mean {
        value,
        error: Some((squares / (count * (count - 1.0))).sqrt()),
    })
}

/// The constant of the least squares fit of the first value to those after it, up to `width`.
/// None if the rows are too few or do not tell the controls apart.
fn fit(rows: &[Vec<f64>], width: usize) -> Option<f64> {
    if rows.len() < width {
        return None;
    }
    // A row of the design: one, then the controls.
    let design = |row: &[f64], at: usize| if at == 0 { 1.0 } else { row[at] };
    let sum = |of: &dyn Fn(&[f64]) -> f64| rows.iter().map(|row| of(row)).sum::<f64>();
    let line = |i: usize| {
        let products = (0..width).map(|j| sum(&|row| design(row, i) * design(row, j)));
        products.collect()
    };
    let inverse = invert((0..width).map(line).collect())?;
    let right = (0..width).map(|i| sum(&|row| design(row, i) * row[0]));
    Some(inverse[0].iter().zip(right).map(|(a, b)| a * b).sum())
}

/// The inverse of a small symmetric matrix, by elimination with the largest pivot. None if it
/// has none to the precision of the numbers.
fn invert(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    let mut inverse: Vec<Vec<f64>> = (0..size)
        .map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let scale: Vec<f64> = (0..size).map(|at| matrix[at][at].abs()).collect();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        if matrix[pivot][column].abs() <= scale[column] * 1e-10 {
            return None;
        }
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let factor = matrix[column][column];
        for lines in [&mut matrix, &mut inverse] {
            lines[column].iter_mut().for_each(|value| *value /= factor);
        }
        for row in (0..size).filter(|row| *row != column) {
            let factor = matrix[row][column];
            for lines in [&mut matrix, &mut inverse] {
                let above = lines[column].clone();
                for (value, above) in lines[row].iter_mut().zip(above) {
                    *value -= factor * above;
                }
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_controls_it_is_the_mean_and_its_usual_error() {
        let rows: Vec<Vec<f64>> = [1.0, 2.0, 3.0, 4.0, 5.0].map(|x| vec![x]).to_vec();
        let found = mean(&rows);
        assert!((found.value - 3.0).abs() < 1e-12);
        assert!((found.error.unwrap() - (2.5_f64 / 5.0).sqrt()).abs() < 1e-12);
    }

    // y = 7 + 2 a - 3 b, without any noise: the controls explain everything.
    #[test]
    fn controls_that_explain_everything_leave_the_value_without_luck() {
        let draws = [(1.0, 0.5), (-2.0, 1.0), (0.3, 0.4), (4.0, -1.5), (2.0, 2.0)];
        let rows = draws.map(|(a, b)| vec![7.0 + 2.0 * a - 3.0 * b, a, b]);
        let found = mean(&rows);
        assert!((found.value - 7.0).abs() < 1e-9, "{found:?}");
        assert!(found.error.unwrap() < 1e-6, "{found:?}");
    }

    #[test]
    fn controls_that_never_vary_or_are_too_many_are_left_out() {
        let rows = [vec![1.0, 0.0], vec![3.0, 0.0], vec![5.0, 0.0]];
        assert!((mean(&rows).value - 3.0).abs() < 1e-12);
        let found = mean(&[vec![1.0, 4.0, 2.0], vec![3.0, 1.0, 9.0]]);
        assert!((found.value - 2.0).abs() < 1e-12 && found.error.is_some());
        assert_eq!(mean(&[vec![4.0, 1.0]]).error, None);
    }
}
