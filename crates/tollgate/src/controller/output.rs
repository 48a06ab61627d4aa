//! The file that Envoy Gateway's file provider reads.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// One file, so that Envoy Gateway never reads half of a change.
const FILE: &str = "tollgate.yaml";
/// Envoy Gateway passes over what begins with a dot.
const UNFINISHED: &str = ".tollgate.yaml.tmp";
/// There are keys of certificates in it.
const MODE: u32 = 0o640;

/// Where it is, and what was written there.
#[derive(Debug)]
pub(super) struct Output {
    folder: PathBuf,
    written: Option<String>,
}

// === impl Output ===

impl Output {
    /// Makes the folder where it is not there.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot make {} (--output): {error}", folder.display()))
        })?;
        let written = fs::read_to_string(folder.join(FILE)).ok();
        Ok(Self { folder: folder.to_owned(), written })
    }

    /// Puts a text in place of what is there; false where it is the same, and nothing is touched. Other files in the
    /// folder are not ours.
    ///
    /// # Errors
    /// Where it cannot be written; what was there is still there.
    pub(super) fn write(&mut self, text: String) -> io::Result<bool> {
        if self.written.as_ref() == Some(&text) {
            return Ok(false);
        }
        let unfinished = self.folder.join(UNFINISHED);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(FILE))?;
        // The name is safe once the folder is; not every file system can do this, and the file is there anyway.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        self.written = Some(text);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_where_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let mut output = Output::open(&inner).unwrap();
        fs::write(inner.join("theirs.yaml"), "x").unwrap();
        assert!(output.write("one".to_owned()).unwrap());
        assert!(!output.write("one".to_owned()).unwrap());
        assert!(output.write("two".to_owned()).unwrap());
        let mut names: Vec<_> = fs::read_dir(&inner)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["theirs.yaml", FILE]);
        assert_eq!(fs::read_to_string(inner.join(FILE)).unwrap(), "two");
        // After a restart what is there is known.
        assert!(!Output::open(&inner).unwrap().write("two".to_owned()).unwrap());
    }
}
