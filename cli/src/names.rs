//! Which tensor of a file belongs to which bias of a sum, where two kinds have tensors of one name.

use crate::args::BiasKind;
use crate::fault::Fault;
use crate::tensors::TensorFile;
use crate::wanted::{
    A, INDEX_TABLE, KERPLE_LOG_A, KERPLE_LOG_P, KERPLE_POWER_A, KERPLE_POWER_P, OFFSET_TABLE, P,
    T5_TABLE, TABLE, Wanted,
};

/// A name that several kinds share, and that of each kind alone.
#[derive(Debug)]
pub(crate) struct SharedName {
    plain: Wanted,
    own: &'static [(BiasKind, Wanted)],
}

pub(crate) static TABLES: SharedName = SharedName {
    plain: TABLE,
    own: &[
        (BiasKind::T5, T5_TABLE),
        (BiasKind::Offset, OFFSET_TABLE),
        (BiasKind::Index, INDEX_TABLE),
    ],
};
pub(crate) static PS: SharedName = SharedName {
    plain: P,
    own: &[
        (BiasKind::KerpleLog, KERPLE_LOG_P),
        (BiasKind::KerplePower, KERPLE_POWER_P),
    ],
};
pub(crate) static AS: SharedName = SharedName {
    plain: A,
    own: &[
        (BiasKind::KerpleLog, KERPLE_LOG_A),
        (BiasKind::KerplePower, KERPLE_POWER_A),
    ],
};

impl SharedName {
    /// The tensor of this kind in a sum of these: its own name where the file has it, else the shared one where no other
    /// bias of the sum could mean it.
    pub(crate) fn of(
        &self,
        kind: BiasKind,
        sum: &[BiasKind],
        file: &TensorFile<'_>,
    ) -> Result<Wanted, Fault> {
        let users = self.own.iter().filter(|(user, _)| sum.contains(user));
        let own = self.own.iter().find(|&&(user, _)| user == kind);
        match own {
            Some(&(_, own)) if file.has(own) => Ok(own),
            Some(&(_, own)) if users.clone().count() > 1 => {
                if !file.has(self.plain) {
                    return Ok(own);
                }
                let (kinds, names): (Vec<_>, Vec<_>) =
                    users.map(|(kind, own)| (kind.name(), own.name)).unzip();
                Err(Fault::SharedName {
                    path: file.path().to_owned(),
                    name: self.plain.name,
                    kinds: kinds.join(" and of "),
                    allowed: names.join(" and "),
                })
            }
            _ => Ok(self.plain),
        }
    }
}
