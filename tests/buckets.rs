//! Buckets are exact: against recorded values, against the formula, and against integers for every offset.

mod harness;

use harness::{bucket_configurations, read, recorded};
use relattn::cpu::Oracle;
use relattn::{Direction, ProblemError, RelativeBuckets};
use safetensors::SafeTensors;

#[test]
fn equal_the_recorded_exact_values() {
    let bytes = read("buckets.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let offsets = recorded::offsets(&tensors);
    for (name, buckets) in bucket_configurations() {
        let thresholds = buckets.thresholds().expect("valid buckets");
        // Recorded by itself where Hugging Face's is another.
        let own = format!("{name}.exact");
        let recorded = tensors.names().contains(&own.as_str());
        let name = if recorded { own } else { format!("{name}.hf") };
        let exact = recorded::buckets(&tensors, &name);
        assert_eq!(offsets.len(), exact.len());
        for (&offset, &exact) in offsets.iter().zip(&exact) {
            let bucket = thresholds.bucket(i64::from(offset));
            assert_eq!(i64::from(bucket), i64::from(exact), "{name} at {offset}");
        }
    }
}

#[test]
fn differ_from_hugging_face_only_where_its_logarithm_rounds() {
    let bytes = read("buckets.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let offsets = recorded::offsets(&tensors);
    for (name, buckets) in bucket_configurations() {
        let thresholds = buckets.thresholds().expect("valid buckets");
        let recorded = recorded::buckets(&tensors, &format!("{name}.hf"));
        let different: Vec<i32> = offsets
            .iter()
            .zip(&recorded)
            .filter(|&(&offset, &hf)| {
                i64::from(thresholds.bucket(i64::from(offset))) != i64::from(hf)
            })
            .map(|(&offset, _)| offset)
            .collect();
        let expected: &[i32] = match name {
            "t5_F_128_1000000" if offsets.contains(&-635_938) => &[-635_938],
            _ => &[],
        };
        assert_eq!(different, expected, "{name}");
    }
}

#[test]
fn equal_the_formula_for_every_offset_to_a_million() {
    for (name, buckets) in bucket_configurations() {
        let thresholds = buckets.thresholds().expect("valid buckets");
        for offset in -(1 << 20)..=1 << 20 {
            let (bucket, formula) = (thresholds.bucket(offset), Oracle::bucket(&buckets, offset));
            assert_eq!(bucket, formula, "{name} at {offset}");
        }
    }
}

#[test]
fn saturate_before_max_distance() {
    let saturation = |buckets: RelativeBuckets| buckets.thresholds().expect("valid").saturation();
    assert_eq!(saturation(RelativeBuckets::t5_encoder()), 91);
    assert_eq!(saturation(RelativeBuckets::t5_decoder()), 113);
    let wavlm = RelativeBuckets {
        num_buckets: 320,
        max_distance: 800,
        direction: Direction::Bidirectional,
    };
    assert_eq!(saturation(wavlm), 778);
}

#[test]
fn never_use_the_first_bucket_of_later_keys() {
    let thresholds = RelativeBuckets::t5_encoder().thresholds().expect("valid");
    assert!((-300..300).all(|offset| thresholds.bucket(offset) != 16));
}

#[test]
fn refuse_what_leaves_no_valid_buckets() {
    let buckets = |num_buckets, max_distance, direction| {
        RelativeBuckets {
            num_buckets,
            max_distance,
            direction,
        }
        .thresholds()
        .map(|_| ())
    };
    assert!(matches!(
        buckets(3, 128, Direction::Bidirectional),
        Err(ProblemError::BucketCount {
            found: 3,
            minimum: 4,
            ..
        })
    ));
    assert!(matches!(
        buckets(1, 128, Direction::Causal),
        Err(ProblemError::BucketCount {
            found: 1,
            minimum: 2,
            ..
        })
    ));
    assert!(matches!(
        buckets(32, 8, Direction::Bidirectional),
        Err(ProblemError::MaxDistance {
            found: 8,
            minimum: 9,
            ..
        })
    ));
    assert!(matches!(
        buckets(32, u32::MAX, Direction::Causal),
        Err(ProblemError::MaxDistance { .. })
    ));
    assert_eq!(buckets(4, 2, Direction::Bidirectional), Ok(()));
    assert_eq!(buckets(2, 2, Direction::Causal), Ok(()));
}
