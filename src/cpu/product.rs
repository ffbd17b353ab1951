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
