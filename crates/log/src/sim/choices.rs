/// What decides where there are several ways: a seed, or a counter that goes through all of them.
#[derive(Clone, Debug)]
pub struct Choices {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Seed(u64),
    /// What was chosen so far, of how many; and how many of these this round has used.
    All {
        digits: Vec<(u64, u64)>,
        used: usize,
    },
}

impl Choices {
    /// The same for the same seed.
    #[must_use]
    pub const fn seed(seed: u64) -> Self {
        // The generator must not begin at 0.
        let source = Source::Seed((seed ^ 0x9e37_79b9_7f4a_7c15) | 1);
        Self { source }
    }

    /// The first of all ways; [`Choices::advance`] goes to the next one.
    #[must_use]
    pub const fn all() -> Self {
        let source = Source::All {
            digits: Vec::new(),
            used: 0,
        };
        Self { source }
    }

    /// A number below `ways`, which is at least 1.
    pub fn pick(&mut self, ways: u64) -> u64 {
        match &mut self.source {
            Source::Seed(state) => {
                // xorshift64*
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % ways.max(1)
            }
            Source::All { digits, used } => {
                if digits.len() == *used {
                    digits.push((0, ways.max(1)));
                }
                let digit = digits.get(*used).map_or(0, |digit| digit.0);
                *used += 1;
                digit
            }
        }
    }

    /// One of two.
    pub fn coin(&mut self) -> bool {
        self.pick(2) == 1
    }

    /// The next of all ways; `false` if there is none. A seed goes on for ever.
    pub fn advance(&mut self) -> bool {
        let Source::All { digits, used } = &mut self.source else {
            return true;
        };
        *used = 0;
        while let Some((value, ways)) = digits.pop() {
            if value + 1 < ways {
                digits.push((value + 1, ways));
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_through_all_ways_once() {
        let mut choices = Choices::all();
        let mut seen = Vec::new();
        loop {
            // The second question depends on the first answer.
            let first = choices.pick(3);
            let second = if first == 1 { choices.pick(2) } else { 0 };
            seen.push((first, second));
            if !choices.advance() {
                break;
            }
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (2, 0)]);
    }

    #[test]
    fn a_seed_chooses_the_same_again() {
        let picks = |seed| {
            let mut choices = Choices::seed(seed);
            Vec::from_iter((0..50).map(|_| choices.pick(10)))
        };
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
        assert!(picks(0).iter().any(|pick| *pick != 0));
    }
}
