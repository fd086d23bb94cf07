//! A good file, and damaged copies of it.

/// The bytes of a good file, and where in it something stands.
#[derive(Clone, Debug)]
pub struct GoodFile {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl GoodFile {
    /// A file of these bytes, of which some are not 0.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let places = bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at).collect();
        Self { bytes, places }
    }

    /// A copy damaged as an input says: its first byte is how much of the file is left, in sixteenths, if it
    /// is below 16; each five after it change a byte.
    #[must_use]
    pub fn damaged(&self, input: &[u8]) -> Vec<u8> {
        let mut file = self.bytes.clone();
        let Some((left, changes)) = input.split_first() else { return file };
        for change in changes.as_chunks::<5>().0.iter().take(8) {
            let [at @ .., by] = *change;
            let place = self.places[u32::from_le_bytes(at) as usize % self.places.len()];
            file[place] ^= by;
        }
        if (1..16).contains(left) {
            file.truncate(file.len() / 16 * usize::from(*left));
        }
        file
    }

    /// Whether a copy is as good as the file.
    #[must_use]
    pub fn is_whole(&self, copy: &[u8]) -> bool {
        copy == self.bytes
    }
}
