//! What an open stream holds, and that nothing of it is left when it has ended. What the allocator is asked for is
//! counted, in this whole process: so client and provider are sockets here and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading where nothing fails")]

mod common;

use std::{
    cell::RefCell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::{Rc, Weak},
    thread,
};

use common::{World, backend, chat_stream, choice, llm_rule, snapshot};
use tollgate_types::ApiSchema;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Streams that are opened first, so that what all of them share is there, and those that are measured.
const FIRST: usize = 16;
const MEASURED: usize = 64;

const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
    5c\r\ndata: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"the first words\"}}]}\n\n\r\n";

/// A provider that begins to answer, and leaves it at that.
fn hesitant() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut held = Vec::with_capacity(2 * (FIRST + MEASURED));
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            until(&mut stream, b"there\"}]");
            stream.write_all(REPLY).unwrap();
            held.push(stream);
        }
    });
    address
}

/// Reads until these bytes have come.
fn until(stream: &mut TcpStream, mark: &[u8]) {
    let (mut seen, mut length) = ([0; 8192], 0);
    while !seen[..length].windows(mark.len()).any(|window| window == mark) {
        // No more than may be the beginning of the mark.
        let kept = length.min(mark.len());
        seen.copy_within(length - kept..length, 0);
        let count = stream.read(&mut seen[kept..]).unwrap();
        assert!(count > 0, "it ends before {}", String::from_utf8_lossy(mark));
        length = kept + count;
    }
}

/// A client of HTTP/1.1 as curl is one, that reads the first words of its answer.
fn http1(to: SocketAddr, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example\r\nuser-agent: curl/8.5.0\r\naccept: */*\r\n\
         authorization: Bearer some-key\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    until(&mut stream, b"the first words");
    stream
}

/// A connection of HTTP/2 (RFC 9113), spelled without a table of headers.
fn http2(to: SocketAddr) -> TcpStream {
    let mut connection = TcpStream::connect(to).unwrap();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    connection.write_all(&frame(4, 0, 0, b"")).unwrap();
    connection
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The same request as one stream of that connection.
fn ask(connection: &mut TcpStream, stream: u32) {
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway.example"),
        (":path", "/v1/chat/completions"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("authorization", "Bearer some-key"),
        ("content-type", "application/json"),
    ];
    let mut block = Vec::new();
    for (name, value) in headers {
        // A literal that is not to be kept (RFC 7541 section 6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    connection.write_all(&frame(1, 4, stream, &block)).unwrap();
    connection.write_all(&frame(0, 1, stream, chat_stream("m").as_bytes())).unwrap();
    until(connection, b"the first words");
}

/// Opens some streams, then those that are measured, and closes all of them.
fn measure<T>(what: &str, most: usize, mut open: impl FnMut(SocketAddr, usize) -> T) {
    let provider = backend(0, "openai", hesitant(), Some((ApiSchema::OpenAi, "key")));
    let rule = llm_rule(vec![choice(&provider, 0)]);
    let world = World::start(snapshot(vec![("m", rule)], vec![provider]));
    let _counting = dhat::Profiler::builder().testing().build();
    let held = || dhat::HeapStats::get().curr_bytes;
    let mut streams = Vec::with_capacity(2 * FIRST + MEASURED);
    streams.extend((0..FIRST).map(|index| open(world.address, index)));
    let before = held();
    streams.extend((FIRST..FIRST + MEASURED).map(|index| open(world.address, index)));
    let each = (held() - before) / MEASURED;
    println!("an open stream holds {each} bytes ({what})");
    // Now those that were opened first, since they may share a connection with the others.
    drop(streams);
    (0..FIRST + MEASURED).for_each(|_| drop(world.settled()));
    let again: Vec<_> = (0..FIRST).map(|index| open(world.address, index)).collect();
    let left = held().saturating_sub(before);
    println!("{left} bytes are left of {MEASURED} streams ({what})");
    drop(again);
    (0..FIRST).for_each(|_| drop(world.settled()));
    assert!(each <= most, "an open stream holds {each} bytes ({what})");
    assert!(left <= MEASURED * most / 16, "{left} bytes are left of {MEASURED} streams ({what})");
}

// One after the other, since what is counted is of the whole process.
#[test]
fn an_open_stream_holds_little_and_a_closed_one_nothing() {
    measure("HTTP/1.1", 23 * 1024, |to, _| http1(to, &chat_stream("m")));
    // The buffer that its end was read into stays with the connection, and the one of the head.
    let long = chat_stream("m").replace("hello", &"word ".repeat(60_000));
    measure("HTTP/1.1, a prompt of 300 KB", 80 * 1024, |to, _| http1(to, &long));
    let shared = RefCell::new(Weak::<RefCell<TcpStream>>::new());
    measure("HTTP/2", 5 * 1024, |to, index| {
        let known = shared.borrow().upgrade().filter(|_| index > 0);
        let connection = known.unwrap_or_else(|| {
            let connection = Rc::new(RefCell::new(http2(to)));
            *shared.borrow_mut() = Rc::downgrade(&connection);
            connection
        });
        ask(&mut connection.borrow_mut(), u32::try_from(2 * index + 1).unwrap());
        connection
    });
}
