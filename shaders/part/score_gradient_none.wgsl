// Slot `score_gradient`: nobody wants anything of single scores.
const SCORE_GRADIENT = false;

fn score_gradient_begin(group: vec3<u32>, local: u32) {}

fn score_gradient(r: u32, own: u32, other: u32, ds: f32) {}

fn score_gradient_head(local: u32) {}

fn score_gradient_end(local: u32) {}
