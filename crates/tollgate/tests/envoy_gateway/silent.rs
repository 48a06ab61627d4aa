//! A processor that has stopped is found out within seconds, wherever a request is; clients and providers that are
//! slow are waited for.
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tollgate_simulate::{Behaviour, Simulator};
use tollgate_testkit::{
    http::{self, Reply},
    process::free_port,
};

use crate::{
    faults::resources,
    installed,
    setting::{Setting, chat},
};

/// Envoy asks every 5 s whether the processor is there, gives it 5 s, and takes up to 15 % more.
const FOUND_OUT: Duration = Duration::from_secs(13);
/// Longer than Envoy waits for the processor, in any of its ways.
const SLOW: Duration = Duration::from_millis(12_500);

/// What a request came to: its status, how long it took from now, and everything that was read.
pub(crate) type Ended = (u16, Duration, String);

/// Sends a request in two pieces, the second one when it is told to.
pub(crate) fn open(port: u16, body: &str) -> (TcpStream, String) {
    let mut stream = http::connect(port).unwrap();
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    (stream, rest.to_owned())
}

/// Reads to the end.
pub(crate) fn rest(mut stream: TcpStream, began: Instant) -> Ended {
    let mut read = Vec::new();
    // A connection that is cut ends with an error, after what was read.
    let (Ok(_) | Err(_)) = stream.read_to_end(&mut read);
    let read = String::from_utf8_lossy(&read).into_owned();
    let status = read.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, began.elapsed(), read)
}

/// The stream until these words came.
fn until(stream: &mut TcpStream, words: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(words) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&bytes[..count]);
    }
}

fn ends(version: &str) {
    let envoy = installed!(version);
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut setting = Setting::start(&envoy, &resources(&simulator, port, None), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    let whole = chat("m", &[]).body;
    // One whose body is on its way, one whose provider has not answered, and one whose reply is on its way.
    let (mut half, remainder) = open(port, &whole);
    simulator.next(1, Behaviour { rate: Some(5.0), tokens: Some(500), ..Behaviour::default() });
    let (mut streaming, last) =
        open(port, &whole.replacen("{", r#"{"stream":true,"#, 1).replace("\"max_tokens\":4,", ""));
    streaming.write_all(last.as_bytes()).unwrap();
    until(&mut streaming, "data:");
    simulator.next(1, Behaviour { header_delay_ms: Some(3000), ..Behaviour::default() });
    let (mut waiting, last) = open(port, &whole);
    let asked = simulator.stats().requests;
    waiting.write_all(last.as_bytes()).unwrap();
    setting.until(|| simulator.stats().requests > asked);
    setting.stack.processor.tell("STOP");
    let began = Instant::now();
    half.write_all(remainder.as_bytes()).unwrap();
    let fresh = http::connect(port).unwrap();
    let mut ended: Vec<(&str, JoinHandle<Ended>)> = Vec::new();
    for (about, stream) in
        [("half a body", half), ("a reply on its way", streaming), ("no reply yet", waiting)]
    {
        ended.push((about, thread::spawn(move || rest(stream, began))));
    }
    let reply: Reply = http::converse(fresh, &chat("m", &[]));
    eprintln!("{version}, a new request: {} after {:?}", reply.status, began.elapsed());
    assert!((500..=504).contains(&reply.status), "{} {}", reply.status, reply.text());
    assert!(began.elapsed() < FOUND_OUT, "{:?}", began.elapsed());
    for (about, thread) in ended {
        let (status, took, read) = thread.join().unwrap();
        eprintln!("{version}, {about}: {status} after {took:?}");
        assert!(took < FOUND_OUT, "{about}: {took:?}");
        // What has begun with a 200 is broken off, and nobody takes it for whole.
        assert!((500..=504).contains(&status) || !read.contains("[DONE]"), "{about}: {read}");
    }
    setting.stack.processor.tell("CONT");
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
}

fn waits(version: &str) {
    let envoy = installed!(version);
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut setting = Setting::start(&envoy, &resources(&simulator, port, None), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    let began = Instant::now();
    let whole = chat("m", &[]).body;
    let (mut stream, remainder) = open(port, &whole);
    let delay = u64::try_from(SLOW.as_millis()).ok();
    simulator.next(1, Behaviour { header_delay_ms: delay, ..Behaviour::default() });
    // The provider takes as long as the client, which says the rest when the provider has answered another one.
    assert_eq!(Setting::ask(port, &chat("m", &[])).status, 200);
    assert!(began.elapsed() >= SLOW);
    stream.write_all(remainder.as_bytes()).unwrap();
    let (status, _, read) = rest(stream, began);
    assert_eq!(status, 200, "{read}");
}

#[test]
fn a_processor_that_has_stopped_is_found_out_within_seconds() {
    ends("1.40");
}

#[test]
fn a_processor_that_has_stopped_is_found_out_by_the_oldest_envoy() {
    ends("1.36");
}

#[test]
fn slow_clients_and_slow_providers_are_waited_for() {
    waits("1.40");
}

#[test]
fn slow_clients_and_slow_providers_are_waited_for_by_the_oldest_envoy() {
    waits("1.36");
}
