//! Device URIs: which device, and where its PIN is. They hold no secret and may be shown.
//!
//! `pkcs11:token=prod;serial=…?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin`
//! is a subset of RFC 7512; `software:/path/key?passphrase-source=file:/path` is ours. Read strictly,
//! because a URI that is half understood may name the wrong token: nothing is ignored, nothing may
//! stand twice, and what would put a PIN into a configuration file (`pin-value`) or start a program
//! (`|command`) is refused.

use std::{
    fmt::{self, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use strongroom::device::DeviceError;

/// Longest device URI, in bytes.
const URI_BYTES_MAX: usize = 4096;

/// Names a device: a PKCS#11 token, or a software device's key file.
///
/// ```
/// use strongroom_hsm::DeviceUri;
///
/// let uri: DeviceUri = "pkcs11:token=My%20token?module-path=/usr/lib/p11.so&pin-source=/run/pin".parse()?;
/// assert_eq!(uri.kind(), "pkcs11");
/// assert_eq!(uri.to_string(), "pkcs11:token=My%20token?module-path=/usr/lib/p11.so&pin-source=file:/run/pin");
/// # Ok::<(), strongroom::device::DeviceError>(())
/// ```
///
/// Of `pkcs11:`, the path attributes `token`, `serial`, `manufacturer`, `model` and `slot-id` say
/// which token; the query attribute `module-path` (absolute) which library; `pin-source` (a path,
/// or `file:` and a path) where the PIN is, by default `$CREDENTIALS_DIRECTORY/pin`.
/// Of `software:`, the path is the key file, and `passphrase-source` where its passphrase is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceUri(Target);

/// What a URI names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Token(TokenUri),
    File(FileUri),
}

/// A PKCS#11 token: what is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenUri {
    pub(crate) token: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) manufacturer: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) slot_id: Option<u64>,
    pub(crate) module_path: PathBuf,
    pub(crate) pin_source: Option<PathBuf>,
}

/// A software device's key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileUri {
    pub(crate) path: PathBuf,
    pub(crate) passphrase_source: PathBuf,
}

impl DeviceUri {
    /// The kind of device: `pkcs11` or `software`.
    pub fn kind(&self) -> &'static str {
        match self.0 {
            Target::Token(_) => "pkcs11",
            Target::File(_) => "software",
        }
    }

    /// The same URI with its relative paths taken from `folder`, for storing it: a relative path
    /// means something else in another working folder.
    #[must_use]
    pub fn based_at(mut self, folder: &Path) -> Self {
        match &mut self.0 {
            Target::Token(uri) => {
                if let Some(path) = &mut uri.pin_source {
                    *path = folder.join(&*path);
                }
            }
            Target::File(uri) => {
                uri.path = folder.join(&uri.path);
                uri.passphrase_source = folder.join(&uri.passphrase_source);
            }
        }
        self
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0
    }
}

impl FromStr for DeviceUri {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        parse(text).map(Self).map_err(DeviceError::Uri)
    }
}

/// The canonical form, which parses to the same URI. It has no secret in it.
impl fmt::Display for DeviceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Token(uri) => {
                write!(f, "pkcs11:{}?module-path=", uri.selection())?;
                encode(f, &uri.module_path.to_string_lossy(), is_query_char)?;
                if let Some(path) = &uri.pin_source {
                    f.write_str("&pin-source=")?;
                    write_source(f, path)?;
                }
            }
            Target::File(uri) => {
                f.write_str("software:")?;
                encode(f, &uri.path.to_string_lossy(), |byte| is_path_char(byte) || byte == b'/')?;
                f.write_str("?passphrase-source=")?;
                write_source(f, &uri.passphrase_source)?;
            }
        }
        Ok(())
    }
}

impl TokenUri {
    /// The path of the URI: the attributes by which the token is chosen.
    pub(crate) fn selection(&self) -> String {
        let mut text = String::new();
        let slot_id = self.slot_id.map(|id| id.to_string());
        for (name, value) in [
            ("token", &self.token),
            ("serial", &self.serial),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("slot-id", &slot_id),
        ] {
            if let Some(value) = value {
                let separator = if text.is_empty() { "" } else { ";" };
                let _ = write!(text, "{separator}{name}=");
                let _ = encode(&mut text, value, is_path_char);
            }
        }
        text
    }
}

