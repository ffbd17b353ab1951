//! The two matrix products of attention, through the `gemm` crate; the only unsafe code, with its argument.

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

/// `out = scale · a · bᵀ`, out being `a.rows × b.rows` with rows `stride` apart.
pub(super) fn times_transposed(
    out: &mut [f32],
    stride: usize,
    scale: f32,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    assert_eq!(a.columns, b.columns, "inner dimensions differ");
    multiply(out, stride, b.rows, a, (b, 1, b.stride), 0.0, scale);
}

/// `out += a · b`, out being `a.rows × b.columns` with rows `stride` apart.
pub(super) fn add_times(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>) {
    assert_eq!(a.columns, b.rows, "inner dimensions differ");
    multiply(out, stride, b.columns, a, (b, b.stride, 1), 1.0, 1.0);
}

/// `out = keep · out + scale · a · b`, `b` with its row stride and column stride.
fn multiply(
    out: &mut [f32],
    stride: usize,
    columns: usize,
    a: Matrix<'_>,
    (b, b_row, b_column): (Matrix<'_>, usize, usize),
    keep: f32,
    scale: f32,
) {
    assert!(stride >= columns && a.stride >= a.columns && b.stride >= b.columns);
    assert!(
        out.len() >= span(a.rows, columns, stride),
        "out is too short"
    );
    assert!(
        a.values.len() >= a.span() && b.values.len() >= b.span(),
        "a factor is too short"
    );
    let signed = |stride: usize| isize::try_from(stride).expect("strides within a slice");
    #[expect(
        unsafe_code,
        reason = "gemm takes pointers: the assertions above keep every row and column inside its slice, out is \
                  borrowed mutably so that it overlaps neither factor, and its rows do not overlap each other"
    )]
    unsafe {
        gemm::gemm(
            a.rows,
            columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            signed(stride),
            keep != 0.0,
            a.values.as_ptr(),
            1,
            signed(a.stride),
            b.values.as_ptr(),
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
