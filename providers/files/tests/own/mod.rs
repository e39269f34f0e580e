//! What the tests of this kind share: a directory, sources over it, and the fixtures in every form of file; and tests by topic.

mod changes;
pub mod directory;
pub mod fixtures;
mod samples;
mod text;
mod workbooks;
