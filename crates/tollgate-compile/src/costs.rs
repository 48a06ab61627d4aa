use std::sync::Arc;

use tollgate_resources::{LlmRequestCost, LlmRequestCostType};
use tollgate_snapshot::{Cost, CostKind, CostProgram, Problem};

use crate::{
    Fault,
    notes::{At, Notes},
};

/// Costs that were declared together; of two with one key the last wins.
pub(crate) type Costs = Vec<Result<Cost, BrokenCost>>;

/// A cost that cannot be computed. Limits may depend on it, so that what needs it does not serve.
#[derive(Clone, Debug)]
pub(crate) struct BrokenCost {
    pub(crate) key: Arc<str>,
    pub(crate) problem: Arc<Problem>,
}

/// Reads `llmRequestCosts` at this place.
pub(crate) fn costs(declared: &[LlmRequestCost], at: &At<'_>, notes: &mut Notes) -> Costs {
    let mut all = Costs::new();
    for (i, declared) in declared.iter().enumerate() {
        let at = at.to(format!("[{i}]"));
        let key: Arc<str> = declared.metadata_key.as_str().into();
        let cost = match kind(declared) {
            Ok(kind) => Ok(Cost { key: Arc::clone(&key), kind }),
            Err(fault) => {
                Err(BrokenCost { key: Arc::clone(&key), problem: notes.error(&at.to(".cel"), fault) })
            }
        };
        if let Some(known) = all.iter_mut().find(|known| key_of(known) == &*key) {
            let message = format!("cost {key} is declared twice; the last one counts");
            notes.warning(&at.to(".metadataKey"), Fault::new("duplicate-cost", message));
            *known = cost;
        } else {
            all.push(cost);
        }
    }
    all
}

/// A route's own costs, and the global ones whose keys it does not use itself.
pub(crate) fn merge(own: &Costs, global: &Costs) -> Result<Arc<[Cost]>, Arc<Problem>> {
    let inherited = global.iter().filter(|cost| !own.iter().any(|mine| key_of(mine) == key_of(cost)));
    own.iter()
        .chain(inherited)
        .map(|cost| cost.clone().map_err(|broken| broken.problem))
        .collect::<Result<Vec<_>, _>>()
        .map(Arc::from)
}

pub(crate) fn key_of(cost: &Result<Cost, BrokenCost>) -> &str {
    match cost {
        Ok(cost) => &cost.key,
        Err(broken) => &broken.key,
    }
}

fn kind(declared: &LlmRequestCost) -> Result<CostKind, Fault> {
    Ok(match declared.cost_type {
        LlmRequestCostType::InputToken => CostKind::Input,
        LlmRequestCostType::CachedInputToken => CostKind::CachedInput,
        LlmRequestCostType::CacheCreationInputToken => CostKind::CacheCreationInput,
        LlmRequestCostType::OutputToken => CostKind::Output,
        LlmRequestCostType::TotalToken => CostKind::Total,
        LlmRequestCostType::ReasoningToken => CostKind::Reasoning,
        LlmRequestCostType::Cel => CostKind::Cel(Arc::new(program(declared)?)),
    })
}

fn program(declared: &LlmRequestCost) -> Result<CostProgram, Fault> {
    let key = &declared.metadata_key;
    let source = declared
        .cel
        .as_deref()
        .ok_or_else(|| Fault::new("missing-cel", format!("cost {key} is of type CEL but has no `cel`")))?;
    expression(source, key)
}

/// Compiles an expression over token counts, for the cost of this name.
pub(crate) fn expression(source: &str, key: &str) -> Result<CostProgram, Fault> {
    CostProgram::new(source).map_err(|error| {
        // What follows the first bar is a drawing of where the fault is.
        let error = error.to_string();
        let words: Vec<_> = error.split_whitespace().take_while(|word| *word != "|").collect();
        Fault::new("invalid-cel", format!("the expression of cost {key} cannot be used: {}", words.join(" "))).help(
            "variables are model, backend, route_name and the unsigned input_tokens, cached_input_tokens, \
             cache_creation_input_tokens, output_tokens, total_tokens, reasoning_tokens; it is tried with all counts \
             at 0, so that it must not divide by one; literals beside them need a `u`, as in `2u`",
        )
    })
}
