//! The files that Envoy Gateway's file provider reads.
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// What our files are called: `tollgate.yaml`, `tollgate-2.yaml` …
const STEM: &str = "tollgate";
const ENDING: &str = ".yaml";
/// Envoy Gateway passes over what begins with a dot.
const UNFINISHED: &str = ".tollgate.yaml.tmp";
/// There are keys of certificates in it.
const MODE: u32 = 0o640;

/// The folder, and what was written there.
#[derive(Debug)]
pub(super) struct Output {
    folder: PathBuf,
    written: BTreeMap<String, String>,
}

// === impl Output ===

impl Output {
    /// Makes the folder where it is not there, and reads what an earlier process has written.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{} (--output): {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(named)?;
        let mut written = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(named)? {
            let name = entry.map_err(named)?.file_name().to_string_lossy().into_owned();
            if is_ours(&name) {
                // One that cannot be read is written anew.
                let text = fs::read_to_string(folder.join(&name)).unwrap_or_default();
                written.insert(name, text);
            }
        }
        Ok(Self { folder: folder.to_owned(), written })
    }

    /// Puts texts in place of what is there, the first one last: it is the one that refers to the others. False where
    /// all of them are the same, and nothing is touched. Files of others in the folder stay.
    ///
    /// # Errors
    /// Where one cannot be written; it is as it was then.
    pub(super) fn write(&mut self, texts: &[String]) -> io::Result<bool> {
        let wanted: BTreeMap<_, _> =
            texts.iter().enumerate().map(|(index, text)| (name(index), text.clone())).collect();
        if self.written == wanted {
            return Ok(false);
        }
        for (index, text) in texts.iter().enumerate().rev() {
            let name = name(index);
            if self.written.get(&name) != Some(text) {
                self.replace(&name, text)?;
            }
        }
        for name in self.written.keys().filter(|name| !wanted.contains_key(*name)) {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.written = wanted;
        Ok(true)
    }

    fn replace(&mut self, name: &str, text: &str) -> io::Result<()> {
        let unfinished = self.folder.join(UNFINISHED);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(name))?;
        // The name is safe once the folder is; not every file system can do this, and the file is there anyway.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        self.written.insert(name.to_owned(), text.to_owned());
        Ok(())
    }
}

fn name(index: usize) -> String {
    if index == 0 { format!("{STEM}{ENDING}") } else { format!("{STEM}-{}{ENDING}", index + 1) }
}

fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(STEM).and_then(|rest| rest.strip_suffix(ENDING)) else { return false };
    rest.is_empty() || rest.strip_prefix('-').is_some_and(|number| number.parse::<usize>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(folder: &Path) -> Vec<String> {
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn files_are_replaced_as_a_whole_and_only_where_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        let mut output = Output::open(&inner).unwrap();
        fs::write(inner.join("tollgate-theirs.yaml"), "x").unwrap();
        assert!(output.write(&texts(&["one", "more"])).unwrap());
        assert!(!output.write(&texts(&["one", "more"])).unwrap());
        assert_eq!(there(&inner), ["tollgate-2.yaml", "tollgate-theirs.yaml", "tollgate.yaml"]);
        // After a restart what is there is known, and what is ours is removed where it is not wanted any more.
        let mut output = Output::open(&inner).unwrap();
        assert!(!output.write(&texts(&["one", "more"])).unwrap());
        assert!(output.write(&texts(&["two"])).unwrap());
        assert_eq!(there(&inner), ["tollgate-theirs.yaml", "tollgate.yaml"]);
        assert_eq!(fs::read_to_string(inner.join("tollgate.yaml")).unwrap(), "two");
    }
}
