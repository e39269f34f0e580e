//! Names that may and may not stand where they do.
