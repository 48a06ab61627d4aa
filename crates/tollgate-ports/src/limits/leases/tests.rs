use http::{HeaderMap, Method};
use tollgate_limit::{Cost, LimitRule, LimitRuleSpec, Scope, Unit, View};

use super::*;

const NOW: UnixMillis = UnixMillis(1_755_734_400_000);
const HOUR: UnixMillis = UnixMillis(NOW.0 + 3_600_000);

/// Redis as far as leases can tell.
#[derive(Default)]
struct Server(HashMap<String, i64>);

// === impl Server ===

impl Server {
    fn run(&mut self, write: &Write) -> i64 {
        let count = self.0.entry(write.key.clone()).or_default();
        *count += write.delta;
        *count
    }

    fn write(&mut self, leases: &mut Leases, now: UnixMillis) {
        for write in leases.drain(now) {
            leases.written(&write, Ok(self.run(&write)), now);
        }
    }

    fn reserve(&mut self, leases: &mut Leases, claims: &[Claim], now: UnixMillis) -> Decision {
        if let Some(decision) = leases.serve(claims, now) {
            return decision;
        }
        let writes = leases.begin(claims, now);
        let counts: Vec<_> = writes.iter().map(|write| self.run(write)).collect();
        leases.finish(claims, &writes, &counts, now)
    }

    fn count(&self, claim: &Claim, now: UnixMillis) -> i64 {
        self.0.get(&claim.counter.key(claim.limit.unit.window(now))).copied().unwrap_or(0)
    }
}

fn claim(amount: u64, hits: u64, hold: u64) -> Claim {
    let rule = LimitRule::new(LimitRuleSpec {
        id: "a".into(),
        scope: Scope::Shared { policy: "a/b".into(), index: 0 },
        number: 0,
        conditions: vec![],
        limit: Limit { amount, unit: Unit::Hour },
        request_cost: Cost::Number(1),
        response_cost: None,
        shadow: false,
        show_headers: true,
    });
    let headers = HeaderMap::new();
    let view = View { method: &Method::GET, path: "/", query: None, headers: &headers, client: None };
    rule.charge(rule.claim(&view).expect("it has no conditions"), hits, hold)
}

#[test]
fn a_lease_is_charged_before_it_is_used_and_given_back_when_it_lies_idle() {
    let (mut server, mut leases) = (Server::default(), Leases::default());
    let request = [claim(10_000, 1, 0)];
    assert!(server.reserve(&mut leases, &request, NOW).is_admitted());
    assert_eq!(leases.serve(&request, NOW), None, "no lease yet");
    server.write(&mut leases, NOW);
    assert_eq!(server.count(&request[0], NOW), 1 + 99, "a hundredth of the 9,999 that are left");
    assert!(leases.serve(&request, NOW).is_some_and(|decision| decision.is_admitted()));
    assert_eq!(server.count(&request[0], NOW), 100, "which Redis knows of already");
    let later = UnixMillis(NOW.0 + 1_001);
    leases.sweep(true, later);
    server.write(&mut leases, later);
    assert_eq!(server.count(&request[0], NOW), 2);
    leases.sweep(true, later);
    leases.sweep(true, later);
    assert!(leases.entries.is_empty());
}

#[test]
fn no_two_processes_exceed_a_limit_whatever_their_leases() {
    for amount in [1, 7, 50, 333] {
        let mut server = Server::default();
        let mut processes = [Leases::default(), Leases::default(), Leases::default()];
        let mut admitted = 0;
        for turn in 0..2000 {
            let leases = &mut processes[turn * 7 % 3];
            admitted += u64::from(server.reserve(leases, &[claim(amount, 1, 0)], NOW).is_admitted());
            if turn.is_multiple_of(3) {
                server.write(&mut processes[turn * 5 % 3], NOW);
            }
        }
        assert!(admitted <= amount, "{admitted} of {amount}");
        assert!(admitted * 10 >= amount * 6, "{admitted} of {amount}");
    }
}

#[test]
fn a_large_hold_passes_a_small_limit_and_blocks_the_next() {
    let (mut server, mut leases) = (Server::default(), Leases::default());
    let request = [claim(100, 0, 5_000)];
    assert!(server.reserve(&mut leases, &request, NOW).is_admitted());
    let mut other = Leases::default();
    assert!(!server.reserve(&mut other, &request, NOW).is_admitted(), "another process sees the hold");
    server.write(&mut other, NOW);
    leases.settle(&[request[0].clone().settle(40)], NOW);
    server.write(&mut leases, NOW);
    leases.sweep(true, HOUR);
    let later = UnixMillis(NOW.0 + 100);
    assert!(server.reserve(&mut other, &request, later).is_admitted(), "once it is settled");
}

#[test]
fn holds_go_along_into_the_next_window_and_costs_fall_into_it() {
    let (mut server, mut leases) = (Server::default(), Leases::default());
    let request = [claim(1_000, 0, 600)];
    assert!(server.reserve(&mut leases, &request, NOW).is_admitted());
    leases.settle(&[request[0].clone().settle(500)], HOUR);
    server.write(&mut leases, HOUR);
    leases.sweep(true, UnixMillis(HOUR.0 + 2_000));
    server.write(&mut leases, HOUR);
    assert_eq!(server.count(&request[0], HOUR), 500);
}

