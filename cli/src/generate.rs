//! `generate`: values that are made where they are stored.

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use serde::Serialize;
use strongroom::{
    ByteEncoding, CharacterClass, Generate, Generated, Get, KeyAlgorithm, PasswordPolicy, Secret, SecretPath, ValueKind,
};
use zeroize::Zeroizing;

use crate::{
    app::App,
    failure::Failure,
    output::{self, ReceiptJson},
    secret::put::How,
};

/// Make a password, UUID, random bytes or a key pair, and store it without showing it
#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// A password: so many characters, each class of them at least once
    ///
    /// All passwords that obey the rules are equally likely. One that could be guessed too easily, with fewer than
    /// 64 bits, is refused; 24 characters of all classes have 157.
    #[command(after_help = "\
Examples:
  strongroom generate password prod/db/password
  strongroom generate password prod/db/password --length 32 --no-symbols
  strongroom generate password office/wifi --exclude-look-alikes --show    # to be read and typed
  strongroom generate password prod/db/password --exclude '\"@:/' --expect 0")]
    Password {
        /// How many characters, 8 to 256
        #[arg(long, default_value_t = 24, value_name = "CHARACTERS")]
        length: usize,
        /// No a to z
        #[arg(long)]
        no_lower: bool,
        /// No A to Z
        #[arg(long)]
        no_upper: bool,
        /// No 0 to 9
        #[arg(long)]
        no_digits: bool,
        /// No other characters
        #[arg(long)]
        no_symbols: bool,
        /// None of these characters
        #[arg(long, value_name = "CHARACTERS", default_value = "", hide_default_value = true)]
        exclude: String,
        /// None of those that people take for one another, such as 0 and O
        #[arg(long)]
        exclude_look_alikes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// A random UUID (version 4)
    #[command(after_help = "Examples:\n  strongroom generate uuid prod/api/client-id")]
    Uuid {
        #[command(flatten)]
        place: Place,
    },
    /// Random bytes: a key, a salt, a token
    #[command(after_help = "\
Examples:
  strongroom generate bytes prod/session/key                      # 32 bytes in base64
  strongroom generate bytes prod/webhook/token --count 20 --encoding hex")]
    Bytes {
        /// How many bytes, 16 to 1,024
        #[arg(long, default_value_t = 32, value_name = "BYTES")]
        count: usize,
        /// How they are written: hex, base64, base64url, or raw for a binary value
        #[arg(long, default_value = "base64", hide_possible_values = true)]
        #[arg(value_parser = PossibleValuesParser::new(["hex", "base64", "base64url", "raw"]))]
        encoding: String,
        #[command(flatten)]
        place: Place,
    },
    /// A key pair: the private key in PKCS#8, and beside it, as PATH.pub, the public key, both PEM
    ///
    /// The public key is also written to stdout.
    #[command(after_help = "\
Examples:
  strongroom generate key prod/jwt/signing > signing.pub
  strongroom generate key prod/tls/key --algorithm p256 --label owner=web")]
    Key {
        /// ed25519 or p256
        #[arg(long, default_value = "ed25519", hide_possible_values = true)]
        #[arg(value_parser = PossibleValuesParser::new(["ed25519", "p256"]))]
        algorithm: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Where it goes, and whether it is seen.
#[derive(Args, Debug)]
pub(crate) struct Place {
    /// Where, such as prod/db/password; a secret that exists gets a new version
    path: String,
    #[command(flatten)]
    how: How,
    /// Show the value, too: a second operation, recorded as reading it
    #[arg(long)]
    show: bool,
}

#[derive(Serialize)]
struct Reply<'a> {
    path: &'a str,
    version: u64,
    generated: String,
    bits: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    public: Option<Public<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown<'a>>,
    receipt: ReceiptJson<'a>,
}

#[derive(Serialize)]
struct Public<'a> {
    path: &'a str,
    version: u64,
    pem: &'a str,
}

#[derive(Serialize)]
struct Shown<'a> {
    encoding: &'static str,
    value: &'a str,
    receipt: ReceiptJson<'a>,
}

