//! A server that answers as it is told, on a port of its own.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::{Cell, RefCell},
    future::Future,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::{LocalSet, spawn_local},
};
use tollgate_net::{Origin, Overrides, Pool, PoolSettings, Protocol, Resolver};

/// Runs a test on one core whose clock jumps to the next deadline whenever nothing else is to do.
pub(crate) fn with_jumping_clock(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// How the server treats the next requests.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Closes the connection without a word.
    Down,
    /// Takes the request and says nothing.
    Silent,
    /// This status line, these header lines and this body.
    Says(String, Vec<u8>),
    /// What this makes of the request: a status line and a body.
    Answers(fn(&str) -> (&'static str, String)),
    /// Agrees to `CONNECT`, and leads here.
    Leads(SocketAddr),
}

/// A server and what it was asked.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    manner: Rc<RefCell<Manner>>,
    asked: Rc<Cell<usize>>,
    /// The last request: head and body.
    last: Rc<RefCell<String>>,
    all: Rc<RefCell<Vec<String>>>,
}

impl Manner {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Says("200 OK".to_owned(), body.as_bytes().to_vec())
    }
}

impl Scripted {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            manner: Rc::new(RefCell::new(manner)),
            asked: Rc::default(),
            last: Rc::default(),
            all: Rc::default(),
        };
        let server = this.clone();
        spawn_local(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                spawn_local(server.clone().talk(socket));
            }
        });
        this
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.borrow_mut() = manner;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.get()
    }

    pub(crate) fn last(&self) -> String {
        self.last.borrow().clone()
    }

    /// All requests, and none of them any more.
    pub(crate) fn take(&self) -> Vec<String> {
        self.all.take()
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::new("127.0.0.1", self.address.port(), Protocol::Http1, None)
    }

    async fn talk(self, mut socket: TcpStream) {
        let Some(request) = read_request(&mut socket).await else { return };
        self.asked.set(self.asked.get() + 1);
        self.all.borrow_mut().push(request.clone());
        *self.last.borrow_mut() = request;
        let manner = self.manner.borrow().clone();
        match manner {
            Manner::Down => {}
            Manner::Silent => {
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.unwrap_or_default();
            }
            Manner::Says(head, body) => say(&mut socket, &head, &body).await,
            Manner::Answers(answer) => {
                let (head, body) = answer(&self.last());
                say(&mut socket, head, body.as_bytes()).await;
            }
            Manner::Leads(address) => {
                let mut upstream = TcpStream::connect(address).await.unwrap();
                socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut socket, &mut upstream).await;
            }
        }
    }
}

async fn say(socket: &mut TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    // Who asked may have gone.
    let _ = socket.write_all(&[head.as_bytes(), body].concat()).await;
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

pub(crate) fn pool() -> Pool {
    Pool::new(PoolSettings::default(), Resolver::system(Arc::new(Overrides::default())))
}
