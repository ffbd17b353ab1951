//! Branches and loops whose conditions are made of uniforms alone: Mesa's lavapipe compiles a kernel again for the values of these
//! (`lvp_inline_uniforms.c`), in Mesa 22.3 at every dispatch.

use std::collections::{BTreeSet, HashMap};

use naga::{AddressSpace, Block, Expression, Function, Handle, LocalVariable, Module, Statement};

/// What a value is made of; of several, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Source {
    Constant,
    Uniform,
    Other,
}

/// The lines of a WGSL text with a branch or a loop that depends on uniforms alone.
///
/// # Errors
/// What naga says of a text that it cannot read.
pub fn branches(wgsl: &str) -> Result<Vec<String>, String> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| error.message().to_owned())?;
    let mut reader = Reader {
        module: &module,
        read: HashMap::new(),
    };
    let mut found = BTreeSet::new();
    for entry in &module.entry_points {
        let arguments = vec![Source::Other; entry.function.arguments.len()];
        found.extend(reader.function(&entry.function, &arguments).branches);
    }
    let line = |at: usize| wgsl[at..].lines().next().unwrap_or_default().to_owned();
    Ok(found.into_iter().map(line).collect())
}

/// What a function makes of its arguments.
#[derive(Clone, Debug)]
struct Read {
    result: Source,
    /// Where conditions of uniforms alone begin in the text.
    branches: BTreeSet<usize>,
}

/// Reads functions, each once for the same sources of its arguments.
struct Reader<'a> {
    module: &'a Module,
    read: HashMap<(Handle<Function>, Vec<Source>), Read>,
}

impl Reader<'_> {
    fn call(&mut self, function: Handle<Function>, arguments: Vec<Source>) -> Read {
        let key = (function, arguments);
        if let Some(read) = self.read.get(&key) {
            return read.clone();
        }
        let read = self.function(&self.module.functions[function], &key.1);
        self.read.insert(key, read.clone());
        read
    }

    /// Goes through a function until what its variables are made of is known, as loops hand values back.
    fn function(&mut self, function: &Function, arguments: &[Source]) -> Read {
        let mut variables = HashMap::new();
        loop {
            let mut pass = Pass {
                reader: self,
                function,
                arguments,
                variables: variables.clone(),
                known: HashMap::new(),
                read: Read {
                    result: Source::Constant,
                    branches: BTreeSet::new(),
                },
            };
            pass.block(&function.body, Source::Constant);
            let (read, found) = (pass.read, pass.variables);
            if found == variables {
                return read;
            }
            variables = found;
        }
    }
}

/// A walk through a function.
struct Pass<'a, 'm> {
    reader: &'a mut Reader<'m>,
    function: &'a Function,
    arguments: &'a [Source],
    variables: HashMap<Handle<LocalVariable>, Source>,
    known: HashMap<Handle<Expression>, Source>,
    read: Read,
}

impl Pass<'_, '_> {
    /// `control` is what decides whether the block runs.
    fn block(&mut self, block: &Block, control: Source) {
        for (statement, span) in block.span_iter() {
            let at = span.to_range().map_or(0, |range| range.start);
            self.statement(statement, at, control);
        }
    }

    fn statement(&mut self, statement: &Statement, at: usize, control: Source) {
        match statement {
            Statement::Block(inner) => self.block(inner, control),
            Statement::If {
                condition,
                accept,
                reject,
            } => {
                let inner = control.max(self.condition(*condition, at));
                self.block(accept, inner);
                self.block(reject, inner);
            }
            Statement::Switch { selector, cases } => {
                let inner = control.max(self.condition(*selector, at));
                for case in cases {
                    self.block(&case.body, inner);
                }
            }
            Statement::Loop {
                body,
                continuing,
                break_if,
            } => {
                self.block(body, control);
                self.block(continuing, control);
                if let Some(condition) = break_if {
                    self.condition(*condition, at);
                }
            }
            Statement::Return { value: Some(value) } => {
                let source = self.source(*value).max(control);
                self.read.result = self.read.result.max(source);
            }
            Statement::Store { pointer, value } => {
                let source = self.source(*value).max(control);
                self.assign(*pointer, source);
            }
            Statement::Call {
                function,
                arguments,
                result,
            } => {
                let sources = arguments.iter().map(|argument| self.source(*argument));
                let read = {
                    let sources = sources.collect();
                    self.reader.call(*function, sources)
                };
                self.read.branches.extend(read.branches);
                for argument in arguments {
                    self.assign(*argument, Source::Other);
                }
                if let Some(result) = result {
                    self.known.insert(*result, read.result);
                }
            }
            _ => {}
        }
    }

