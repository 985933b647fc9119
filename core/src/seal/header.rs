//! The header in front of sealed bytes: which format, algorithm and key, and the nonce.

use crate::{Code, Error, Result, id::KeyId};

pub(super) const ALGORITHM_XAES_256_GCM: u8 = 1;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const HEADER_BYTES: usize = 1 + 1 + 16 + 4 + NONCE_BYTES;

pub(super) const FORMAT_STORED_VALUE: u8 = 1;
pub(super) const FORMAT_WRAPPED_KEY: u8 = 4;

/// Formats that exist: stored value, named key, sealer, wrapped key.
const FORMAT_MAX: u8 = 4;

/// What sealed bytes say about themselves. Nothing of it is true before they are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    /// What is sealed: 1 a stored value, 4 a wrapped key.
    pub format: u8,
    /// How: 1 is XAES-256-GCM.
    pub algorithm: u8,
    /// The id of the key.
    pub key_id: KeyId,
    /// The version of the key.
    pub key_version: u32,
    /// The nonce.
    pub nonce: [u8; NONCE_BYTES],
}

impl SealedHeader {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Code::Integrity`]; the detail says so if format or algorithm are none that we know.
    pub fn parse(sealed: &[u8]) -> Result<Self> {
        let header = sealed.first_chunk::<HEADER_BYTES>().ok_or(Code::Integrity)?;
        let [format, algorithm, rest @ ..] = header;
        if !(1..=FORMAT_MAX).contains(format) {
            return Err(Error::new(Code::Integrity).detail(format!("sealed bytes of unknown format {format}")));
        }
        if *algorithm != ALGORITHM_XAES_256_GCM {
            return Err(Error::new(Code::Integrity).detail(format!("sealed bytes of unknown algorithm {algorithm}")));
        }
        let (key_id, rest) = rest.split_first_chunk().expect("the header has a fixed length");
        let (key_version, nonce) = rest.split_first_chunk().expect("the header has a fixed length");
        Ok(Self {
            format: *format,
            algorithm: *algorithm,
            key_id: KeyId::from_bytes(*key_id),
            key_version: u32::from_be_bytes(*key_version),
            nonce: nonce.try_into().expect("the header has a fixed length"),
        })
    }

    pub(super) fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.format, self.algorithm]);
        out.extend_from_slice(self.key_id.as_bytes());
        out.extend_from_slice(&self.key_version.to_be_bytes());
        out.extend_from_slice(&self.nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let header = SealedHeader {
            format: 4,
            algorithm: 1,
            key_id: KeyId::from_bytes([5; 16]),
            key_version: 0x0102_0304,
            nonce: [6; NONCE_BYTES],
        };
        let mut bytes = Vec::new();
        header.write_into(&mut bytes);
        assert_eq!(bytes.len(), HEADER_BYTES);
        assert_eq!(SealedHeader::parse(&bytes).unwrap(), header);
        for (at, value, detail) in [
            (0, 0, "sealed bytes of unknown format 0"),
            (0, 5, "sealed bytes of unknown format 5"),
            (1, 0, "sealed bytes of unknown algorithm 0"),
            (1, 2, "sealed bytes of unknown algorithm 2"),
        ] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let error = SealedHeader::parse(&changed).unwrap_err();
            assert_eq!((error.code(), error.details()), (Code::Integrity, Some(detail)));
        }
        assert!(SealedHeader::parse(&bytes[..HEADER_BYTES - 1]).is_err());
    }
}
