//! When a certificate ends: the one thing of it that matters here.
//!
//! Nothing else is looked at, no signature and no name: whoever uses a certificate judges it.

use std::time::Duration;

use memchr::memmem;
use x509_cert::{
    Certificate,
    der::{Decode as _, DecodePem as _},
};

use crate::clock::Timestamp;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Longest that a certificate is due for rotation before its end.
const MARGIN_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Until when a certificate is good; `None` if the value is no certificate.
///
/// It is DER and nothing else, or text with a PEM block. Of several blocks the first counts, which is the server's own
/// certificate in a chain (RFC 8446, section 4.4.2); what is around it, such as a private key, is not touched.
pub(crate) fn not_after(value: &[u8]) -> Option<Timestamp> {
    let certificate = match memmem::find(value, BEGIN) {
        Some(begin) => {
            let block = &value[begin..];
            let end = memmem::find(block, END)? + END.len();
            Certificate::from_pem(&block[..end]).ok()?
        }
        None => Certificate::from_der(value).ok()?,
    };
    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    u64::try_from(end.as_micros()).ok().map(Timestamp)
}

/// When a certificate is due that was put at a time and ends at another: before its end by a third of what it still had,
/// and 30 days at most, so that a short one is not due at once.
pub(super) fn rotate_by(put_at: Timestamp, not_after: Timestamp) -> Timestamp {
    let left = Duration::from_micros(not_after.0.saturating_sub(put_at.0));
    let margin = MARGIN_MAX.min(left / 3);
    Timestamp(not_after.0.saturating_sub(u64::try_from(margin.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! sample {
        ($name:literal) => {
            include_bytes!(concat!("../../../fuzz/corpus/x509/", $name)).as_slice()
        };
    }

    #[test]
    fn a_certificate_says_when_it_ends() {
        let (ed25519, p256, rsa) = (1_827_558_735, 2_590_902_736, 1_803_798_736);
        for (name, value, end) in [
            ("PEM", sample!("ed25519.pem"), ed25519),
            ("DER", sample!("ed25519.der"), ed25519),
            ("after 2049, which is written otherwise", sample!("p256.der"), p256),
            ("RSA", sample!("rsa.pem"), rsa),
            ("lines end as on Windows", sample!("crlf.pem"), rsa),
            ("the first of several blocks, with words before it", sample!("chain.pem"), ed25519),
        ] {
            assert_eq!(not_after(value), Some(Timestamp(end * 1_000_000)), "case: {name}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let (pem, der) = (sample!("ed25519.pem"), sample!("ed25519.der"));
        let cut = |bytes: &[u8], to: usize| bytes[..to].to_vec();
        for (name, value) in [
            ("nothing", Vec::new()),
            ("text", b"hunter2".to_vec()),
            ("a request", sample!("request.pem").to_vec()),
            ("PEM without its end", cut(pem, pem.len() - 10)),
            ("DER cut short", cut(der, der.len() - 1)),
            ("DER with more behind it", [der, b"\0"].concat()),
            ("words, then DER", [b"x", der].concat()),
            ("DER called PEM", [BEGIN, b"\n", der, END].concat()),
            ("another block called a certificate", {
                let text = String::from_utf8(sample!("request.pem").to_vec()).unwrap();
                text.replace("CERTIFICATE REQUEST", "CERTIFICATE").into_bytes()
            }),
        ] {
            assert_eq!(not_after(&value), None, "case: {name}");
        }
    }
}
