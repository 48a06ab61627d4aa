//! Writes the expected files of golden tests anew.

use crate::shell::{self, Outcome};

pub(crate) fn run() -> Outcome {
    shell::run(shell::cargo().args(["test", "--workspace", "golden"]).env("UPDATE_EXPECT", "1"))?;
    println!("\nread the diff before you commit: git diff -- '*golden*'");
    Ok(())
}
