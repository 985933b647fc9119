//! Passwords by rule, each that obeys the rule as likely as any other.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Code, Error, Result, limits, random::Random};

/// How often a password is drawn before we give up. The worst rule that [`PasswordPolicy::check`] lets through, three
/// classes of one character each, needs a thousand on average.
const ATTEMPTS_MAX: usize = 100_000;

/// A kind of characters, of which a password has at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CharacterClass {
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// `0` to `9`.
    Digit,
    /// All other printable characters of ASCII but the space.
    Symbol,
}

const CLASSES: [CharacterClass; 4] =
    [CharacterClass::Lower, CharacterClass::Upper, CharacterClass::Digit, CharacterClass::Symbol];

/// Characters that people take for one another: `0` and `O`, `1`, `l`, `I` and `|`, and so on.
const LOOK_ALIKES: &str = "0O1lI|5S2Z8B`'";

impl CharacterClass {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'a'..=b'z' => Some(Self::Lower),
            b'A'..=b'Z' => Some(Self::Upper),
            b'0'..=b'9' => Some(Self::Digit),
            b'!'..=b'~' => Some(Self::Symbol),
            _ => None,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Digit => "digit",
            Self::Symbol => "symbol",
        }
    }
}

/// The rules of a password: its length, and the characters that it is made of, each class at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    length: usize,
    without: Vec<CharacterClass>,
    excluded: Vec<char>,
}

impl PasswordPolicy {
    /// So many characters of all classes.
    pub fn new(length: usize) -> Self {
        Self { length, without: Vec::new(), excluded: Vec::new() }
    }

    /// Without this class.
    #[must_use]
    pub fn without(mut self, class: CharacterClass) -> Self {
        self.without.push(class);
        self
    }

    /// Without these characters, such as those that the place where it is typed cannot take.
    #[must_use]
    pub fn exclude(mut self, characters: &str) -> Self {
        self.excluded.extend(characters.chars());
        self.excluded.sort_unstable();
        self.excluded.dedup();
        self
    }

    /// Without characters that people take for one another, for passwords that are read and typed: ``0O1lI|5S2Z8B`'``.
    #[must_use]
    pub fn exclude_look_alikes(self) -> Self {
        self.exclude(LOOK_ALIKES)
    }

    pub(super) fn check(&self) -> Result<()> {
        let invalid = |detail: String| Err(Error::new(Code::GenerateInvalid).detail(detail));
        if !(limits::GENERATED_CHARACTERS_MIN..=limits::GENERATED_CHARACTERS_MAX).contains(&self.length) {
            return invalid(format!("{} characters", self.length));
        }
        if self.excluded.iter().any(|c| !c.is_ascii_graphic()) {
            return invalid("only printable ASCII can be excluded, without the space".to_owned());
        }
        for class in self.classes() {
            if self.count(class) == 0 {
                return invalid(format!("all characters of the class {} are excluded", class.as_str()));
            }
        }
        let bits = self.entropy_bits();
        if bits < limits::GENERATED_ENTROPY_BITS_MIN {
            return invalid(format!("such a password has {bits} bits; make it longer"));
        }
        Ok(())
    }

    fn classes(&self) -> impl Iterator<Item = CharacterClass> {
        CLASSES.into_iter().filter(|class| !self.without.contains(class))
    }

    /// All characters there are to draw from.
    fn alphabet(&self) -> Vec<u8> {
        let is_in = |byte: &u8| {
            CharacterClass::of(*byte).is_some_and(|class| !self.without.contains(&class))
                && !self.excluded.contains(&char::from(*byte))
        };
        (b'!'..=b'~').filter(is_in).collect()
    }

    fn count(&self, class: CharacterClass) -> usize {
        self.alphabet().into_iter().filter(|byte| CharacterClass::of(*byte) == Some(class)).count()
    }

    /// The binary logarithm, rounded down, of how many passwords obey the rules: of all there are of this length, those
    /// are taken away in which a class is missing, by inclusion and exclusion.
    pub(super) fn entropy_bits(&self) -> u32 {
        let counts: Vec<_> = self.classes().map(|class| self.count(class) as f64).collect();
        let all: f64 = counts.iter().sum();
        let length = self.length as f64;
        // Which share of the words over the whole alphabet has all classes.
        let share: f64 = (0_u32..1 << counts.len())
            .map(|missing| {
                let gone: f64 =
                    (0..counts.len()).filter(|class| missing >> class & 1 == 1).map(|class| counts[class]).sum();
                let sign = if missing.count_ones() % 2 == 0 { 1.0 } else { -1.0 };
                sign * (1.0 - gone / all).powf(length)
            })
            .sum();
        let bits = length * all.log2() + share.log2();
        // Not a number, or less than none, if there is no such password at all.
        if bits > 0.0 { bits as u32 } else { 0 }
    }