impl GenerateCommand {
    pub(crate) fn carry_out(&self, app: &App) -> Result<(), Failure> {
        let (place, what) = self.parse()?;
        let path: SecretPath = place.path.parse()?;
        let options = place.how.options()?;
        let (made, shown) = app.in_secrets(async |secrets| {
            let made = secrets.generate(&path, &what, options).await?;
            let shown = match place.show {
                true => Some(secrets.get(&path, Get::version(made.version)).await?),
                false => None,
            };
            Ok((made, shown))
        })?;
        if app.out.is_json() {
            return output::to_stdout(&reply(&path, &what, &made, shown.as_ref())?);
        }
        app.out.note(&format!(
            "generated {path} version {} ({what}, {} bits) {}",
            made.version,
            what.entropy_bits(),
            output::recorded(&made.receipt)
        ));
        if let Some(public) = &made.public {
            app.out.note(&format!("put {} version {}", public.path, public.version));
        }
        match (shown, &made.public) {
            (Some(secret), _) => show(&secret),
            (None, Some(public)) => output::to_stdout(public.pem.as_bytes()),
            (None, None) => Ok(()),
        }
    }

    fn parse(&self) -> Result<(&Place, Generate), Failure> {
        Ok(match self {
            Self::Password {
                place,
                length,
                no_lower,
                no_upper,
                no_digits,
                no_symbols,
                exclude,
                exclude_look_alikes,
            } => {
                let mut policy = PasswordPolicy::new(*length).exclude(exclude);
                for (is_without, class) in [
                    (no_lower, CharacterClass::Lower),
                    (no_upper, CharacterClass::Upper),
                    (no_digits, CharacterClass::Digit),
                    (no_symbols, CharacterClass::Symbol),
                ] {
                    if *is_without {
                        policy = policy.without(class);
                    }
                }
                if *exclude_look_alikes {
                    policy = policy.exclude_look_alikes();
                }
                (place, Generate::password(&policy)?)
            }
            Self::Uuid { place } => (place, Generate::uuid()),
            Self::Bytes { place, count, encoding } => {
                (place, Generate::bytes(*count, encoding.parse::<ByteEncoding>()?)?)
            }
            Self::Key { place, algorithm } => (place, Generate::key_pair(algorithm.parse::<KeyAlgorithm>()?)),
        })
    }
}

/// The value as `secret get` shows it.
fn show(secret: &Secret) -> Result<(), Failure> {
    let on_terminal = output::stdout_is_terminal();
    if on_terminal && secret.value.kind() == ValueKind::Binary {
        return Err(Failure::usage(
            "it is stored, but binary, and this is a terminal: read it with `secret get --file`",
        ));
    }
    secret.value.expose(output::to_stdout)?;
    if on_terminal { output::to_stdout(b"\n") } else { Ok(()) }
}

/// The reply in JSON, in a buffer that is wiped and never grows.
fn reply(
    path: &SecretPath,
    what: &Generate,
    made: &Generated,
    shown: Option<&Secret>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let write = |value: Option<Shown<'_>>, room: usize| {
        let reply = Reply {
            path: path.as_str(),
            version: made.version.0,
            generated: what.to_string(),
            bits: what.entropy_bits(),
            public: made.public.as_ref().map(|public| Public {
                path: public.path.as_str(),
                version: public.version.0,
                pem: &public.pem,
            }),
            value,
            receipt: (&made.receipt).into(),
        };
        // Two bytes for one, as in \n, is the worst that JSON makes of what is generated; the rest is under 8 KiB.
        let mut json = Zeroizing::new(Vec::with_capacity(2 * room + 8192));
        serde_json::to_writer(&mut *json, &reply).map_err(output::internal)?;
        json.push(b'\n');
        Ok(json)
    };
    let Some(secret) = shown else { return write(None, 0) };
    output::encoded(&secret.value, |encoding, value| {
        write(Some(Shown { encoding, value, receipt: (&secret.receipt).into() }), value.len())
    })
}
