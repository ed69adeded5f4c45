use wire::Token;

const INDEX_BITS: u32 = 32;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;

/// Values under tokens that are never given twice: an index and, above it, how often the index was used before.
pub(crate) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: Vec<usize>,
}

struct Entry<T> {
    uses: usize,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// A token whose value is put in later.
    pub(crate) fn reserve(&mut self) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                uses: 0,
                value: None,
            });
            self.entries.len() - 1
        });
        let uses = self.entries.get(index).map_or(0, |entry| entry.uses);
        (uses << INDEX_BITS) | index
    }

    fn entry(&mut self, token: Token) -> Option<&mut Entry<T>> {
        self.entries
            .get_mut(token & INDEX_MASK)
            .filter(|entry| entry.uses == token >> INDEX_BITS)
    }

    pub(crate) fn set(&mut self, token: Token, value: T) {
        if let Some(entry) = self.entry(token) {
            entry.value = Some(value);
        }
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut T> {
        self.entry(token)?.value.as_mut()
    }

    /// Takes the value out; the token stays valid.
    pub(crate) fn take(&mut self, token: Token) -> Option<T> {
        self.entry(token)?.value.take()
    }

    /// Ends a token.
    pub(crate) fn free(&mut self, token: Token) {
        if let Some(entry) = self.entry(token) {
            entry.value = None;
            // The highest number is kept back for tokens that are not slots.
            entry.uses = (entry.uses + 1) & (INDEX_MASK >> 1);
            self.free.push(token & INDEX_MASK);
        }
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        let live = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.value.is_some());
        live.map(|(index, entry)| (entry.uses << INDEX_BITS) | index)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut slots = Slots::new();
        let first = slots.reserve();
        slots.set(first, 'a');
        slots.free(first);
        let second = slots.reserve();
        slots.set(second, 'b');
        assert_ne!(first, second);
        assert_eq!(slots.get_mut(first), None);
        assert_eq!(slots.get_mut(second), Some(&mut 'b'));
        slots.free(first);
        assert_eq!(slots.tokens(), [second]);
    }
}
