//! The operating system's randomness.

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct RandomError(getrandom::Error);

/// Random bytes fit for keys.
///
/// # Errors
/// [`RandomError`] where the operating system has none to give.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_differ() {
        let (a, b) =
            (super::random_bytes::<32>().expect("entropy"), super::random_bytes::<32>().expect("entropy"));
        assert_ne!(a, b);
    }
}
