//! Envoy decides whether a connection may be upgraded before any filter runs, by the route that it has found until
//! then. A call of ours has no model at that time, so that the route is the one that answers "no such route", which
//! upgrades nothing. In front of it goes one for realtime sessions alone, which the processor makes Envoy leave for that
//! of the model. Nothing reaches a backend on it: once there is a model it does not match, and without one the
//! processor answers.
use super::{
    fields::{route, route_action, virtual_host},
    metadata::{self, Origin},
    plan::Plan,
    proto::{HeaderMatcher, RegexMatcher, RouteMatch, StringMatcher, bytes},
    wire::{Malformed, Message},
};

/// The path of a realtime session below whatever prefix.
const REALTIME: &str = "(/.*)?/v1/realtime";
const MODEL: &str = "x-ai-eg-model";
const PROTOCOL: &str = "websocket";

/// Lets realtime sessions in, before each route that answers for a model that nobody serves; where the routes of models
/// upgrade connections at all.
pub(super) fn admit(plan: &Plan, host: &mut Message) -> Result<(), Malformed> {
    let routes = host.messages(virtual_host::ROUTES).collect::<Result<Vec<_>, _>>()?;
    let mut admitted = Vec::new();
    for (index, own) in routes.iter().enumerate().filter(|(_, own)| !own.has(route::ACTION)) {
        let Some(origin) = metadata::ours(plan, own, route::METADATA)? else { continue };
        if let Some(model) = upgrading(plan, &routes, &origin)? {
            let mut copy = model.clone();
            copy.set_bytes(route::MATCH, bytes(&sessions()));
            copy.set_bytes(route::NAME, format!("{}/realtime", own.text(route::NAME)));
            admitted.push((index, copy.encode()));
        }
    }
    for (index, copy) in admitted.into_iter().rev() {
        host.insert(virtual_host::ROUTES, index, copy);
    }
    Ok(())
}

/// A route of the same origin that upgrades connections.
fn upgrading<'r>(
    plan: &Plan,
    routes: &'r [Message],
    origin: &Origin,
) -> Result<Option<&'r Message>, Malformed> {
    for own in routes {
        let Some(action) = own.message(route::ACTION)? else { continue };
        if metadata::ours(plan, own, route::METADATA)?.as_ref() != Some(origin) {
            continue;
        }
        for upgrade in action.messages(route_action::UPGRADES) {
            // `upgrade_type`
            if upgrade?.text(1).eq_ignore_ascii_case(PROTOCOL) {
                return Ok(Some(own));
            }
        }
    }
    Ok(None)
}

fn sessions() -> RouteMatch {
    let protocol =
        StringMatcher { exact: Some(PROTOCOL.to_owned()), ignore_case: true, ..StringMatcher::default() };
    let upgrade = HeaderMatcher {
        name: "upgrade".to_owned(),
        string_match: Some(protocol),
        ..HeaderMatcher::default()
    };
    let unnamed = HeaderMatcher {
        name: MODEL.to_owned(),
        present_match: Some(true),
        invert_match: true,
        ..HeaderMatcher::default()
    };
    RouteMatch {
        headers: vec![upgrade, unnamed],
        safe_regex: Some(RegexMatcher { regex: REALTIME.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::testing::{plan, route as sample, route_yaml, text};

    fn host(upgrades: &[&str]) -> Message {
        let mut model = sample(true, Some("httproute/prod/chat/rule/0"));
        model
            .edit(route::ACTION, |action| {
                upgrades.iter().for_each(|name| action.push(route_action::UPGRADES, text(1, name).encode()));
                Ok(())
            })
            .unwrap();
        let mut host = Message::default();
        for own in [model, sample(false, Some("x")), sample(false, None), sample(true, None)] {
            host.push(virtual_host::ROUTES, own.encode());
        }
        host
    }

    fn admitted(upgrades: &[&str]) -> Vec<Message> {
        let mut host = host(upgrades);
        admit(&plan(&route_yaml(&[("a", 1, 0)], "")), &mut host).unwrap();
        host.messages(virtual_host::ROUTES).map(Result::unwrap).collect()
    }

    #[test]
    fn sessions_without_a_model_find_a_route_that_upgrades_them() {
        let routes = admitted(&["spdy/3.1", "websocket"]);
        assert_eq!(routes.len(), 5);
        assert!(routes[3].has(route::ACTION) && !routes[4].has(route::ACTION));
        assert!(routes[3].text(route::NAME).ends_with("/realtime"));
        assert_eq!(routes[3].all(route::MATCH).next().unwrap(), &bytes(&sessions()));
        // What stands in the route of the model stands here too: policies, and the processor.
        assert_eq!(routes[3].all(route::METADATA).next(), routes[0].all(route::METADATA).next());
    }

    #[test]
    fn where_a_policy_upgrades_nothing_nothing_is_admitted() {
        assert_eq!(admitted(&[]).len(), 4);
        assert_eq!(admitted(&["spdy/3.1"]).len(), 4);
    }
}
