use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

/// A log file. It is opened again where somebody moved it away, as those who rotate logs do.
pub(crate) struct LogFile {
    path: PathBuf,
    open: Option<Open>,
    /// True between two batches: a batch goes into one file.
    at_batch: bool,
    /// True while it cannot be opened, which is said once.
    complained: bool,
}

struct Open {
    file: File,
    id: Option<FileId>,
}

/// Tells a file from the one that took its name.
type FileId = (u64, u64);

/// What a path stands for: our own output, or a file.
pub(crate) fn open(path: &Arc<str>) -> Box<dyn Write + Send> {
    match &**path {
        // Where our output is a socket these cannot be opened, and where it is a file they would begin it anew.
        "/dev/stdout" => Box::new(io::stdout()),
        "/dev/stderr" => Box::new(io::stderr()),
        path => Box::new(LogFile { path: path.into(), open: None, at_batch: true, complained: false }),
    }
}

// === impl LogFile ===

impl LogFile {
    fn file(&mut self) -> io::Result<&mut File> {
        let stays = match &self.open {
            Some(open) if self.at_batch => {
                open.id.is_none() || std::fs::metadata(&self.path).ok().and_then(id) == open.id
            }
            open => open.is_some(),
        };
        self.at_batch = false;
        if !stays {
            self.open = None;
        }
        match &mut self.open {
            Some(open) => Ok(&mut open.file),
            none => {
                let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
                let id = file.metadata().ok().and_then(id);
                Ok(&mut none.insert(Open { file, id }).file)
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file() {
            Ok(file) => {
                let written = file.write(bytes)?;
                self.complained = false;
                Ok(written)
            }
            Err(error) => {
                self.at_batch = true;
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::error!(path = %self.path.display(), "access log cannot be opened: {error}");
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.at_batch = true;
        Ok(())
    }
}

#[cfg(unix)]
fn id(metadata: Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;

    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn id(_: Metadata) -> Option<FileId> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn batch(log: &mut dyn Write, text: &str) -> io::Result<()> {
        log.write_all(text.as_bytes()).and_then(|()| log.flush())
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut log = open(&path.to_str().unwrap().into());
        batch(&mut log, "one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        batch(&mut log, "two\n").unwrap();
        batch(&mut log, "three\n").unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\none\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\nthree\n");
    }

    #[test]
    fn a_file_that_could_not_be_opened_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/log");
        let mut log = open(&path.to_str().unwrap().into());
        assert!(batch(&mut log, "lost\n").is_err());
        fs::create_dir(folder.path().join("missing")).unwrap();
        batch(&mut log, "kept\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
    }
}