    /// Draws until all classes are there: to put a missing one in afterwards would make some passwords likelier.
    pub(super) fn draw(&self, random: &dyn Random) -> Result<Zeroizing<Vec<u8>>> {
        let alphabet = self.alphabet();
        let mut source = Source { random, drawn: Zeroizing::new([0; 256]), used: 256 };
        let mut password = Zeroizing::new(Vec::with_capacity(self.length));
        for _ in 0..ATTEMPTS_MAX {
            password.clear();
            for _ in 0..self.length {
                password.push(alphabet[source.below(alphabet.len())?]);
            }
            let has = |class| password.iter().any(|byte| CharacterClass::of(*byte) == Some(class));
            if self.classes().all(has) {
                return Ok(password);
            }
        }
        Err(Error::new(Code::RandomUnavailable).detail("no password that was drawn has all classes"))
    }
}

/// Random bytes, drawn some at a time.
struct Source<'a> {
    random: &'a dyn Random,
    drawn: Zeroizing<[u8; 256]>,
    used: usize,
}

impl Source<'_> {
    /// A number below `end`, all equally likely: a byte from the last, incomplete round is drawn again.
    fn below(&mut self, end: usize) -> Result<usize> {
        loop {
            if self.used == self.drawn.len() {
                self.random.fill(&mut *self.drawn)?;
                self.used = 0;
            }
            let byte = usize::from(self.drawn[self.used]);
            self.used += 1;
            if byte < 256 - 256 % end {
                return Ok(byte % end);
            }
        }
    }
}