fn parse(text: &str) -> Result<Target, String> {
    if text.len() > URI_BYTES_MAX {
        return Err(format!("it is longer than {URI_BYTES_MAX} bytes"));
    }
    let (scheme, rest) = text.split_once(':').ok_or("it must begin with pkcs11: or software:")?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    match scheme {
        "pkcs11" => parse_token(path, query).map(Target::Token),
        "software" => parse_file(path, query).map(Target::File),
        _ => Err("it must begin with pkcs11: or software:".into()),
    }
}

/// RFC 7512 §2.3, of which we take the attributes that choose a token.
fn parse_token(path: &str, query: Option<&str>) -> Result<TokenUri, String> {
    let mut uri = TokenUri::default();
    for (name, value) in attributes(Some(path).filter(|path| !path.is_empty()), ';')? {
        match name {
            // The longest that the fields of CK_TOKEN_INFO hold.
            "token" => once(name, &mut uri.token, decode(name, value, is_path_char, 32)?)?,
            "serial" => once(name, &mut uri.serial, decode(name, value, is_path_char, 16)?)?,
            "manufacturer" => once(name, &mut uri.manufacturer, decode(name, value, is_path_char, 32)?)?,
            "model" => once(name, &mut uri.model, decode(name, value, is_path_char, 16)?)?,
            "slot-id" => once(name, &mut uri.slot_id, decimal(name, value)?)?,
            "object" | "id" | "type" => {
                return Err(format!("`{name}` chooses a key; which keys are used, the deployment knows"));
            }
            _ => return Err(unknown(name)),
        }
    }
    let mut module_path = None;
    for (name, value) in attributes(query, '&')? {
        match name {
            "module-path" => once(name, &mut module_path, path_value(name, value)?)?,
            "pin-source" => once(name, &mut uri.pin_source, source(name, value)?)?,
            "pin-value" => {
                return Err("`pin-value` would put the PIN where others see it; use pin-source=file:/path".into());
            }
            _ => return Err(unknown(name)),
        }
    }
    uri.module_path = module_path.ok_or("it has no module-path; add ?module-path=/path/of/the/library.so")?;
    // A bare name would be searched for in folders that the environment names.
    if !uri.module_path.is_absolute() {
        return Err("module-path must be absolute".into());
    }
    Ok(uri)
}

fn parse_file(path: &str, query: Option<&str>) -> Result<FileUri, String> {
    let path = decode("the path", path, |byte| is_path_char(byte) || byte == b'/', URI_BYTES_MAX)?;
    let mut passphrase_source = None;
    for (name, value) in attributes(query, '&')? {
        match name {
            "passphrase-source" => once(name, &mut passphrase_source, source(name, value)?)?,
            _ => return Err(unknown(name)),
        }
    }
    let passphrase_source =
        passphrase_source.ok_or("it has no passphrase-source; add ?passphrase-source=file:/path")?;
    Ok(FileUri { path: path.into(), passphrase_source })
}

/// Splits `name=value` pairs. An empty pair, as a doubled or trailing separator makes, is refused.
fn attributes(text: Option<&str>, separator: char) -> Result<Vec<(&str, &str)>, String> {
    text.into_iter()
        .flat_map(|text| text.split(separator))
        .map(|pair| pair.split_once('=').ok_or_else(|| "an attribute is not of the form name=value".to_owned()))
        .collect()
}

