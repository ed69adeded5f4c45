use wire::Token;

/// More than a process can have descriptors.
const INDEX_BITS: u32 = 26;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const NUMBER_BITS: u32 = 6;
const NUMBER_MASK: usize = MOST_HOSTS - 1;
const USES_SHIFT: u32 = INDEX_BITS + NUMBER_BITS;
/// One bit less than there is: the highest number is kept back for tokens that are not slots.
const USES_MASK: usize = (1 << 31) - 1;

/// So many hosts can work together: their numbers have room in tokens.
pub const MOST_HOSTS: usize = 1 << NUMBER_BITS;

/// The number of the host that gave a token.
pub(crate) fn host_of(token: Token) -> usize {
    token >> INDEX_BITS & NUMBER_MASK
}

/// Values under tokens that are never given twice: an index and, above it, the number of the host and how often the index was
/// used before.
pub(crate) struct Slots<T> {
    number: usize,
    entries: Vec<Entry<T>>,
    free: Vec<usize>,
}

struct Entry<T> {
    uses: usize,
    value: Option<T>,
}

impl<T> Slots<T> {
    /// Those of the host with that number, which is below [`MOST_HOSTS`].
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number: number & NUMBER_MASK,
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
        self.token(uses, index)
    }

    fn token(&self, uses: usize, index: usize) -> Token {
        uses << USES_SHIFT | self.number << INDEX_BITS | index
    }

    fn entry(&mut self, token: Token) -> Option<&mut Entry<T>> {
        if host_of(token) != self.number {
            return None;
        }
        self.entries
            .get_mut(token & INDEX_MASK)
            .filter(|entry| entry.uses == token >> USES_SHIFT)
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
            entry.uses = (entry.uses + 1) & USES_MASK;
            self.free.push(token & INDEX_MASK);
        }
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        let live = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.value.is_some());
        live.map(|(index, entry)| self.token(entry.uses, index))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut slots = Slots::new(0);
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

    #[test]
    fn a_token_of_another_host_finds_nothing() {
        let mut hosts = [Slots::new(0), Slots::new(MOST_HOSTS - 1)];
        let tokens = hosts.each_mut().map(|slots| {
            let token = slots.reserve();
            slots.set(token, ());
            token
        });
        assert_eq!(tokens.map(host_of), [0, MOST_HOSTS - 1]);
        let [first, last] = &mut hosts;
        assert_eq!(first.get_mut(tokens[1]), None);
        assert_eq!(last.get_mut(tokens[0]), None);
        assert_eq!(last.get_mut(tokens[1]), Some(&mut ()));
        assert_eq!(last.tokens(), [tokens[1]]);
    }
}
