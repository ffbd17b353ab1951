//! A map: a colour for each query and key.

use super::canvas::{Area, Canvas, Colour, FRAME};

/// The shortest side of a map, so that one query still shows.
const THINNEST: u32 = 12;
/// Samples of a pixel along each side.
const SAMPLES: u32 = 3;

/// Width and height of a map whose longer side is this long.
pub(super) fn extent([q_len, k_len]: [u32; 2], longest: u32) -> [u32; 2] {
    let larger = u64::from(q_len.max(k_len));
    [k_len, q_len].map(|size| {
        let scaled = u64::from(size) * u64::from(longest) / larger;
        u32::try_from(scaled).unwrap_or(longest).max(THINNEST)
    })
}

/// The query or key that a pixel shows.
pub(super) fn sampled(pixel: u32, pixels: u32, count: u32) -> u32 {
    let position = u64::from(pixel) * u64::from(count) / u64::from(pixels);
    u32::try_from(position).unwrap_or(0).min(count - 1)
}

/// Fills the area with the colours of queries and keys.
pub(super) fn fill(
    canvas: &mut Canvas,
    [q_len, k_len]: [u32; 2],
    area: Area,
    colour: impl Fn(u32, u32) -> Colour,
) {
    // Several samples a pixel where the matrix is finer, or thin diagonals would break up.
    let finer = k_len > area.width || q_len > area.height;
    let samples = if finer { SAMPLES } else { 1 };
    for y in 0..area.height {
        for x in 0..area.width {
            let mut sum = [0; 3];
            for n in 0..samples * samples {
                let (row, column) = (y * samples + n / samples, x * samples + n % samples);
                let i = sampled(row, area.height * samples, q_len);
                let j = sampled(column, area.width * samples, k_len);
                for (sum, level) in sum.iter_mut().zip(colour(i, j)) {
                    *sum += u32::from(level);
                }
            }
            let mean = sum.map(|sum| u8::try_from(sum / (samples * samples)).unwrap_or(255));
            canvas.put(area.x + x, area.y + y, mean);
        }
    }
    canvas.frame(area, FRAME);
}
