//! Against a real Redis: found on `PATH`, otherwise these tests say why they do nothing.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::atomic::AtomicUsize,
    time::SystemTime,
};

use http::{HeaderMap, Method};
use tempfile::TempDir;
use tollgate_limit::{Cost, Limit, LimitRule, LimitRuleSpec, Scope, Unit, View};

use super::*;

const NOW: UnixMillis = UnixMillis(1_755_734_400_000);

/// A server on a Unix socket in a directory of its own.
struct Server {
    child: Child,
    dir: TempDir,
    options: Vec<&'static str>,
}

// === impl Server ===

impl Server {
    /// `None` where there is no Redis on this machine.
    fn start(options: &[&'static str]) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let child = spawn(&dir, options)?;
        Some(Self { child, dir, options: options.to_vec() })
    }

    fn store(&self, outage: Outage) -> Arc<RedisLimits> {
        let url = Secret::new(format!("redis+unix://{}", self.dir.path().join("s").display()));
        let config = RedisConfig { url, timeout: Duration::from_millis(200), outage };
        RedisLimits::new(&config).expect("a valid URL")
    }

    fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ran");
    }

    fn restart(&mut self) {
        let _ = std::fs::remove_file(self.dir.path().join("s"));
        self.child = spawn(&self.dir, &self.options).expect("it ran before");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill exists").success());
    }

    fn cli(&self, words: &[&str]) -> String {
        let socket = self.dir.path().join("s");
        let output =
            Command::new("redis-cli").arg("-s").arg(socket).args(words).output().expect("redis-cli is there");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &TempDir, options: &[&str]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(dir.path().join("s"));
    command.args(options).current_dir(dir.path()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: no redis-server on PATH ({error})");
            return None;
        }
    };
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("ready to accept connections"));
    assert!(ready, "redis-server ends before it is ready");
    // Its later words are read away, or it would stop at a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Some(child)
}

