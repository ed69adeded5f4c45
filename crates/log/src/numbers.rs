use std::collections::BTreeSet;

use crate::store::TopicNumber;

/// Which numbers topics get: from low to high, each once. What stands in the folder under a number that was never given
/// keeps that one from being given, and no other.
pub(crate) struct Numbers {
    next: TopicNumber,
    taken: BTreeSet<TopicNumber>,
}

/// A number has eight digits.
const MOST: TopicNumber = 99_999_999;

impl Numbers {
    /// Those from `next` on that are not `taken`.
    pub(crate) fn new(next: TopicNumber, taken: BTreeSet<TopicNumber>) -> Self {
        let mut numbers = Self { next, taken };
        numbers.skip();
        numbers
    }

    /// All below were given, or never will be.
    pub(crate) const fn next(&self) -> TopicNumber {
        self.next
    }

    /// The next one, which is not given again; `None` if there are no more.
    pub(crate) fn give(&mut self) -> Option<TopicNumber> {
        let number = Some(self.next).filter(|number| *number <= MOST)?;
        self.next += 1;
        self.skip();
        Some(number)
    }

    fn skip(&mut self) {
        while self.taken.contains(&self.next) {
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_once_and_what_is_taken_is_passed_over() {
        let mut numbers = Numbers::new(2, BTreeSet::from([1, 2, 4, 5, 99_999_999]));
        assert_eq!(numbers.next(), 3);
        assert_eq!(numbers.give(), Some(3));
        assert_eq!(numbers.next(), 6);
        assert_eq!(numbers.give(), Some(6));
    }

    #[test]
    fn there_are_no_more_than_eight_digits_say() {
        let mut numbers = Numbers::new(99_999_998, BTreeSet::new());
        assert_eq!(numbers.give(), Some(99_999_998));
        assert_eq!(numbers.give(), Some(99_999_999));
        assert_eq!(numbers.give(), None);
        let mut full = Numbers::new(99_999_998, BTreeSet::from([99_999_998, 99_999_999]));
        assert_eq!(full.give(), None);
    }
}
