use super::{error::FormatError, operator::Operator};

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself
    Literal(Box<str>),
    /// What an operator says
    Field(Field),
}

/// An operator and how much of what it says is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What is shown.
    pub operator: Operator,
    /// `:Z`: most characters of it.
    pub most: Option<usize>,
}

/// Takes a text apart into literals and operators.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let at = text.len() - after.len() - 1;
        let Written { name, argument, most, after } = written(after).ok_or(FormatError::Unclosed { at })?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into_boxed_str()));
        }
        let operator = Operator::parse(name, argument)?;
        pieces.push(Piece::Field(Field { operator, most }));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into_boxed_str()));
    }
    Ok(pieces)
}

/// `NAME(argument):most%` and what comes after it.
struct Written<'a> {
    name: &'a str,
    argument: Option<&'a str>,
    most: Option<usize>,
    after: &'a str,
}

fn written(text: &str) -> Option<Written<'_>> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let (name, rest) = text.split_at(text.find(|c| !is_name(c))?);
    if name.is_empty() {
        return None;
    }
    let Some(inside) = rest.strip_prefix('(') else {
        let (most, after) = closed(rest)?;
        return Some(Written { name, argument: None, most, after });
    };
    // An argument may hold `%` and `)`: it ends at the first parenthesis after which the operator can end.
    inside.match_indices(')').find_map(|(position, _)| {
        let (argument, rest) = inside.split_at(position);
        let (most, after) = closed(rest.get(1..)?)?;
        Some(Written { name, argument: Some(argument), most, after })
    })
}

/// `%` or `:most%`, and what comes after it.
fn closed(text: &str) -> Option<(Option<usize>, &str)> {
    if let Some(after) = text.strip_prefix('%') {
        return Some((None, after));
    }
    let (digits, after) = text.strip_prefix(':')?.split_once('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((Some(digits.parse().ok().filter(|_| plain)?), after))
}
