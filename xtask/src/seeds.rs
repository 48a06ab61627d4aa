//! Seeds for the fuzz targets, made from the golden cases so that nothing is kept twice.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{self, Outcome};

/// How the sources of golden cases become inputs of one target.
enum Recipe {
    /// The bytes as they are.
    Plain,
    /// Behind these bytes, once for each: what the target reads before the text.
    Behind(&'static [&'static [u8]]),
}

/// `Input` of the target `reply`: pair, streamed, success, step. The pairs are those of its table.
const DOCUMENTS: Recipe = Recipe::Behind(&[
    b"\0\0\x01\x07",
    b"\x01\0\x01\x07",
    b"\x02\0\x01\x07",
    b"\x03\0\x01\x07",
    b"\x06\0\x01\x07",
]);
const STREAMS: Recipe = Recipe::Behind(&[
    b"\0\x01\x01\x07",
    b"\x01\x01\x01\x07",
    b"\x02\x01\x01\x07",
    b"\x03\x01\x01\x07",
    b"\x06\x01\x01\x07",
]);
const ERRORS: Recipe =
    Recipe::Behind(&[b"\0\0\0\x07", b"\x01\0\0\x07", b"\x02\0\0\x07", b"\x03\0\0\x07", b"\x06\0\0\x07"]);

/// Writes the seeds of a target into a folder of its own, and gives it; `None` where the target has none.
pub(crate) fn write(target: &str, folder: &Path) -> Result<Option<PathBuf>, String> {
    let sources: &[(&str, &str, Recipe)] = match target {
        "inspect" | "request" | "scan" => &[("crates/tollgate-llm/golden", "request.", Recipe::Plain)],
        "patch" => &[(
            "crates/tollgate-llm/golden",
            "request.",
            Recipe::Behind(&[b"model\n", b"stream_options.include_usage\n"]),
        )],
        "sse" => &[("crates/tollgate-llm/golden", "sse", Recipe::Behind(&[b"\x07"]))],
        "reply" => &[
            ("crates/tollgate-llm/golden", "reply.", DOCUMENTS),
            ("crates/tollgate-llm/golden", "sse", STREAMS),
            ("crates/tollgate-llm/golden", "error.", ERRORS),
        ],
        "resources" => {
            &[("examples", "yaml", Recipe::Plain), ("crates/tollgate-compile/golden", "yaml", Recipe::Plain)]
        }
        _ => return Ok(None),
    };
    let folder = folder.join(target);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut count = 0;
    for (root, part, recipe) in sources {
        for path in shell::files(&shell::root().join(root), "") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(part) || name.rsplit('.').next() == Some(part) {
                let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                count = recipe.cook(&text, &folder, count)?;
            }
        }
    }
    Ok(Some(folder))
}

// === impl Recipe ===

impl Recipe {
    /// Writes the inputs that one source makes; gives the number of the next.
    fn cook(&self, text: &[u8], folder: &Path, mut count: usize) -> Result<usize, String> {
        let heads: &[&[u8]] = match self {
            Self::Plain => &[b""],
            Self::Behind(heads) => heads,
        };
        for head in heads {
            save(&folder.join(format!("{count:04}")), &[head, text].concat())?;
            count += 1;
        }
        Ok(count)
    }
}

fn save(path: &Path, bytes: &[u8]) -> Outcome {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
