//! Our CRDs, written from the Rust types.

use std::fs;

use crate::shell::{self, Outcome};

pub(crate) fn run(args: &[String]) -> Outcome {
    let check = args.iter().any(|arg| arg == "--check");
    let folder = shell::root().join("deploy/crds");
    for (name, yaml) in tollgate_resources::crds() {
        let path = folder.join(&name);
        if check {
            if fs::read_to_string(&path).unwrap_or_default() != yaml {
                return Err(format!("deploy/crds/{name} is out of date; run cargo xtask crds"));
            }
        } else {
            fs::create_dir_all(&folder).map_err(|error| format!("deploy/crds: {error}"))?;
            fs::write(&path, yaml).map_err(|error| format!("deploy/crds/{name}: {error}"))?;
            println!("wrote deploy/crds/{name}");
        }
    }
    Ok(())
}
