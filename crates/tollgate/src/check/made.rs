//! Secrets that are not among the files, and are no mistake: something in the cluster makes them.

use tollgate_resources::MadeSecret;
use tollgate_types::{Diagnostics, Severity};

/// Says who makes a Secret in place of that it is not there.
pub(super) fn elsewhere(made: &[MadeSecret], notes: &mut Diagnostics) {
    for note in notes.0.iter_mut().filter(|note| note.code == "secret-not-found") {
        // What a lookup says of an object that is nowhere.
        let missing = |made: &&MadeSecret| note.message == format!("{} does not exist", made.secret);
        let Some(MadeSecret { secret, by }) = made.iter().find(missing) else { continue };
        note.severity = Severity::Info;
        note.code = "secret-made-elsewhere";
        note.message = format!("{secret} is not among the files: in a cluster it is made for {by}");
        note.help = Some("to serve these files without a cluster, add one".to_owned());
    }
}
