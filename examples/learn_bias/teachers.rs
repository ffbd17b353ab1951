//! What students are to find out.

use relattn::RelativeBuckets;

use crate::HEADS;
use crate::training::{Family, Random};

/// A family, and the teacher's table.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) family: Family,
    pub(crate) table: Vec<f32>,
    /// Whether later keys are hidden, as KERPLE and FIRE have it.
    pub(crate) causal: bool,
}

pub(crate) fn subjects(length: u32) -> [Subject; 3] {
    let mut random = Random::new(2);
    [t5(&mut random), kerple(), fire(length, &mut random)]
}

/// A weight that falls with the distance, on one side faster than on the other, and noise.
fn t5(random: &mut Random) -> Subject {
    let buckets = RelativeBuckets::t5_encoder();
    let side = buckets.per_direction();
    let mut table = Vec::new();
    for bucket in 0..buckets.num_buckets {
        for head in 0..HEADS {
            let slope = 0.06 * (head + 1) as f32;
            let slope = if bucket < side { slope } else { 0.5 * slope };
            table.push(-slope * (bucket % side) as f32 + 0.4 * random.normal());
        }
    }
    Subject {
        family: Family::t5("T5", buckets),
        table,
        causal: false,
    }
}

fn kerple() -> Subject {
    let [p, a] = [[0.3, 0.8, 1.5, 2.5], [3.0, 1.0, 0.3, 0.1]];
    Subject {
        family: Family::kerple_log(),
        table: [p, a].concat(),
        causal: true,
    }
}

/// Weights as training begins with, but larger behind the hidden layer, so that the curve is no straight line.
fn fire(length: u32, random: &mut Random) -> Subject {
    let family = Family::fire(length as f32 / 4.0);
    let heads = HEADS as usize;
    let mut table = family.initial(heads, random);
    let first = table.len() / heads / 3 * 2 * heads;
    for weight in &mut table[first..] {
        *weight *= 12.0;
    }
    Subject {
        family,
        table,
        causal: true,
    }
}
