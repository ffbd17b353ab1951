//! The optimiser, on the host: tables of biases are small.

/// Adam, with its authors' defaults.
///
/// Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
#[derive(Clone, Debug)]
pub(crate) struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    step: i32,
}

impl Adam {
    pub(crate) fn new(parameters: usize) -> Self {
        Self {
            mean: vec![0.0; parameters],
            square: vec![0.0; parameters],
            step: 0,
        }
    }

    pub(crate) fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        let (keep_mean, keep_square, least) = (0.9_f32, 0.999_f32, 1e-8);
        self.step += 1;
        let started = |keep: f32| 1.0 - keep.powi(self.step);
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments)
        {
            *mean += (1.0 - keep_mean) * (slope - *mean);
            *square += (1.0 - keep_square) * (slope * slope - *square);
            let deviation = (*square / started(keep_square)).sqrt();
            *parameter -= rate * *mean / started(keep_mean) / (deviation + least);
        }
    }
}
