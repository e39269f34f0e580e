//! What the tests of this kind share: a directory, sources over it, and the fixtures in every form of file.

pub mod directory;
pub mod fixtures;
