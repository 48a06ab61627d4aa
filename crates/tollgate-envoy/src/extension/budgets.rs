//! Costs of shared rate limits. Envoy Gateway (1.8) puts the limits of a route with a shared rule into the route's
//! action, where Envoy takes no costs (`envoy.config.route.v3.RateLimit.hits_addend`): whatever a reply costs, it would
//! count as one. In the settings of each filter Envoy takes them.
use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    fields::{any, rate_limit, route, route_action},
    proto::{self, RateLimitPerRoute},
    wire::{Malformed, Message},
};

/// The filter for limits of a route's own; that of a shared policy has its domain behind it.
const FILTER: &str = "envoy.filters.http.ratelimit";

/// Moves the limits of a route where they are counted as they are meant to be. Limits without costs stay.
pub(super) fn modify(own: &mut Message) -> Result<(), Malformed> {
    let action = own.message(route::ACTION)?.unwrap_or_default();
    let (mut by_filter, mut costs) = (BTreeMap::<String, Vec<Bytes>>::new(), false);
    for limit in action.all(route_action::RATE_LIMITS) {
        let read = Message::parse(limit.clone())?;
        costs |= read.has(rate_limit::HITS_ADDEND);
        by_filter.entry(filter(&read)?).or_default().push(limit.clone());
    }
    if !costs {
        return Ok(());
    }
    for (filter, limits) in by_filter {
        let mut settings = Message::default();
        limits.into_iter().for_each(|limit| settings.push(rate_limit::PER_ROUTE_LIMITS, limit));
        let mut typed = Message::default();
        typed.set_bytes(any::TYPE_URL, proto::type_url::<RateLimitPerRoute>());
        typed.set_bytes(any::VALUE, settings.encode());
        own.set_entry(route::PER_FILTER, &filter, typed.encode())?;
    }
    own.edit(route::ACTION, |action| {
        action.remove(route_action::RATE_LIMITS);
        Ok(())
    })
}

/// The filter that asks about a limit. The first entry of a shared one is `{namespace}/{policy}/rule/{i}`, and what is
/// before the rule its domain; of any other it is the route's name.
fn filter(limit: &Message) -> Result<String, Malformed> {
    let first = limit.messages(rate_limit::ACTIONS).next().transpose()?.unwrap_or_default();
    let entry = first.message(rate_limit::GENERIC_KEY)?.unwrap_or_default();
    let shared = entry.text(rate_limit::KEY).rsplit_once("/rule/");
    let shared = shared.filter(|(_, rule)| rule.parse::<usize>().is_ok());
    Ok(shared.map_or_else(|| FILTER.to_owned(), |(domain, _)| format!("{FILTER}/{domain}")))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::extension::{
        proto::{Action, Any, GenericKey, HitsAddend, RateLimit},
        testing::route as sample,
    };

    fn limit(key: &str, cost: Option<&str>) -> RateLimit {
        let generic_key = GenericKey { descriptor_key: key.to_owned(), descriptor_value: key.to_owned() };
        RateLimit {
            actions: vec![Action { generic_key: Some(generic_key), ..Action::default() }],
            hits_addend: cost.map(|format| HitsAddend { number: None, format: format.to_owned() }),
            apply_on_stream_done: cost.is_some(),
        }
    }

    fn route_with(limits: &[RateLimit]) -> Message {
        let mut own = sample(true, Some("c"));
        own.edit(route::ACTION, |action| {
            limits.iter().for_each(|limit| action.push(route_action::RATE_LIMITS, proto::bytes(limit)));
            Ok(())
        })
        .unwrap();
        own
    }

    /// What a filter asks about.
    fn asked(own: &Message, filter: &str) -> Vec<RateLimit> {
        let entry = own.entry(route::PER_FILTER, filter).unwrap().unwrap();
        let any = Any::decode(entry.encode()).unwrap();
        assert_eq!(any.type_url, proto::type_url::<RateLimitPerRoute>());
        RateLimitPerRoute::decode(any.value).unwrap().rate_limits
    }

    #[test]
    fn costs_of_shared_limits_are_put_where_envoy_takes_them() {
        let name = "httproute/prod/chat/rule/0/match/0/*";
        let before = [
            limit("prod/team/rule/0", None),
            limit("prod/team/rule/0", Some("%DYNAMIC_METADATA(a:b)%")),
            limit("prod/team/rule/12", None),
            limit(name, None),
        ];
        let mut own = route_with(&before);
        modify(&mut own).unwrap();
        let action = own.message(route::ACTION).unwrap().unwrap();
        assert!(!action.has(route_action::RATE_LIMITS) && action.has(route_action::CLUSTER));
        assert_eq!(asked(&own, "envoy.filters.http.ratelimit/prod/team"), before[..3]);
        assert_eq!(asked(&own, FILTER), before[3..]);
    }

    #[test]
    fn limits_that_count_requests_stay() {
        let mut own = route_with(&[limit("prod/team/rule/0", None)]);
        let before = own.encode();
        modify(&mut own).unwrap();
        assert_eq!(own.encode(), before);
    }
}