fn once<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{name}` stands twice")),
    }
}

/// Names only what looks like a name, so that a PIN in the wrong place does not end in a log.
fn unknown(name: &str) -> String {
    let is_name = (1..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if is_name { format!("`{name}` is not an attribute known here") } else { "an attribute is not known here".into() }
}

fn decimal(name: &str, value: &str) -> Result<u64, String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or_else(|| format!("`{name}` must be a decimal number"))
}

/// Where a PIN or passphrase is: a path, or `file:` and a path (RFC 8089, without a host).
fn source(name: &str, value: &str) -> Result<PathBuf, String> {
    if value.starts_with('|') || value.starts_with("%7C") || value.starts_with("%7c") {
        return Err(format!("`{name}` may not start a program; use file:/path"));
    }
    let value = value.strip_prefix("file:").unwrap_or(value);
    path_value(name, value.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(value))
}

/// What [`source`] reads. A path that begins with two slashes needs an empty host before it, or would lose them.
fn write_source(to: &mut impl Write, path: &Path) -> fmt::Result {
    let path = path.to_string_lossy();
    to.write_str(if path.starts_with("//") { "file://" } else { "file:" })?;
    encode(to, &path, is_query_char)
}

fn path_value(name: &str, value: &str) -> Result<PathBuf, String> {
    decode(name, value, is_query_char, URI_BYTES_MAX).map(PathBuf::from)
}

/// Undoes percent-encoding (RFC 3986 §2.1), strictly: allowed characters and whole escapes only.
fn decode(name: &str, value: &str, is_allowed: fn(u8) -> bool, bytes_max: usize) -> Result<String, String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2).ok_or_else(|| format!("`{name}` ends within a %XX"))?;
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (Some(high), Some(low)) = (digit(digits[0]), digit(digits[1])) else {
                return Err(format!("`{name}` has a % that two hex digits do not follow"));
            };
            decoded.push((high * 16 + low) as u8);
            rest = after;
        } else if is_allowed(byte) {
            decoded.push(byte);
        } else {
            return Err(format!("`{name}` has a character that must be written as %XX"));
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| format!("`{name}` is not UTF-8"))?;
    if decoded.is_empty() {
        Err(format!("`{name}` is empty"))
    } else if decoded.len() > bytes_max {
        Err(format!("`{name}` is longer than {bytes_max} bytes"))
    } else if decoded.contains(char::is_control) {
        Err(format!("`{name}` has a control character"))
    } else {
        Ok(decoded)
    }
}

fn encode(to: &mut impl Write, value: &str, is_allowed: fn(u8) -> bool) -> fmt::Result {
    for byte in value.bytes() {
        match is_allowed(byte) {
            true => to.write_char(byte.into())?,
            false => write!(to, "%{byte:02X}")?,
        }
    }
    Ok(())
}

/// pk11-pchar of RFC 7512 §2.3, but for the percent sign.
fn is_path_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=&".contains(&byte)
}

/// pk11-qchar of RFC 7512 §2.3, but for the percent sign.
fn is_query_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=/?|".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_parsed_strictly() {
        let longest = format!("pkcs11:token={}?module-path=/m", "a".repeat(32));
        let too_long = format!("pkcs11:token={}?module-path=/m", "a".repeat(33));
        let huge = format!("pkcs11:?module-path=/{}", "a".repeat(URI_BYTES_MAX));
        for (input, want) in [
            ("pkcs11:?module-path=/m", Ok("pkcs11:?module-path=/m")),
            (
                "pkcs11:token=a;serial=0f?module-path=/m&pin-source=/p",
                Ok("pkcs11:token=a;serial=0f?module-path=/m&pin-source=file:/p"),
            ),
            (
                "pkcs11:serial=1;token=a?pin-source=file:/p&module-path=/m",
                Ok("pkcs11:token=a;serial=1?module-path=/m&pin-source=file:/p"),
            ),
            ("pkcs11:?module-path=/m&pin-source=file:///p", Ok("pkcs11:?module-path=/m&pin-source=file:/p")),
            ("pkcs11:?module-path=/m&pin-source=file:////p", Ok("pkcs11:?module-path=/m&pin-source=file:////p")),
            ("pkcs11:?module-path=/m&pin-source=file://///p", Ok("pkcs11:?module-path=/m&pin-source=file://///p")),
            (
                "pkcs11:model=m;manufacturer=n;slot-id=7?module-path=/m",
                Ok("pkcs11:manufacturer=n;model=m;slot-id=7?module-path=/m"),
            ),
            ("pkcs11:token=a%20b%3B%c3%a9?module-path=/m%26n", Ok("pkcs11:token=a%20b%3B%C3%A9?module-path=/m%26n")),
            (&longest, Ok(&longest)),
            ("software:/k?passphrase-source=file:/p", Ok("software:/k?passphrase-source=file:/p")),
            ("software:k/my%20key?passphrase-source=p", Ok("software:k/my%20key?passphrase-source=file:p")),
            ("", Err("begin with")),
            ("pkcs11", Err("begin with")),
            ("PKCS11:?module-path=/m", Err("begin with")),
            ("file:/k", Err("begin with")),
            ("pkcs11:token=a", Err("no module-path")),
            ("pkcs11:?module-path=m.so", Err("absolute")),
            ("pkcs11:?module-path=", Err("empty")),
            ("pkcs11:token=?module-path=/m", Err("`token` is empty")),
            (&too_long, Err("longer than 32")),
            (&huge, Err("longer than 4096")),
            ("pkcs11:token=a;token=b?module-path=/m", Err("`token` stands twice")),
            ("pkcs11:token=a;;serial=b?module-path=/m", Err("name=value")),
            ("pkcs11:token=a;?module-path=/m", Err("name=value")),
            ("pkcs11:token?module-path=/m", Err("name=value")),
            ("pkcs11:tokne=a?module-path=/m", Err("`tokne` is not")),
            ("pkcs11:1234=a?module-path=/m", Err("an attribute is not known")),
            ("pkcs11:object=a?module-path=/m", Err("chooses a key")),
            ("pkcs11:slot-id=+1?module-path=/m", Err("decimal")),
            ("pkcs11:slot-id=99999999999999999999?module-path=/m", Err("decimal")),
            ("pkcs11:token=a b?module-path=/m", Err("%XX")),
            ("pkcs11:token=a/b?module-path=/m", Err("%XX")),
            ("pkcs11:token=é?module-path=/m", Err("%XX")),
            ("pkcs11:token=a%2?module-path=/m", Err("within a %XX")),
            ("pkcs11:token=a%zz?module-path=/m", Err("two hex digits")),
            ("pkcs11:token=a%+1?module-path=/m", Err("two hex digits")),
            ("pkcs11:token=%ff?module-path=/m", Err("not UTF-8")),
            ("pkcs11:token=a%00?module-path=/m", Err("control character")),
            ("pkcs11:?module-path=/m&pin-value=1234", Err("pin-value")),
            ("pkcs11:?module-path=/m&pin-source=|cat", Err("program")),
            ("pkcs11:?module-path=/m&pin-source=%7ccat", Err("program")),
            ("pkcs11:?module-path=/m&pin-source=", Err("empty")),
            ("pkcs11:?module-path=/m&pin-source=file:", Err("empty")),
            ("pkcs11:?module-path=/m&pin-source=/a&pin-source=/b", Err("twice")),
            ("pkcs11:?module-path=/m#x", Err("%XX")),
            ("pkcs11:?module-name=p11&module-path=/m", Err("`module-name` is not")),
            ("pkcs11:?", Err("name=value")),
            ("software:/k", Err("no passphrase-source")),
            ("software:?passphrase-source=/p", Err("empty")),
            ("software:/k?passphrase-source=|cat", Err("program")),
            ("software:/k?passphrase=x", Err("`passphrase` is not")),
        ] {
            match (input.parse::<DeviceUri>(), want) {
                (Ok(uri), Ok(text)) => {
                    assert_eq!(uri.to_string(), text, "case: {input}");
                    assert_eq!(text.parse::<DeviceUri>().unwrap(), uri, "case: {input}");
                }
                (Err(DeviceError::Uri(message)), Err(part)) => assert!(message.contains(part), "{input}: {message}"),
                (got, _) => panic!("{input}: {got:?}"),
            }
        }
    }

    #[test]
    fn an_error_repeats_no_value() {
        for input in
            ["pkcs11:?module-path=/m&pin-value=hunter2", "pkcs11:hunter2=hunter2?hunter2", "software:/k?hunter2=1"]
        {
            let message = input.parse::<DeviceUri>().unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn relative_paths_are_taken_from_a_folder() {
        let uri: DeviceUri = "software:k?passphrase-source=/p".parse().unwrap();
        assert_eq!(uri.based_at(Path::new("/base")).to_string(), "software:/base/k?passphrase-source=file:/p");
    }

    /// Whatever is done to a URI, it is refused or it survives a round trip; nothing panics.
    #[test]
    fn mutated_uris_never_panic() {
        let seeds = [
            "pkcs11:token=a%20b;serial=0f1;manufacturer=SoftHSM;model=v2;slot-id=12?module-path=/usr/l.so&pin-source=file:/run/p",
            "software:/home/me/key%C3%A9?passphrase-source=file:///run/p",
        ];
        let alphabet = b"%;?&=:/|a0Ff \x00\xc3\xa9\xff~+";
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let mut accepted = 0;
        for round in 0..200_000 {
            let mut bytes = seeds[round % 2].as_bytes().to_vec();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = alphabet[random(alphabet.len())],
                    1 => bytes.insert(at, alphabet[random(alphabet.len())]),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            if let Ok(uri) = String::from_utf8_lossy(&bytes).parse::<DeviceUri>() {
                accepted += 1;
                assert_eq!(uri.to_string().parse::<DeviceUri>().unwrap(), uri);
            }
        }
        assert!(accepted > 1000, "the mutations hardly reach the accepting side: {accepted}");
    }
}
