use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use http::{HeaderMap, Method};
use tollgate_limit::{Claim, Cost, Limit, LimitRule, LimitRuleSpec, Scope, Store, Unit, View};

use super::*;

const NOON: UnixMillis = UnixMillis(1_755_734_400_000);

fn claim(name: &str, hits: u64) -> Claim {
    let rule = LimitRule::new(LimitRuleSpec {
        id: name.into(),
        scope: Scope::Shared { policy: name.into(), index: 0 },
        number: 0,
        conditions: vec![],
        // Long enough to be current in the test's own time, where the thread sweeps.
        limit: Limit { amount: 1000, unit: Unit::Year },
        request_cost: Cost::Number(1),
        response_cost: None,
        shadow: false,
        show_headers: true,
    });
    let headers = HeaderMap::new();
    let view = View { method: &Method::GET, path: "/", query: None, headers: &headers, client: None };
    rule.charge(rule.claim(&view).expect("it has no conditions"), hits, 0)
}

fn charge(store: &Embedded, name: &str, hits: u64) {
    assert!(store.decide(&[claim(name, hits)], wall_clock()).is_admitted());
}

fn left(store: &Embedded, name: &str) -> u64 {
    (0..=1000).rev().find(|hits| store.look(&[claim(name, *hits)], wall_clock()).is_admitted()).unwrap_or(0)
}

fn open(dir: &Path) -> (Arc<Embedded>, Keeper) {
    Keeper::open(dir, 1000, wall_clock()).expect("a fresh directory")
}

fn files(dir: &Path) -> Vec<String> {
    let name =
        |entry: io::Result<fs::DirEntry>| entry.expect("readable").file_name().into_string().expect("ours");
    let mut names: Vec<String> = fs::read_dir(dir).expect("readable").map(name).collect();
    names.sort();
    names
}

#[test]
fn counters_survive_an_orderly_end() {
    let dir = tempfile::tempdir().expect("a directory");
    for round in 1..=3 {
        let (store, keeper) = open(dir.path());
        assert_eq!(left(&store, "a"), 1000 - 10 * (round - 1));
        charge(&store, "a", 10);
        drop(keeper);
    }
    assert_eq!(files(dir.path()).len(), 2, "a lock and one file: {:?}", files(dir.path()));
}

#[test]
fn a_directory_has_one_user() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, _keeper) = open(dir.path());
    assert!(matches!(Keeper::open(dir.path(), 10, NOON), Err(StateError::InUse(_))));
}

/// Whatever a killed process leaves (both files while it begins a new one, a torn tail), nothing is charged twice.
#[test]
fn what_a_killed_process_leaves_is_read_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, keeper) = open(dir.path());
    charge(&store, "a", 10);
    drop(keeper);
    let newest = dir.path().join(&files(dir.path())[0]);
    let mut bytes = fs::read(&newest).expect("readable");
    fs::write(dir.path().join(file_name(0)), &bytes).expect("writable");
    bytes.extend([40, 0, 0]);
    fs::write(&newest, bytes).expect("writable");
    fs::write(dir.path().join("counters-0000000000000009.tmp"), b"half").expect("writable");
    let (store, _keeper) = open(dir.path());
    assert_eq!(left(&store, "a"), 990);
}

#[test]
fn a_corrupt_file_is_set_aside_and_what_came_before_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, keeper) = open(dir.path());
    charge(&store, "a", 10);
    drop(keeper);
    let path = dir.path().join(&files(dir.path())[0]);
    let mut bytes = fs::read(&path).expect("readable");
    bytes.extend(*b"this is no frame of counters, and long enough to be one");
    fs::write(&path, bytes).expect("writable");
    let (store, _keeper) = open(dir.path());
    assert_eq!(left(&store, "a"), 990);
    assert!(files(dir.path()).iter().any(|name| name.ends_with(".corrupt")));
}

#[test]
fn a_long_file_is_begun_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = File::create(dir.path().join("lock")).expect("writable");
    let store = Embedded::restored(1000, [], wall_clock());
    let dir_path = dir.path().to_owned();
    let mut writer = Writer { dir: dir_path, epoch: 0, file: None, begun: 0, appended: 0, _lock: lock };
    writer.tick(&store);
    charge(&store, "a", 1);
    writer.tick(&store);
    assert!(writer.appended > 0);
    writer.appended = Writer::APPENDED + 1;
    charge(&store, "a", 1);
    writer.tick(&store);
    assert_eq!((writer.epoch, writer.appended), (2, 0));
    let (_, rows) = load(dir.path()).expect("readable");
    assert_eq!(rows.iter().map(|row| row.committed).collect::<Vec<_>>(), [2]);
}

/// Not a test by itself: the process that the next one kills. Charges one hit after the other, and tells of each.
#[test]
fn child() {
    let Some(dir) = std::env::var_os("LIMIT_STATE_OF_CHILD") else { return };
    let (store, _keeper) = open(Path::new(&dir));
    let mut told = io::stdout();
    for count in 1..=1000 {
        charge(&store, "a", 1);
        writeln!(told, "\ncharged {count}").expect("somebody listens");
        thread::park_timeout(Duration::from_millis(4));
    }
}

#[test]
fn a_killed_process_loses_less_than_a_second_and_charges_nothing_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["limits::keeper::tests::child", "--exact", "--nocapture"])
        .env("LIMIT_STATE_OF_CHILD", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs already");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut told =
        lines.filter_map(|line| Some((Instant::now(), line.strip_prefix("charged ")?.parse::<u64>().ok()?)));
    let mut times: Vec<(Instant, u64)> = told.by_ref().take(400).collect();
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    let killed = times.last().expect("it charged").0;
    times.extend(told);
    let charged = times.last().expect("it charged").1;
    let old = times.iter().filter(|(at, _)| killed.duration_since(*at) > Duration::from_secs(1));
    let (store, _keeper) = open(dir.path());
    let kept = 1000 - left(&store, "a");
    // It may have been killed between charging and telling.
    assert!(kept <= charged + 1, "{kept} kept of {charged} charged");
    let safe = old.map(|(_, count)| *count).max().unwrap_or(0);
    assert!(kept >= safe && safe > 0, "{kept} kept, {safe} were charged more than a second before");
    println!("killed: {kept} kept of {charged}, {safe} of them older than a second");
}