    fn condition(&mut self, condition: Handle<Expression>, at: usize) -> Source {
        let source = self.source(condition);
        if source == Source::Uniform {
            self.read.branches.insert(at);
        }
        source
    }

    /// Notes what a variable gets, where a pointer is to one of the function.
    fn assign(&mut self, pointer: Handle<Expression>, source: Source) {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => {
                let known = self.variables.entry(variable).or_insert(source);
                *known = source.max(*known);
            }
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                self.assign(base, source);
            }
            _ => {}
        }
    }

    fn source(&mut self, expression: Handle<Expression>) -> Source {
        if let Some(source) = self.known.get(&expression) {
            return *source;
        }
        let source = self.find(expression);
        self.known.insert(expression, source);
        source
    }

    fn find(&mut self, expression: Handle<Expression>) -> Source {
        match &self.function.expressions[expression] {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_) => Source::Constant,
            Expression::FunctionArgument(number) => self.arguments[*number as usize],
            Expression::GlobalVariable(variable) => {
                match self.reader.module.global_variables[*variable].space {
                    AddressSpace::Uniform => Source::Uniform,
                    _ => Source::Other,
                }
            }
            Expression::LocalVariable(variable) => {
                let stored = self.variables.get(variable).copied();
                let first = self.function.local_variables[*variable].init;
                let first = first.map_or(Source::Constant, |first| self.source(first));
                stored.unwrap_or(first).max(first)
            }
            Expression::Compose { components, .. } => self.sources(components),
            Expression::Access { base, index } => self.sources(&[*base, *index]),
            Expression::Binary { left, right, .. } => self.sources(&[*left, *right]),
            Expression::Select {
                condition,
                accept,
                reject,
            } => self.sources(&[*condition, *accept, *reject]),
            Expression::Math {
                arg,
                arg1,
                arg2,
                arg3,
                ..
            } => {
                let all = [Some(*arg), *arg1, *arg2, *arg3];
                self.sources(&all.into_iter().flatten().collect::<Vec<_>>())
            }
            Expression::AccessIndex { base: value, .. }
            | Expression::Load { pointer: value }
            | Expression::Splat { value, .. }
            | Expression::Swizzle { vector: value, .. }
            | Expression::Unary { expr: value, .. }
            | Expression::Relational {
                argument: value, ..
            }
            | Expression::As { expr: value, .. } => self.source(*value),
            _ => Source::Other,
        }
    }

    fn sources(&mut self, expressions: &[Handle<Expression>]) -> Source {
        let sources = expressions.iter().map(|one| self.source(*one));
        sources.max().unwrap_or(Source::Constant)
    }
}

#[cfg(test)]
mod tests {
    use super::branches;

    const HEAD: &str = "
        struct Params { count: u32, flag: u32 }
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read_write> x: array<u32>;
        fn wanted() -> bool { return params.flag != 0u; }
        fn same(number: u32) -> u32 { return number; }
        @compute @workgroup_size(8) fn main(@builtin(local_invocation_index) local: u32) {
    ";

    fn lines(body: &str) -> Vec<String> {
        branches(&format!("{HEAD}\n{body}\n}}")).expect("WGSL")
    }

    #[test]
    fn what_depends_on_uniforms_alone_is_found() {
        for line in [
            "if params.flag != 0u { x[local] = 1u; }",
            "if wanted() { x[local] = 1u; }",
            "if same(params.flag) == 2u { x[local] = 1u; }",
            "for (var n = 0u; n < params.count; n++) { x[local] = n; }",
        ] {
            assert_eq!(lines(line).len(), 1, "{line}");
        }
        let nested = "if local == 0u { if params.flag != 0u { x[0] = 1u; } }";
        assert_eq!(lines(nested), ["if params.flag != 0u { x[0] = 1u; } }"]);
    }

    #[test]
    fn what_depends_on_something_else_is_not() {
        for line in [
            "if local < params.count { x[local] = 1u; }",
            "for (var n = local; n < params.count; n++) { x[local] = n; }",
            "for (var n = 0u; n < 4u; n++) { x[local] = n; }",
            "if same(local) == params.flag { x[local] = 1u; }",
            "if local < 4u && params.flag != 0u { x[local] = 1u; }",
            "if x[0] == params.flag { x[local] = 1u; }",
            "x[local] = select(1u, 2u, params.flag != 0u);",
        ] {
            assert_eq!(lines(line), [""; 0], "{line}");
        }
    }
}
