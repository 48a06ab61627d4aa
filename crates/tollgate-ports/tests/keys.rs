//! Key sets that are fetched from servers that behave and servers that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tollgate-auth/tests/support/mod.rs"]
mod issuer;
mod support;

use std::time::Duration;

use issuer::{Asked, NOW, Signer, by_token, good, jwks, provider};
use support::*;
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};
use tollgate_auth::{KeyRing as _, KeySourceId, Keys, TokenCache};
use tollgate_ports::{KeyFetcher, KeySets, KeySource};

fn id() -> KeySourceId {
    KeySourceId("issuer".into())
}

/// A set of so many keys. Nobody signs with them.
fn set(keys: usize) -> Manner {
    let key =
        |number| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{number}","x":"{}"}}"#, "A".repeat(43));
    let keys: Vec<String> = (0..keys).map(key).collect();
    Manner::ok(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}

fn source(server: &Scripted) -> KeySource {
    KeySource::at(id(), &format!("http://{}/keys?v=1", server.address)).unwrap()
}

fn soon() -> std::time::Instant {
    (Instant::now() + Duration::from_secs(30)).into_std()
}

struct World {
    sets: KeySets,
    fetcher: KeyFetcher,
    server: Scripted,
}

impl World {
    async fn new(manner: Manner) -> Self {
        let server = Scripted::start(manner).await;
        let sets = KeySets::default();
        let mut fetcher = KeyFetcher::new(sets.clone(), pool());
        fetcher.serve([source(&server)]);
        sets.warm(soon()).await;
        Self { sets, fetcher, server }
    }

    /// 0 where there are none.
    fn keys(&self) -> usize {
        self.sets.keys(&id()).map_or(0, |keys| keys.count())
    }
}

#[test]
fn keys_are_fetched_at_once_and_again_before_their_time_is_over() {
    with_jumping_clock(async {
        let world = World::new(set(1)).await;
        assert_eq!((world.keys(), world.server.asked()), (1, 1));
        assert!(world.server.last().starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{}", world.server.last());
        assert!(world.server.last().contains(&format!("host: {}\r\n", world.server.address)));
        world.server.behave(set(2));
        sleep(Duration::from_secs(300)).await;
        assert_eq!((world.keys(), world.server.asked()), (2, 2));
    });
}

#[test]
fn a_server_that_is_down_at_the_start_is_asked_until_it_is_there_less_and_less_often() {
    with_jumping_clock(async {
        let world = World::new(Manner::Down).await;
        assert_eq!(world.keys(), 0);
        sleep(Duration::from_secs(16)).await;
        let asked = world.server.asked();
        assert!((4..=8).contains(&asked), "{asked}");
        world.server.behave(set(1));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.keys(), 1);
        assert_eq!(world.sets.states()[0].failures, 0);
    });
}

#[test]
fn nothing_bad_that_a_server_does_takes_good_keys_away() {
    with_jumping_clock(async {
        let world = World::new(set(3)).await;
        let large = format!(r#"{{"keys":[],"pad":"{}"}}"#, "a".repeat(1 << 20));
        for (number, bad) in (1..).zip([
            Manner::Down,
            Manner::Silent,
            Manner::ok("<html>"),
            Manner::ok(r#"{"keys":[]}"#),
            Manner::ok(&large),
            Manner::Says("500 Internal Server Error".to_owned(), b"{}".to_vec()),
            Manner::Says("204 No Content".to_owned(), Vec::new()),
        ]) {
            world.server.behave(bad.clone());
            assert!(!world.sets.refreshed(&id(), soon()).await, "{number}");
            assert_eq!(world.keys(), 3, "{number}");
            assert!(world.sets.states()[0].failures >= number);
        }
        world.server.behave(set(4));
        assert!(world.sets.refreshed(&id(), soon()).await);
        assert_eq!(world.keys(), 4);
    });
}

#[test]
fn all_who_miss_a_key_share_one_fetch_and_fetches_begin_a_second_apart() {
    with_jumping_clock(async {
        let world = World::new(set(1)).await;
        world.server.behave(set(2));
        let began = Instant::now();
        for round in 1..=3 {
            let mut waiting = JoinSet::new();
            for _ in 0..100 {
                let sets = world.sets.clone();
                waiting.spawn_local(async move { sets.refreshed(&id(), soon()).await });
            }
            assert!(waiting.join_all().await.into_iter().all(|fetched| fetched));
            assert_eq!(world.server.asked(), 1 + round);
        }
        assert!(began.elapsed() >= Duration::from_millis(2900), "{:?}", began.elapsed());
    });
}

#[test]
fn nobody_waits_beyond_the_deadline_or_for_a_source_that_is_not_there() {
    with_jumping_clock(async {
        let world = World::new(set(1)).await;
        world.server.behave(Manner::Silent);
        let began = Instant::now();
        let deadline = began + Duration::from_secs(2);
        assert!(!world.sets.refreshed(&id(), deadline.into_std()).await);
        assert!(began.elapsed() < Duration::from_secs(3));
        assert!(!world.sets.refreshed(&KeySourceId("other".into()), soon()).await);
    });
}

#[test]
fn a_reload_keeps_keys_and_rhythm_and_forgets_what_is_gone() {
    with_jumping_clock(async {
        let mut world = World::new(set(1)).await;
        world.fetcher.serve([source(&world.server)]);
        sleep(Duration::from_secs(100)).await;
        assert_eq!((world.keys(), world.server.asked()), (1, 1));
        let other = KeySource { cache: Duration::from_secs(50), ..source(&world.server) };
        world.server.behave(Manner::Down);
        world.fetcher.serve([other]);
        assert_eq!(world.keys(), 1, "the keys stay until there are new ones");
        sleep(Duration::from_millis(10)).await;
        assert_eq!((world.keys(), world.server.asked()), (1, 2), "changed settings count at once");
        world.fetcher.serve([]);
        assert_eq!(world.keys(), 0);
        let asked = world.server.asked();
        sleep(Duration::from_secs(1000)).await;
        assert_eq!(world.server.asked(), asked);
    });
}

#[test]
fn an_endpoint_that_fails_is_followed_by_the_next() {
    with_jumping_clock(async {
        let (bad, good) = (Scripted::start(Manner::Down).await, Scripted::start(set(1)).await);
        let sets = KeySets::default();
        let mut fetcher = KeyFetcher::new(sets.clone(), pool());
        let uri = "https://issuer.example:8443/keys";
        fetcher.serve([KeySource::at(id(), uri).unwrap().through(vec![bad.origin(), good.origin()])]);
        sets.warm(soon()).await;
        assert_eq!(sets.keys(&id()).unwrap().count(), 1);
        assert!(good.last().contains("host: issuer.example:8443\r\n"), "{}", good.last());
        fetcher.serve([KeySource::at(id(), uri).unwrap().through(vec![])]);
        yield_now().await;
        assert_eq!(sets.keys(&id()).unwrap().count(), 1, "nobody to ask is a failure like any other");
    });
}

#[test]
fn a_uri_says_where_to_go() {
    for bad in
        ["", "issuer.example", "/keys", "ftp://issuer.example/", "https://", "http:///keys", "https://a b/"]
    {
        assert!(KeySource::at(id(), bad).is_err(), "{bad}");
    }
    let source = KeySource::at(id(), "https://issuer.example").unwrap();
    assert_eq!((source.host.to_str().unwrap(), source.path.to_string().as_str()), ("issuer.example", "/"));
    assert_eq!(source.origins[0].port(), 443);
    assert!(source.origins[0].tls().is_some());
}

#[test]
fn an_issuer_changes_its_keys_and_no_request_fails() {
    with_jumping_clock(async {
        let (old, new) = (Signer::new("ES256", "old"), Signer::new("ES256", "new"));
        let world = World::new(Manner::ok(&jwks(&[&old]))).await;
        let access = by_token(vec![provider(Keys::Remote(id()))]);
        let mut cache = TokenCache::default();
        let mut ask =
            |asked: &Asked| access.authenticate(&asked.caller(), &world.sets, &mut cache, NOW).map(|_| ());
        assert_eq!(ask(&Asked::bearer(&old.sign(&good()))), Ok(()));
        world.server.behave(Manner::ok(&jwks(&[&new])));
        let asked = Asked::bearer(&new.sign(&good()));
        let denial = ask(&asked).unwrap_err();
        assert!(world.sets.refreshed(denial.refresh().unwrap(), soon()).await);
        assert_eq!(ask(&asked), Ok(()));
        assert!(ask(&Asked::bearer(&old.sign(&good()))).is_err(), "a key that is gone is believed no more");
    });
}
