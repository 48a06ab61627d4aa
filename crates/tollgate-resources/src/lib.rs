//! What users write: every Kubernetes kind Tollgate reads, typed, with positions and unknown fields reported.
//!
//! `text ─▶ parse ─▶ tree ─▶ substitute ─▶ de (typed kinds) ─▶ validate ─▶ ResourceSet + Diagnostics`

mod attached;
mod crds;
mod de;
mod finding;
mod formats;
mod kinds;
mod load;
mod manifest;
mod merge;
mod misplaced;
mod not_yet;
mod object;
mod parse;
mod prepare;
mod prune;
mod quantity;
mod raw;
mod registry;
mod secret;
mod set;
mod silent;
mod substitute;
mod surroundings;
mod tree;
mod validate;
mod versions;

pub use self::{
    crds::crds,
    kinds::*,
    load::{Loaded, Source, load},
    manifest::{Manifest, manifests},
    merge::{Written, merged},
    object::{Meta, Object, Positions},
    prune::prune,
    set::{ResourceSet, find},
    surroundings::{MadeSecret, build_parts, made_secrets, surroundings},
    versions::{NotATarget, Product, Release, Target, suits},
};
