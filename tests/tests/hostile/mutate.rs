//! Other bytes from good ones: the changes that parsers stumble over.

/// SplitMix64: the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    /// Numbers that depend on a seed, and on what they are for.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(purpose.bytes().fold(seed, |state, byte| state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number less than `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("it is less than a usize")
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A part of `bytes`, as a rule a short one.
    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len() + 1);
        let rest = bytes.len() - start;
        let longest = if self.below(8) == 0 { rest } else { rest.min(64) };
        start..start + self.below(longest + 1)
    }
}

/// The longest input that is made: longer than the longest record of a bundle, and than the longest note.
const INPUT_BYTES_MAX: usize = 200_000;

/// What is put in: ends of words and numbers, numbers at a limit, and what each format separates by.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b" ",
    b"  ",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\x94 ",
    b"\"",
    b"\\",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b"+",
    b"/",
    b"..",
    b"%",
    b"%00",
    b"?",
    b"&",
    b";",
    b"-",
    b"0",
    b"00",
    b"-1",
    b"1e9",
    b"255",
    b"256",
    b"4294967295",
    b"4294967296",
    b"9007199254740991",
    b"9007199254740992",
    b"18446744073709551615",
    b"18446744073709551616",
    b"true",
    b"null",
    b"\"v\":2",
    b"line ",
    b"commit ",
    b"epoch ",
    b"generation 4294967295 ",
    b"tenant 16777215 ",
    b"end ",
    b"checkpoint ",
    b"heads-proof 1024 ",
];

/// One of `seeds`, changed once or a few times.
pub(crate) fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        change(random, &mut bytes, seeds);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let part = random.range(bytes);
    match random.below(10) {
        // A bit, or a byte.
        0 | 1 if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        2 if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
        // The end, or a part, is missing.
        3 => bytes.truncate(part.start),
        4 => drop(bytes.drain(part)),
        // A part of another, in place of a part.
        5 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.range(other);
            drop(bytes.splice(part, other[from].iter().copied()));
        }
        6 => {
            let piece = random.pick(PIECES);
            drop(bytes.splice(part.start..part.start, piece.iter().copied()));
        }
        // A part again and again; now and then up to the limit.
        7 => {
            let repeated = bytes[part.clone()].to_vec();
            let room = if random.below(16) == 0 { INPUT_BYTES_MAX } else { 2_000 };
            let times = random.below(room / repeated.len().max(1)) + 1;
            drop(bytes.splice(part.end..part.end, repeated.repeat(times)));
        }
        // What may be a length or a number: as bytes, or as the digits that stand there.
        8 => number_in_bytes(random, bytes),
        _ => number_in_digits(random, bytes),
    }
}

fn number_in_bytes(random: &mut Random, bytes: &mut [u8]) {
    let width = [1, 2, 4, 8][random.below(4)];
    if bytes.len() < width {
        return;
    }
    let start = random.below(bytes.len() - width + 1);
    let field = &mut bytes[start..start + width];
    let old = field.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let new = match random.below(6) {
        0 => 0,
        1 => u64::MAX,
        2 => old.wrapping_add(1),
        3 => old.wrapping_sub(1),
        4 => u64::MAX >> 1,
        _ => 1 << random.below(64),
    };
    let new = new.to_be_bytes();
    field.copy_from_slice(&new[8 - width..]);
}

fn number_in_digits(random: &mut Random, bytes: &mut Vec<u8>) {
    let from = random.below(bytes.len().max(1));
    let Some(start) = bytes[from.min(bytes.len())..].iter().position(u8::is_ascii_digit).map(|at| from + at) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let old = std::str::from_utf8(&bytes[start..start + length]).ok().and_then(|digits| digits.parse::<u64>().ok());
    let old = old.unwrap_or(0);
    let new = match random.below(5) {
        0 => old.wrapping_add(1).to_string(),
        1 => old.wrapping_sub(1).to_string(),
        2 => format!("0{old}"),
        3 => (1_u64 << random.below(64)).to_string(),
        _ => u64::MAX.to_string(),
    };
    drop(bytes.splice(start..start + length, new.into_bytes()));
}
