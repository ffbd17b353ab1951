//! The matrix products of attention and of its gradients, through the `gemm` crate; the only unsafe code, with its argument.

/// A row-major matrix inside a slice: `rows × columns`, consecutive rows `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl Matrix<'_> {
    const fn span(&self) -> usize {
        span(self.rows, self.columns, self.stride)
    }

    pub(super) fn is_finite(&self) -> bool {
        let mut rows = self.values[..self.span()].chunks(self.stride);
        rows.all(|row| row[..self.columns].iter().all(|value| value.is_finite()))
    }
}

const fn span(rows: usize, columns: usize, stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        0
    } else {
        (rows - 1) * stride + columns
    }
}

/// A matrix, or what it is transposed.
#[derive(Clone, Copy)]
struct Factor<'a> {
    matrix: Matrix<'a>,
    transposed: bool,
}

impl<'a> Factor<'a> {
    const fn of(matrix: Matrix<'a>) -> Self {
        Self {
            matrix,
            transposed: false,
        }
    }

    const fn transposed(matrix: Matrix<'a>) -> Self {
        Self {
            matrix,
            transposed: true,
        }
    }

    /// Rows and columns.
    const fn sizes(&self) -> [usize; 2] {
        let Matrix { rows, columns, .. } = self.matrix;
        if self.transposed {
            [columns, rows]
        } else {
            [rows, columns]
        }
    }

    /// From a row to the next, and from a column to the next.
    const fn strides(&self) -> [usize; 2] {
        if self.transposed {
            [1, self.matrix.stride]
        } else {
            [self.matrix.stride, 1]
        }
    }
}

/// `out = scale · a · bᵀ`, out being `a.rows × b.rows` with rows `stride` apart.
pub(super) fn times_transposed(
    out: &mut [f32],
    stride: usize,
    scale: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    let (a, b) = (Factor::of(a), Factor::transposed(b));
    multiply(out, stride, a, b, 0.0, scale);
}

/// `out += a · b`, out being `a.rows × b.columns` with rows `stride` apart.
pub(super) fn add_times(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>) {
    multiply(out, stride, Factor::of(a), Factor::of(b), 1.0, 1.0);
}

/// `out += aᵀ · b`, out being `a.columns × b.columns` with rows `stride` apart.
pub(super) fn add_transposed_times(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>) {
    multiply(out, stride, Factor::transposed(a), Factor::of(b), 1.0, 1.0);
}

/// `out = keep · out + scale · a · b`.
fn multiply(out: &mut [f32], stride: usize, a: Factor<'_>, b: Factor<'_>, keep: f32, scale: f32) {
    let ([rows, inner], [b_rows, columns]) = (a.sizes(), b.sizes());
    assert_eq!(inner, b_rows, "inner dimensions differ");
    for matrix in [a.matrix, b.matrix] {
        assert!(matrix.stride >= matrix.columns, "rows overlap");
        assert!(
            matrix.values.len() >= matrix.span(),
            "a factor is too short"
        );
    }
    assert!(stride >= columns, "rows of out overlap");
    assert!(out.len() >= span(rows, columns, stride), "out is too short");
    let ([a_row, a_column], [b_row, b_column]) = (a.strides(), b.strides());
    let signed = |stride: usize| isize::try_from(stride).expect("strides within a slice");
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers: the assertions above keep every row and column inside its slice, out is \
                  borrowed mutably so that it overlaps neither factor, and its rows do not overlap each other"
    )]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            signed(stride),
            keep != 0.0,
            a.matrix.values.as_ptr(),
            signed(a_column),
            signed(a_row),
            b.matrix.values.as_ptr(),
            signed(b_column),
            signed(b_row),
            keep,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Miri runs these: `cargo +nightly miri test -p relattn --no-default-features --lib cpu::product`.
#[cfg(test)]
mod tests {
    use super::{Matrix, add_times, add_transposed_times, times_transposed};

