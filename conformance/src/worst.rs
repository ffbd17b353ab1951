//! The element of a tensor that is furthest from its right value.

use std::fmt;

/// Where a tensor is worst, and what is allowed there.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// The tensor's name: `out`, `lse`, `dq` and so on.
    pub tensor: &'static str,
    /// The element, counted in memory.
    pub at: usize,
    /// What the device made of it.
    pub found: f32,
    /// What is right.
    pub exact: f64,
    /// The error that is allowed.
    pub allowed: f64,
}

impl Worst {
    /// Compares the elements that belong to no gap; nothing where there are none.
    pub(crate) fn of(
        tensor: &'static str,
        (found, allowed): (&[f32], f64),
        exact: &[f64],
        written: Option<&[bool]>,
    ) -> Option<Self> {
        let elements = found.iter().zip(exact).enumerate();
        let elements = elements.filter(|&(at, _)| written.is_none_or(|written| written[at]));
        let all = elements.map(|(at, (&found, &exact))| Self {
            tensor,
            at,
            found,
            exact,
            allowed,
        });
        all.max_by(|x, y| x.error().total_cmp(&y.error()))
    }

    /// The absolute error; infinite for what is not a number.
    #[must_use]
    pub fn error(&self) -> f64 {
        let error = difference(self.found, self.exact);
        if error.is_nan() { f64::INFINITY } else { error }
    }

    /// The error as a share of what is allowed: above 1 it is refused. Infinite where no number is allowed, or every one.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.error() {
            0.0 => 0.0,
            error if self.allowed.is_finite() => error / self.allowed,
            _ => f64::INFINITY,
        }
    }

    /// The worse of two by their share.
    pub(crate) fn or(self, other: Self) -> Self {
        if other.share() > self.share() {
            other
        } else {
            self
        }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tensor,
            at,
            found,
            exact,
            allowed,
        } = self;
        let error = self.error();
        write!(
            f,
            "{tensor}[{at}] is {found}, {exact} is right: error {error:.2e}, allowed {allowed:.2e}"
        )
    }
}

/// The distance of two numbers; 0 for equal infinities.
pub(crate) fn difference(found: f32, exact: f64) -> f64 {
    let found = f64::from(found);
    if found.is_infinite() && found.total_cmp(&exact).is_eq() {
        return 0.0;
    }
    (found - exact).abs()
}
