use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use super::InvalidExpression;

/// Most bytes of an expression: what Envoy Gateway's schema takes.
const LENGTH: usize = 4096;
/// Most brackets inside each other.
const BRACKETS: usize = 64;
/// Most levels of what was parsed: evaluation needs some of the stack for each, and serving threads have 2 MiB.
const DEPTH: usize = 32;
/// Bytes of stack for the parser, which takes 170 KiB for a bracket and 40 KiB for an operator where it is not
/// optimized. What is not used is never touched.
const STACK: usize = if cfg!(debug_assertions) { 256 << 20 } else { 64 << 20 };

/// Parses an expression that is shallow enough to be evaluated anywhere. Whoever writes a resource must not be able
/// to end the process, and a stack that overflows does.
///
/// # Errors
/// [`InvalidExpression`] with the parser's words.
pub fn parse_expression(source: &str) -> Result<cel::Program, InvalidExpression> {
    if source.len() > LENGTH || brackets(source) > BRACKETS {
        return Err(too_deep());
    }
    // The parser calls itself; the depth of what it makes is known only afterwards. What is too deep is dropped there
    // as well.
    stacker::grow(STACK, || {
        let program = cel::Program::compile(source).map_err(|error| InvalidExpression(error.to_string()))?;
        if depth(program.expression()) > DEPTH { Err(too_deep()) } else { Ok(program) }
    })
}

fn too_deep() -> InvalidExpression {
    InvalidExpression(format!("it is longer than {LENGTH} bytes or deeper than {DEPTH} levels"))
}

/// How many brackets are open at once, at most; those in texts are counted too.
fn brackets(source: &str) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Levels below this one, and itself. Goes no deeper than the parser did.
fn depth(expression: &IdedExpr) -> usize {
    let deepest = children(expression).into_iter().map(depth).max().unwrap_or(0);
    deepest.saturating_add(1)
}

/// Every literal text.
pub(super) fn texts(expression: &IdedExpr) -> Vec<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => vec![text.inner()],
        _ => children(expression).into_iter().flat_map(texts).collect(),
    }
}

/// Names that loops give to what they go through.
pub(super) fn bound(expression: &IdedExpr) -> Vec<&str> {
    let mut names: Vec<&str> = children(expression).into_iter().flat_map(bound).collect();
    if let Expr::Comprehension(loops) = &expression.expr {
        names.extend([&*loops.iter_var, &*loops.accu_var]);
        names.extend(loops.iter_var2.as_deref());
    }
    names
}

fn children(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| parts(&entry.expr)).collect(),
    }
}

fn parts(entry: &EntryExpr) -> impl Iterator<Item = &IdedExpr> {
    let (key, value) = match entry {
        EntryExpr::StructField(field) => (None, &field.value),
        EntryExpr::MapEntry(entry) => (Some(&entry.key), &entry.value),
    };
    key.into_iter().chain([value])
}
