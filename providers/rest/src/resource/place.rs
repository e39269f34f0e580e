//! Places in documents, as settings name them. It must not know documents.

/// Reads `/data/items`, `$.data.items`, `$.data.items[*]`, or nothing for the whole document.
///
/// # Errors
/// When it is none of them.
pub fn pointer(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("'{text}' is no place in a document: write /data/items or $.data.items");
    if let Some(path) = text.strip_prefix('$') {
        let path = path.strip_suffix("[*]").unwrap_or(path);
        if path.contains(['[', ']', '*', '?', '@']) || path.contains("..") {
            return Err(format!("{}; of JSONPath names alone are understood", wrong()));
        }
        return Ok(path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect());
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let inner = text.strip_prefix('/').ok_or_else(wrong)?;
    Ok(inner.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// Names from the outside in: `customer/city`, `$.customer.city`.
pub(super) fn path(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('$') { pointer(text) } else { pointer(&format!("/{}", text.trim_start_matches('/'))) }
}
