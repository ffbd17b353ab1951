//! `cargo bench --bench ratios`: contenders in turn, round after round, so that whatever else the machine does hits all
//! of them; medians of the times and of the ratios within a round.

use relattn_bench::rig;
use relattn_bench::rig::case::Case;
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::report::{heading, load};
use relattn_bench::rig::rounds::Rounds;
use relattn_bench::unfused::contender::{Resident, contenders, with_and_without};

/// What is divided by what.
const PAIRS: [(&str, &str); 7] = [
    ("unfused", "fused, T5"),
    ("unfused, new bias", "fused, T5"),
    ("fused, T5", "fused, no bias"),
    ("fused, T5, checked", "fused, T5"),
    ("fused, index matrix", "fused, T5"),
    ("fused, index matrix", "fused, no bias"),
    ("cpu::Tiled", "fused, T5"),
];

/// Kernels are compiled anew on each: where their code lies moves a ratio by a tenth, and what is measured again in a place by a hundredth.
const DEVICES: usize = 20;

/// Timed in turn without the others.
const BY_THEMSELVES: [(&str, &str); 1] = [("fused, T5", "fused, no bias")];

fn main() {
    println!("{}", heading(&Rig::open()));
    for n in rig::lengths() {
        let case = Case::new(n);
        let rounds = Rounds::on_devices(rig::placements(DEVICES), |rig| {
            let resident = Resident::new(rig, &case);
            Rounds::run(rig::rounds(), &contenders(&resident))
        });
        print!("{}", rounds.table(n, &PAIRS));
        // Between these two, what other contenders leave behind is more than their difference.
        let rounds = Rounds::on_devices(rig::placements(DEVICES), |rig| {
            let resident = Resident::new(rig, &case);
            Rounds::run(rig::rounds(), &with_and_without(&resident))
        });
        print!("{}", rounds.table(n, &BY_THEMSELVES));
    }
    println!("load afterwards: {}", load());
}
