//! A CSDL document as text. The two forms say the same: what one of them says otherwise is said in its file.

pub mod json;
pub mod xml;
