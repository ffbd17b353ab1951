//! FXC unrolls every loop around a component of a vector that is written by number, so that no kernel that it reads has one.

use naga::valid::{Capabilities, FunctionInfo, ValidationFlags, Validator};
use naga::{Block, Expression, Function, Handle, Module, Statement, TypeInner};

use super::{kernels, parse_text};
use crate::shader::Dialect;

#[test]
fn no_component_is_written_by_number_where_fxc_reads() {
    let mut plain = 0;
    for kernel in kernels() {
        if kernel.uses_subgroups() {
            continue;
        }
        let label = kernel.label();
        let text = kernel.text();
        if plain == 0 {
            plain = written(&parse_text(kernel, &text));
        }
        let text = Dialect::Fxc.translate(&text, false);
        assert_eq!(written(&parse_text(kernel, &text)), 0, "{label}");
    }
    assert!(plain > 0, "naga's dialect has such components");
}

/// How many components are written by number.
fn written(module: &Module) -> usize {
    let flags = ValidationFlags::all();
    let info = Validator::new(flags, Capabilities::all()).validate(module);
    let info = info.unwrap_or_else(|error| panic!("{error:?}"));
    let functions = module.functions.iter();
    let functions = functions.map(|(handle, function)| (function, &info[handle]));
    let entry = (&module.entry_points[0].function, info.get_entry_point(0));
    let functions = functions.chain([entry]);
    functions
        .map(|(function, info)| {
            let pointers = stores(&function.body).into_iter();
            let written = pointers.filter(|&pointer| is_component(module, function, info, pointer));
            written.count()
        })
        .sum()
}

/// The pointers that are stored through.
fn stores(block: &Block) -> Vec<Handle<Expression>> {
    let inner = |statement: &Statement| match statement {
        Statement::Store { pointer, .. } => vec![*pointer],
        Statement::Block(block) => stores(block),
        Statement::If { accept, reject, .. } => [stores(accept), stores(reject)].concat(),
        Statement::Loop {
            body, continuing, ..
        } => [stores(body), stores(continuing)].concat(),
        Statement::Switch { cases, .. } => {
            cases.iter().flat_map(|case| stores(&case.body)).collect()
        }
        _ => Vec::new(),
    };
    block.iter().flat_map(inner).collect()
}

fn is_component(
    module: &Module,
    function: &Function,
    info: &FunctionInfo,
    pointer: Handle<Expression>,
) -> bool {
    let Expression::Access { base, .. } = function.expressions[pointer] else {
        return false;
    };
    match *info[base].ty.inner_with(&module.types) {
        TypeInner::Pointer { base, .. } => {
            matches!(module.types[base].inner, TypeInner::Vector { .. })
        }
        TypeInner::ValuePointer { size, .. } => size.is_some(),
        _ => false,
    }
}