    /// Whole numbers, so that every order of summation gives the same, and what lies between rows is none.
    fn values(rows: usize, columns: usize, stride: usize) -> Vec<f32> {
        let mut values = vec![f32::NAN; super::span(rows, columns, stride)];
        for (n, row) in values.chunks_mut(stride.max(1)).enumerate() {
            for (m, value) in row.iter_mut().take(columns).enumerate() {
                *value = [-3.0, 2.0, 5.0, -1.0, 4.0][(7 * n + 3 * m) % 5];
            }
        }
        values
    }

    fn matrix(values: &[f32], [rows, columns]: [usize; 2], stride: usize) -> Matrix<'_> {
        Matrix {
            values,
            rows,
            columns,
            stride,
        }
    }

    /// Checks `left(i, n) · right(n, j)` in every place of `out`, and that nothing is written between its rows.
    fn check(
        out: &[f32],
        [columns, inner, stride]: [usize; 3],
        expected: impl Fn(usize, usize, usize) -> f32,
    ) {
        for (at, &found) in out.iter().enumerate() {
            let (i, j) = (at / stride, at % stride);
            if j < columns {
                let sum: f32 = (0..inner).map(|n| expected(i, n, j)).sum();
                assert!((found - sum).abs() < 1e-6, "[{i}, {j}]: {found}, not {sum}");
            } else {
                assert!(found.is_nan(), "[{i}, {j}] has been written");
            }
        }
    }

    #[test]
    fn products_are_sums_of_products() {
        for [m, n, k] in [
            [1, 1, 1],
            [3, 5, 2],
            [9, 17, 8],
            [4, 0, 3],
            [0, 4, 3],
            [2, 3, 0],
        ] {
            for gap in [0, 3] {
                let [long, wide, deep] = [n + gap, k + gap, m + gap];
                let (a, b) = (values(m, k, wide), values(n, k, wide));
                let mut out = values(m, n, long);
                times_transposed(
                    &mut out,
                    long,
                    0.5,
                    matrix(&a, [m, k], wide),
                    matrix(&b, [n, k], wide),
                );
                let product =
                    |i: usize, l: usize, j: usize| 0.5 * a[i * wide + l] * b[j * wide + l];
                check(&out, [n, k, long], product);

                let b = values(k, n, long);
                let mut out: Vec<f32> =
                    values(m, n, long).iter().map(|value| 0.0 * value).collect();
                add_times(
                    &mut out,
                    long,
                    matrix(&a, [m, k], wide),
                    matrix(&b, [k, n], long),
                );
                check(&out, [n, k, long], |i, l, j| {
                    a[i * wide + l] * b[l * long + j]
                });

                let a = values(k, m, deep);
                let mut out: Vec<f32> =
                    values(m, n, long).iter().map(|value| 0.0 * value).collect();
                add_transposed_times(
                    &mut out,
                    long,
                    matrix(&a, [k, m], deep),
                    matrix(&b, [k, n], long),
                );
                check(&out, [n, k, long], |i, l, j| {
                    a[l * deep + i] * b[l * long + j]
                });
            }
        }
    }

    #[test]
    #[should_panic(expected = "a factor is too short")]
    fn a_factor_that_ends_early_is_refused() {
        let a = matrix(&[1.0; 5], [2, 3], 3);
        add_times(&mut [0.0; 4], 2, a, matrix(&[1.0; 6], [3, 2], 2));
    }

    #[test]
    #[should_panic(expected = "out is too short")]
    fn a_product_that_ends_early_is_refused() {
        let a = matrix(&[1.0; 6], [2, 3], 3);
        add_times(&mut [0.0; 3], 2, a, matrix(&[1.0; 6], [3, 2], 2));
    }

    #[test]
    #[should_panic(expected = "rows overlap")]
    fn rows_that_overlap_are_refused() {
        let a = matrix(&[1.0; 6], [2, 3], 2);
        add_times(&mut [0.0; 4], 2, a, matrix(&[1.0; 6], [3, 2], 2));
    }
}