impl fmt::Display for PasswordPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: Vec<_> = self.classes().map(CharacterClass::as_str).collect();
        write!(f, "password length={} classes={}", self.length, classes.join(","))?;
        if !self.excluded.is_empty() {
            write!(f, " excluded={}", self.excluded.iter().collect::<String>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    fn refused(policy: &PasswordPolicy) -> Option<String> {
        policy.check().err().map(|error| {
            assert_eq!(error.code(), Code::GenerateInvalid);
            error.details().unwrap().to_owned()
        })
    }

    #[test]
    fn the_limits_are_the_last_lengths_allowed() {
        assert_eq!(refused(&PasswordPolicy::new(7)).as_deref(), Some("7 characters"));
        assert_eq!(refused(&PasswordPolicy::new(8)).as_deref(), Some("such a password has 51 bits; make it longer"));
        assert_eq!(refused(&PasswordPolicy::new(10)), None);
        assert_eq!(refused(&PasswordPolicy::new(256)), None);
        assert_eq!(refused(&PasswordPolicy::new(257)).as_deref(), Some("257 characters"));
        let digits = |length| {
            let policy = PasswordPolicy::new(length).without(CharacterClass::Lower).without(CharacterClass::Upper);
            policy.without(CharacterClass::Symbol)
        };
        // 10^19 < 2^64 < 10^20.
        assert_eq!(refused(&digits(19)).as_deref(), Some("such a password has 63 bits; make it longer"));
        assert_eq!(refused(&digits(20)), None);
    }

    #[test]
    fn rules_that_nothing_obeys_are_refused() {
        assert!(refused(&PasswordPolicy::new(20).exclude("0123456789")).unwrap().contains("class digit"));
        assert!(refused(&PasswordPolicy::new(20).exclude("\u{e9}")).unwrap().contains("printable ASCII"));
        let none = CLASSES.into_iter().fold(PasswordPolicy::new(20), PasswordPolicy::without);
        assert!(refused(&none).unwrap().contains("0 bits"));
    }

    /// Against a count of them all.
    #[test]
    fn entropy_counts_the_passwords_there_are() {
        let keep = |kept: &str| (b'!'..=b'~').map(char::from).filter(|c| !kept.contains(*c)).collect::<String>();
        for (kept, length) in [("abA1", 4), ("aA1!", 4), ("abcdA", 5), ("ab1", 3)] {
            let mut policy = PasswordPolicy::new(length).exclude(&keep(kept));
            for class in CLASSES {
                if !kept.bytes().any(|byte| CharacterClass::of(byte) == Some(class)) {
                    policy = policy.without(class);
                }
            }
            let alphabet = policy.alphabet();
            let words = alphabet.len().pow(u32::try_from(length).unwrap());
            let obeying = (0..words).filter(|word| {
                let letters: Vec<_> = (0..length)
                    .scan(*word, |rest, _| {
                        let at = *rest % alphabet.len();
                        *rest /= alphabet.len();
                        Some(alphabet[at])
                    })
                    .collect();
                policy.classes().all(|class| letters.iter().any(|byte| CharacterClass::of(*byte) == Some(class)))
            });
            assert_eq!(policy.entropy_bits(), obeying.count().ilog2(), "case: {kept}");
        }
    }

    #[test]
    fn a_password_obeys_its_rules() {
        let one_of_each = "bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ023456789";
        for (seed, policy) in [
            PasswordPolicy::new(10),
            PasswordPolicy::new(256).exclude_look_alikes(),
            PasswordPolicy::new(20).without(CharacterClass::Symbol).exclude("aeiou"),
            // The rarest there are: one character of each of three classes.
            PasswordPolicy::new(15).exclude(one_of_each),
        ]
        .into_iter()
        .enumerate()
        {
            policy.check().unwrap();
            for round in 0..20 {
                let password = policy.draw(&SeededRandom::new(100 * seed as u64 + round)).unwrap();
                assert_eq!((password.len(), password.capacity()), (policy.length, policy.length));
                for class in CLASSES {
                    let has = password.iter().any(|byte| CharacterClass::of(*byte) == Some(class));
                    assert_eq!(has, policy.classes().any(|wanted| wanted == class));
                }
                assert!(password.iter().all(|byte| !policy.excluded.contains(&char::from(*byte))));
            }
        }
    }

    /// Chi-square over the characters of many passwords, by place, and over pairs of neighbours: the seed is fixed, and
    /// the bounds are those that true randomness exceeds once in a million.
    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let policy = PasswordPolicy::new(16).without(CharacterClass::Symbol).without(CharacterClass::Upper);
        let policy = policy.without(CharacterClass::Digit).exclude("xyz");
        let (random, letters) = (SeededRandom::new(1), 23);
        let (mut places, mut pairs) = (vec![[0_u32; 23]; 16], vec![0_u32; letters * letters]);
        let passwords = 8_000;
        for _ in 0..passwords {
            let password = policy.draw(&random).unwrap();
            let at = |byte: u8| usize::from(byte - b'a');
            password.iter().enumerate().for_each(|(place, byte)| places[place][at(*byte)] += 1);
            password.windows(2).for_each(|pair| pairs[at(pair[0]) * letters + at(pair[1])] += 1);
        }
        let chi_square = |counts: &[u32]| {
            let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
            counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum::<f64>()
        };
        for (place, counts) in places.iter().enumerate() {
            // 22 degrees of freedom.
            assert!(chi_square(counts) < 68.0, "place {place}: {}", chi_square(counts));
        }
        // 528 degrees of freedom: 528 + 4.75 · √(2 · 528).
        assert!(chi_square(&pairs) < 690.0, "{}", chi_square(&pairs));
    }

    /// With all classes demanded, what is left is still uniform: a digit is no likelier at the end than in the front.
    #[test]
    fn classes_that_are_demanded_favour_no_place() {
        let (policy, random, passwords) = (PasswordPolicy::new(10), SeededRandom::new(2), 20_000);
        let mut digits = [0_u32; 10];
        for _ in 0..passwords {
            let password = policy.draw(&random).unwrap();
            password.iter().zip(&mut digits).for_each(|(byte, count)| *count += u32::from(byte.is_ascii_digit()));
        }
        let expected = f64::from(digits.iter().sum::<u32>()) / 10.0;
        let chi_square: f64 = digits.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        // 9 degrees of freedom.
        assert!(chi_square < 45.0, "{chi_square}: {digits:?}");
    }

    #[test]
    fn numbers_below_are_exact() {
        for end in [1, 2, 94, 128, 129, 255, 256] {
            // Every byte once, in order.
            let mut drawn = Zeroizing::new([0; 256]);
            (0..=255).zip(drawn.iter_mut()).for_each(|(byte, place)| *place = byte);
            let random = SeededRandom::new(0);
            let mut source = Source { random: &random, drawn, used: 0 };
            let mut counts = vec![0; end];
            for _ in 0..256 / end * end {
                counts[source.below(end).unwrap()] += 1;
            }
            assert_eq!(counts, vec![256 / end; end]);
        }
    }
}