#[test]
fn what_redis_refused_is_charged_later_and_what_nobody_knows_is_not_charged_twice() {
    for (failure, wanted) in [(Failure::Refused, 5), (Failure::Unknown, 0)] {
        let (mut server, mut leases) = (Server::default(), Leases::default());
        let request = [claim(10, 5, 0)];
        let writes = leases.begin(&request, NOW);
        leases.undo(&request, &writes, failure, NOW);
        assert!(leases.fall_back(&request, true, NOW).is_admitted());
        leases.sweep(true, UnixMillis(NOW.0 + 2_000));
        server.write(&mut leases, NOW);
        assert_eq!(server.count(&request[0], NOW), wanted, "{failure:?}");
    }
}

#[test]
fn without_redis_a_process_keeps_to_the_limit_by_itself() {
    let mut leases = Leases::default();
    let request = [claim(3, 1, 0)];
    let admitted = (0..10).filter(|_| leases.fall_back(&request, true, NOW).is_admitted()).count();
    assert_eq!(admitted, 3);
    assert!(leases.fall_back(&request, false, NOW).unavailable);
}

#[test]
fn what_is_held_without_asking_is_held_here_at_once_and_everywhere_soon() {
    let mut server = Server::default();
    let (mut here, mut there) = (Leases::default(), Leases::default());
    let (held, looks) = (claim(100, 0, 80), claim(100, 0, 0));
    assert!(!here.is_sure(std::slice::from_ref(&looks), NOW), "nothing is known yet");
    assert!(server.reserve(&mut here, std::slice::from_ref(&looks), NOW).is_admitted());
    assert!(here.is_sure(std::slice::from_ref(&looks), NOW), "it was asked just now");
    for _ in 0..2 {
        // 80 of 100, and then 160: what is under way may pass the limit by one request.
        assert!(here.fall_back(std::slice::from_ref(&held), true, NOW).is_admitted());
    }
    assert!(!here.look(std::slice::from_ref(&looks), NOW).is_admitted());
    server.write(&mut here, NOW);
    assert_eq!(server.count(&looks, NOW), 160);
    assert!(!server.reserve(&mut there, std::slice::from_ref(&looks), NOW).is_admitted());
    for _ in 0..2 {
        here.settle(&[held.clone().settle(30)], NOW);
    }
    server.write(&mut here, NOW);
    let later = UnixMillis(NOW.0 + Leases::BELIEVED);
    assert!(!there.is_sure(std::slice::from_ref(&looks), later), "that was too long ago");
    assert!(server.reserve(&mut there, std::slice::from_ref(&looks), later).is_admitted(), "40 are left");
}

#[test]
fn what_nobody_answered_counts_here_as_well() {
    let mut leases = Leases::default();
    let once = [claim(1, 1, 0)];
    let writes = leases.begin(&once, NOW);
    leases.undo(&once, &writes, Failure::Unknown, NOW);
    assert!(leases.fall_back(&once, true, NOW).is_admitted(), "it is paid for");
    assert!(!leases.fall_back(&once, true, NOW).is_admitted());
    assert_eq!(leases.drain(NOW).iter().map(|write| write.delta).sum::<i64>(), 0, "and charged once");
}

#[test]
fn a_debt_counts_while_it_is_being_written_and_whatever_comes_of_that() {
    for result in [Err(Failure::Refused), Err(Failure::Unknown), Ok(1)] {
        let mut leases = Leases::default();
        let once = [claim(1, 1, 0)];
        assert!(leases.fall_back(&once, true, NOW).is_admitted());
        let writes = leases.drain(NOW);
        assert_eq!(writes.len(), 1);
        assert!(!leases.look(&once, NOW).is_admitted(), "under way");
        leases.written(&writes[0], result, NOW);
        assert!(!leases.look(&once, NOW).is_admitted(), "{result:?}");
        assert!(leases.look(&once, HOUR).is_admitted(), "the next window is another one");
    }
}

#[test]
fn a_clock_that_jumps_neither_frees_a_limit_nor_blocks_the_next_window() {
    let (mut server, mut leases) = (Server::default(), Leases::default());
    let once = [claim(1, 1, 0)];
    assert!(server.reserve(&mut leases, &once, HOUR).is_admitted());
    // Back by less than a window: it goes on with the later one.
    assert!(!server.reserve(&mut leases, &once, UnixMillis(HOUR.0 - 1)).is_admitted());
    assert!(!server.reserve(&mut leases, &once, HOUR).is_admitted());
    // Far ahead is a window of its own, and what was spent is known when the clock is right again.
    let ahead = UnixMillis(HOUR.0 + 50 * 3_600_000);
    assert!(server.reserve(&mut leases, &once, ahead).is_admitted());
    assert!(!server.reserve(&mut leases, &once, HOUR).is_admitted());
}

#[test]
fn without_redis_nothing_is_forgotten_before_its_window_is_over() {
    let (mut server, mut leases) = (Server::default(), Leases::default());
    let once = [claim(1, 1, 0)];
    assert!(server.reserve(&mut leases, &once, NOW).is_admitted());
    server.write(&mut leases, NOW);
    let later = UnixMillis(NOW.0 + 2 * Leases::IDLE);
    leases.sweep(false, later);
    assert!(!leases.fall_back(&once, true, later).is_admitted());
    leases.sweep(false, HOUR);
    assert!(leases.entries.is_empty());
}