fn claim(name: &str, amount: u64, hits: u64, hold: u64) -> Claim {
    let rule = LimitRule::new(LimitRuleSpec {
        id: name.into(),
        scope: Scope::Shared { policy: name.into(), index: 0 },
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

fn key(name: &str) -> String {
    claim(name, 1, 1, 0).counter.key(NOW.seconds())
}

async fn reserve(store: &RedisLimits, claims: &[Claim]) -> Decision {
    match store.try_reserve(claims, NOW) {
        TryReserve::Done(decision) => decision,
        TryReserve::Ask => store.reserve(claims, NOW).await,
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

async fn started(server: &Server, outage: Outage) -> Arc<RedisLimits> {
    let store = server.store(outage);
    tokio::spawn(Arc::clone(&store).run(|| NOW));
    until("connected", || store.is_up()).await;
    store
}

#[tokio::test]
async fn three_processes_hold_one_limit() {
    let Some(server) = Server::start(&[]) else { return };
    let stores = [
        started(&server, Outage::Open).await,
        started(&server, Outage::Open).await,
        started(&server, Outage::Open).await,
    ];
    let admitted = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..30 {
        let (store, admitted) = (Arc::clone(&stores[task % 3]), Arc::clone(&admitted));
        tasks.spawn(async move {
            for _ in 0..100 {
                if reserve(&store, &[claim("three", 1000, 1, 0)]).await.is_admitted() {
                    admitted.fetch_add(1, Relaxed);
                }
            }
        });
    }
    tasks.join_all().await;
    let at_once = admitted.load(Relaxed);
    assert!(at_once <= 1000, "{at_once} of 1000");
    assert!(at_once >= 700, "{at_once} of 1000: leases may not keep more than their share");
    // What leases kept comes back, and then exactly the limit is used.
    for store in &stores {
        store.finish(NOW).await;
    }
    let mut left = 0;
    while reserve(&stores[0], &[claim("three", 1000, 1, 0)]).await.is_admitted() {
        left += 1;
    }
    assert!((990..=1000).contains(&(at_once + left)), "{at_once} + {left} of 1000");
    println!("three processes: {at_once} of 1000 admitted under contention, {} in the end", at_once + left);
}

#[tokio::test]
async fn far_from_a_limit_nobody_waits_for_redis() {
    let Some(server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    let claims = [claim("far", 100_000_000, 1, 500)];
    assert!(reserve(&store, &claims).await.is_admitted());
    until("a lease", || matches!(store.try_reserve(&claims, NOW), TryReserve::Done(_))).await;
    let before = store.round_trips();
    for _ in 0..1000 {
        assert!(reserve(&store, &claims).await.is_admitted());
        store.settle(&[claims[0].clone().settle(300)], NOW);
    }
    let waited = store.round_trips() - before;
    println!("far from a limit: {waited} of 1000 requests waited for Redis");
    assert!(waited <= 20, "{waited} of 1000 waited");
}

#[tokio::test]
async fn costs_and_holds_are_in_redis_exactly_in_the_end() {
    let Some(server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    let claims = [claim("tokens", 10_000, 0, 600)];
    for cost in [100, 900, 0] {
        assert!(reserve(&store, &claims).await.is_admitted());
        store.settle(&[claims[0].clone().settle(cost)], NOW);
    }
    store.finish(NOW).await;
    assert_eq!(server.cli(&["GET", &key("tokens")]), "1000");
    let expires: u64 = server.cli(&["TTL", &key("tokens")]).parse().expect("a number");
    assert!((3590..3900).contains(&expires), "{expires} s");
}

#[tokio::test]
async fn what_envoys_service_counts_is_counted_here() {
    let Some(server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    server.cli(&["INCRBY", &key("shared"), "99"]);
    assert!(reserve(&store, &[claim("shared", 100, 1, 0)]).await.is_admitted());
    assert!(!reserve(&store, &[claim("shared", 100, 1, 0)]).await.is_admitted());
}

#[tokio::test]
async fn a_refused_request_is_charged_nowhere() {
    let Some(server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    let refused = reserve(&store, &[claim("plenty", 100, 5, 0), claim("none", 2, 5, 0)]).await;
    assert_eq!(refused.refused, Some(1));
    store.finish(NOW).await;
    assert_eq!(server.cli(&["GET", &key("plenty")]), "0");
    assert_eq!(server.cli(&["GET", &key("none")]), "0");
}

#[tokio::test]
async fn a_client_that_leaves_while_redis_is_asked_leaves_nothing_reserved() {
    let Some(server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    server.signal("-STOP");
    let claims = [claim("left", 100, 5, 0)];
    let gone = timeout(Duration::from_millis(20), store.reserve(&claims, NOW)).await;
    assert!(gone.is_err(), "it was dropped while it waited");
    server.signal("-CONT");
    let settled = || {
        // Lets the writer run.
        store.wake();
        server.cli(&["GET", &key("left")]) == "0"
    };
    until("given back", settled).await;
}

#[tokio::test]
async fn a_redis_that_stands_still_is_waited_for_a_few_times_only() {
    let Some(server) = Server::start(&[]) else { return };
    for outage in [Outage::Open, Outage::Closed] {
        let store = started(&server, outage).await;
        server.signal("-STOP");
        let claims = [claim("still", 100, 1, 0)];
        for _ in 0..RedisLimits::PATIENCE {
            let _ = reserve(&store, &claims).await;
        }
        assert!(!store.is_up());
        let began = SystemTime::now();
        for _ in 0..20 {
            let decision = reserve(&store, &claims).await;
            assert_eq!(
                (decision.is_admitted(), decision.unavailable),
                match outage {
                    Outage::Open => (true, false),
                    Outage::Closed => (false, true),
                }
            );
        }
        let each = began.elapsed().expect("no jump") / 20;
        println!("Redis stopped, {outage:?}: {each:?} a request");
        assert!(each < Duration::from_millis(5), "{each:?}");
        server.signal("-CONT");
        until("back", || store.is_up()).await;
        assert!(reserve(&store, &claims).await.is_admitted());
    }
}

#[tokio::test]
async fn a_redis_that_died_and_comes_back_is_used_again() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = started(&server, Outage::Open).await;
    assert!(reserve(&store, &[claim("restart", 3, 1, 0)]).await.is_admitted());
    server.kill();
    until("noticed", || {
        store.settle(&[claim("other", 100, 0, 0).settle(1)], NOW);
        !store.is_up()
    })
    .await;
    let admitted = async |count: usize| {
        let mut admitted = 0;
        for _ in 0..count {
            admitted += usize::from(reserve(&store, &[claim("restart", 3, 1, 0)]).await.is_admitted());
        }
        admitted
    };
    assert_eq!(admitted(5).await, 2, "this process still knows of the first one");
    server.restart();
    until("back", || store.is_up()).await;
    store.finish(NOW).await;
    assert_eq!(server.cli(&["GET", &key("restart")]), "2", "what passed meanwhile is charged");
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_is_found_later() {
    let Some(mut server) = Server::start(&[]) else { return };
    server.kill();
    let store = server.store(Outage::Closed);
    tokio::spawn(Arc::clone(&store).run(|| NOW));
    assert!(reserve(&store, &[claim("late", 5, 1, 0)]).await.unavailable);
    server.restart();
    until("found", || store.is_up()).await;
    assert!(reserve(&store, &[claim("late", 5, 1, 0)]).await.is_admitted());
}

#[tokio::test]
async fn a_full_redis_is_as_good_as_none() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else { return };
    let store = started(&server, Outage::Closed).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let claims = [claim("full", 100, 1, 0)];
    for _ in 0..5 {
        assert!(reserve(&store, &claims).await.unavailable);
    }
    assert!(!store.is_up());
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    until("room again", || store.is_up()).await;
    assert!(reserve(&store, &claims).await.is_admitted());
    store.finish(NOW).await;
    assert_eq!(server.cli(&["GET", &key("full")]), "1", "the refused ones are not charged");
}

#[tokio::test]
async fn a_wrong_password_is_an_outage_and_the_right_one_is_not() {
    let Some(server) = Server::start(&["--requirepass", "geheim"]) else { return };
    let with = |password: &str| {
        let path = server.dir.path().join("s");
        let url = Secret::new(format!("redis+unix://{}?pass={password}", path.display()));
        let config = RedisConfig { url, timeout: Duration::from_millis(200), outage: Outage::Closed };
        let store = RedisLimits::new(&config).expect("a valid URL");
        tokio::spawn(Arc::clone(&store).run(|| NOW));
        store
    };
    let (wrong, right) = (with("wrong"), with("geheim"));
    until("connected", || right.is_up()).await;
    assert!(!wrong.is_up());
    assert!(!format!("{wrong:?} {right:?}").contains("geheim"));
}

/// A cluster has no Unix socket for its clients. Both ports were free just now.
#[tokio::test]
async fn counters_of_one_request_may_lie_apart_in_a_cluster() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (port, bus) = (free(), free());
    let [port, bus] = [port, bus].map(|listener| listener.local_addr().expect("bound").port().to_string());
    let options =
        ["--cluster-enabled", "yes", "--bind", "127.0.0.1", "--port", &port, "--cluster-port", &bus];
    let dir = tempfile::tempdir().expect("a directory");
    let Some(child) = spawn(&dir, &options) else { return };
    let server = Server { child, dir, options: vec![] };
    server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    until("a cluster", || server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
    let url = Secret::new(format!("redis+cluster://127.0.0.1:{port}"));
    let config = RedisConfig { url, timeout: Duration::from_millis(500), outage: Outage::Closed };
    let store = RedisLimits::new(&config).expect("a valid URL");
    tokio::spawn(Arc::clone(&store).run(|| NOW));
    until("connected", || store.is_up()).await;
    let claims: Vec<_> = ["a", "b", "c", "d"].map(|name| claim(name, 100, 1, 10)).into();
    assert!(reserve(&store, &claims).await.is_admitted());
    store.settle(&claims.into_iter().map(|claim| claim.settle(3)).collect::<Vec<_>>(), NOW);
    store.finish(NOW).await;
    until("all of it", || ["a", "b", "c", "d"].iter().all(|name| server.cli(&["GET", &key(name)]) == "4"))
        .await;
}
