/// Things by small numbers, from 1 on. Those of what is gone are used again.
pub(crate) struct Slots<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn add(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop()
            && let Some(slot) = self.all.get_mut(place(number))
        {
            *slot = Some(thing);
            return number;
        }
        self.all.push(Some(thing));
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn at(&mut self, number: u32) -> Option<&mut T> {
        self.all.get_mut(place(number))?.as_mut()
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let thing = self.all.get_mut(place(number))?.take()?;
        self.free.push(number);
        Some(thing)
    }
}

/// 0 is nothing's.
const fn place(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_never_twice_at_once() {
        let mut slots = Slots::default();
        assert_eq!((slots.add('a'), slots.add('b')), (1, 2));
        assert_eq!(slots.remove(1), Some('a'));
        assert_eq!(slots.remove(1), None);
        assert_eq!((slots.add('c'), slots.add('d')), (1, 3));
        assert_eq!(slots.at(1), Some(&mut 'c'));
        for nobody in [0, 4, u32::MAX] {
            assert_eq!(slots.at(nobody), None);
        }
    }
}
