use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// A plain HTTP server that answers from a script and tells what it was asked.
pub struct Upstream {
    pub address: SocketAddr,
    asked: Receiver<Asked>,
}

/// What a plain backend was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, target and version.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

// === impl Upstream ===

impl Upstream {
    /// Every request gets these bytes; the connection is closed afterwards where they say so.
    pub fn fixed(reply: &'static str) -> Self {
        Self::start(move |_, stream| stream.write_all(reply.as_bytes()))
    }

    /// Every request is answered by `reply`, which may do to the connection what it likes.
    pub fn start<F>(reply: F) -> Self
    where
        F: Fn(&Asked, &mut TcpStream) -> std::io::Result<()> + Send + Sync + Clone + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = sync_channel(4096);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, tell) = (reply.clone(), tell.clone());
                thread::spawn(move || stream.map(|stream| serve(stream, &reply, &tell)));
            }
        });
        Self { address, asked }
    }

    /// The next request that came.
    pub fn asked(&self) -> Asked {
        self.asked.recv_timeout(Duration::from_secs(20)).expect("a request comes")
    }

    /// Everything that has come and was not looked at.
    pub fn all_asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    /// True where no further request has come.
    pub fn is_quiet(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

fn serve(
    stream: TcpStream,
    reply: &impl Fn(&Asked, &mut TcpStream) -> std::io::Result<()>,
    tell: &SyncSender<Asked>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|&read| read > 0)?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut asked = Asked { line: line.trim_end().to_owned(), headers, body: Vec::new() };
        if let Some(length) = asked.header("content-length").and_then(|length| length.parse().ok()) {
            asked.body.resize(length, 0);
            stream.read_exact(&mut asked.body).ok()?;
        } else if asked.header("transfer-encoding").is_some() {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size).ok()?;
                let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).ok()? + 2];
                stream.read_exact(&mut chunk).ok()?;
                if chunk.len() == 2 {
                    break;
                }
                asked.body.extend(&chunk[..chunk.len() - 2]);
            }
        }
        tell.send(asked.clone()).ok()?;
        reply(&asked, stream.get_mut()).ok()?;
    }
}

// === impl Asked ===

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
    }
}
