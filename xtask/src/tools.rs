//! Programs that tests need beside the toolchains.

use std::process::Command;

use crate::shell;

/// Debian packages by a program of theirs; what cannot be installed skips its tests, which say so.
const PACKAGES: [(&str, &str); 1] = [("redis-server", "redis-server")];

/// Installs what is missing, where this machine allows it.
pub(crate) fn install() {
    for (program, package) in PACKAGES {
        if shell::has(program) {
            continue;
        }
        println!("tools: installing {package} for {program}");
        let update = Command::new("apt-get").args(["update", "-qq"]).status();
        let installed = update.and_then(|_| {
            let mut install = Command::new("apt-get");
            install.args(["install", "-y", "-qq", "--no-install-recommends", package]);
            install.env("DEBIAN_FRONTEND", "noninteractive").status()
        });
        if !installed.is_ok_and(|status| status.success()) || !shell::has(program) {
            println!("tools: {package} cannot be installed here; tests that need {program} are skipped");
        }
    }
}
