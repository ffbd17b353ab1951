//! The checks of a backward pass over the caller's buffers.

use super::operands::WRITTEN;
use super::pass::Pass;
use super::works::Works;
use super::workspace::Sections;
use super::{Backward, BackwardOperands};
use crate::plan::Bound;
use crate::plan::bind::{check_whole, slots};
use crate::plan::check::{Slot, bytes, check, check_aliases, check_dispatch, check_size};
use crate::{Error, InputError, Tensor};

pub(super) fn bind(backward: &Backward, operands: &BackwardOperands<'_>) -> Result<Bound, Error> {
    if operands.forward.lse.is_none() {
        let tensor = Tensor::Lse;
        return Err(InputError::Missing { tensor }.into());
    }
    let sections = Sections::new(backward);
    let read = slots(&backward.problem, &operands.forward)?;
    let own = own_slots(backward, operands, &sections)?;
    check_slots(backward, &read, &own)?;
    let works = check_limits(backward, &sections)?;
    Pass::new(backward, operands, &sections, &read, &own).record(&works)
}

/// The tensors of the backward pass alone, with what they need; numbers are those of the kernels that bind them.
fn own_slots<'a>(
    backward: &Backward,
    operands: &BackwardOperands<'a>,
    sections: &Sections,
) -> Result<Vec<Slot<'a>>, InputError> {
    let mut slots = Vec::new();
    for (tensor, operand) in operands.own() {
        let wanted = backward.wanted.writes(tensor);
        let needed = match tensor {
            Tensor::Workspace => sections.bytes(),
            _ => bytes(&backward.problem, tensor),
        };
        match operand {
            Some(operand) if wanted => {
                slots.push((number(tensor), tensor, operand.clone(), needed));
            }
            Some(_) => return Err(InputError::Unused { tensor }),
            None if wanted => return Err(InputError::Missing { tensor }),
            None => {}
        }
    }
    Ok(slots)
}

/// The binding of a tensor in the kernels; dq and dk are the same gradient to them, in kernels of their own.
const fn number(tensor: Tensor) -> u32 {
    match tensor {
        Tensor::DOut => 22,
        Tensor::DQ | Tensor::DK => 23,
        Tensor::DV => 24,
        Tensor::Workspace => 25,
        Tensor::DGate => 26,
        Tensor::DBias => 27,
        _ => u32::MAX,
    }
}

fn check_slots(backward: &Backward, read: &[Slot<'_>], own: &[Slot<'_>]) -> Result<(), Error> {
    let device = &backward.device;
    let all: Vec<Slot<'_>> = read.iter().chain(own).cloned().collect();
    for (_, tensor, binding, bytes) in &all {
        check(device, *tensor, binding, *bytes)?;
    }
    check_aliases(&all, &WRITTEN)?;
    let of = |tensor| {
        let mut slots = own.iter().filter(|slot| slot.3 > 0);
        slots.find(|slot| slot.1 == tensor)
    };
    // Who owns keys reads the workspace while it writes.
    if let Some(workspace) = of(Tensor::Workspace) {
        let written = [Tensor::DK, Tensor::DV, Tensor::DTable, Tensor::DBias];
        let mut written = written.into_iter().filter_map(of);
        if let Some(slot) = written.find(|slot| slot.2.buffer == workspace.2.buffer) {
            return Err(Error::SharedBuffer {
                read: Tensor::Workspace,
                written: slot.1,
            });
        }
    }
    Ok(())
}

/// Refuses what no split brings within the device's limits; returns the dispatches that do fit.
pub(super) fn check_limits<'a>(
    backward: &'a Backward,
    sections: &Sections,
) -> Result<Works<'a>, Error> {
    let (device, problem) = (&backward.device, &backward.problem);
    check_size(device, Tensor::Workspace, sections.bytes())?;
    for tensor in [Tensor::Lse, Tensor::DTable, Tensor::DGate] {
        check_size(device, tensor, bytes(problem, tensor))?;
    }
    check_whole(device, problem)?;
    for sums in [&sections.offset, &sections.scores] {
        check_dispatch(device, sums.workgroups(problem.shape().heads))?;
    }
    Works::new(backward, sections)
}
