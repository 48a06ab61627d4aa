use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The real binary in service.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    /// The line that says where it serves.
    ready: String,
    /// What it says afterwards, on standard error and on standard output.
    lines: Receiver<String>,
}

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: String,
}

/// A reply, read to the end of its connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Where a folder of this repository is.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Copies a folder, and changes its files on the way: each by its path below the folder.
pub(crate) fn copy(from: &Path, to: &Path, change: &dyn Fn(&str, String) -> Option<String>) {
    let mut folders = vec![from.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(from).unwrap().to_owned();
            if path.is_dir() {
                fs::create_dir_all(to.join(name)).unwrap();
                folders.push(path);
            } else if let Some(text) = change(name.to_str().unwrap(), fs::read_to_string(&path).unwrap()) {
                fs::create_dir_all(to.join(&name).parent().unwrap()).unwrap();
                fs::write(to.join(name), text).unwrap();
            }
        }
    }
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn start(path: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("run").arg(path).args(["--admin", "127.0.0.1:0", "--threads", "2"]);
        command.args(["--port-map", "80=0,443=0,1975=0"]).stderr(Stdio::piped()).stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let (tell, lines) = channel();
        let said = tell.clone();
        let (errors, output) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        // Whoever stops reading stops the gateway.
        thread::spawn(move || BufReader::new(errors).lines().try_for_each(|line| tell.send(line.unwrap())));
        thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| said.send(line.unwrap())));
        let mut gateway = Self { child, ready: String::new(), lines };
        gateway.ready = gateway.wait_for(" ready in ");
        gateway
    }

    /// The next line with these words in it.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {words:?} in {seen:#?}"),
            }
        }
    }

    /// Where a port of the resources is served.
    pub(crate) fn port(&self, number: u16) -> u16 {
        let (before, _) = self.ready.split_once(&format!(" (port {number})")).unwrap();
        before.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// A page of the admin server.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        let (_, rest) = self.ready.split_once("admin on http://127.0.0.1:").unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Ask::get("localhost", path).send(digits.parse().unwrap()).read()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.child.kill();
        let (Ok(_) | Err(_)) = self.child.wait();
    }
}

// === impl Ask ===

impl<'a> Ask<'a> {
    pub(crate) const fn get(host: &'a str, path: &'a str) -> Self {
        Self { method: "GET", host, path, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn post(host: &'a str, path: &'a str, body: impl Into<String>) -> Self {
        Self { method: "POST", body: body.into(), ..Self::get(host, path) }
    }

    pub(crate) fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Sends it to a port of this machine and leaves the reply to be read.
    pub(crate) fn send(&self, port: u16) -> Pending {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let Self { method, host, path, headers, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).unwrap();
        Pending(stream)
    }
}

/// A reply that was not read yet.
#[derive(Debug)]
pub(crate) struct Pending(TcpStream);

// === impl Pending ===

impl Pending {
    pub(crate) fn read(mut self) -> Answer {
        let mut bytes = Vec::new();
        let (Ok(_) | Err(_)) = self.0.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (have, value) = line.split_once(": ")?;
            have.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}
