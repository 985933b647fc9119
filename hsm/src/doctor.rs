//! What a PKCS#11 library and its tokens say of themselves.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use cryptoki::{
    context::Pkcs11,
    mechanism::MechanismType,
    slot::{Slot, TokenInfo},
};
use serde::Serialize;
use strongroom::device::DeviceError;

use crate::pkcs11::{load, trimmed};

/// The mechanisms that a deployment needs of its token, and for what.
const NEEDED: [(MechanismType, &str, &str); 4] = [
    (MechanismType::GENERIC_SECRET_KEY_GEN, "CKM_GENERIC_SECRET_KEY_GEN", "create a root key"),
    (MechanismType::SHA256_HMAC, "CKM_SHA256_HMAC", "derive tenants' keys"),
    (MechanismType::ECC_EDWARDS_KEY_PAIR_GEN, "CKM_EC_EDWARDS_KEY_PAIR_GEN", "create an audit key"),
    (MechanismType::EDDSA, "CKM_EDDSA", "certify signing keys"),
];

/// What a library says of itself and its tokens.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// The library's file.
    pub module: PathBuf,
    /// The library, if it says.
    pub library: Option<LibraryReport>,
    /// Its slots that have a token in them.
    pub slots: Vec<SlotReport>,
}

/// What a library says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct LibraryReport {
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub description: String,
    /// Its version.
    pub version: String,
    /// The version of PKCS#11 that it speaks.
    pub cryptoki: String,
}

/// One slot.
#[derive(Clone, Debug, Serialize)]
pub struct SlotReport {
    /// The slot's number, for `slot-id` in a URI. Many libraries change it at each start.
    pub slot_id: u64,
    /// The token in it, if the library describes it.
    pub token: Option<TokenReport>,
    /// Why the library does not.
    pub problem: Option<String>,
    /// The mechanisms that a deployment needs. Listed is not proof that they work.
    pub mechanisms: Vec<MechanismReport>,
}

/// One token.
#[derive(Clone, Debug, Serialize)]
pub struct TokenReport {
    /// Its label, for `token` in a URI.
    pub label: String,
    /// Its serial number, for `serial` in a URI.
    pub serial: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Version of its firmware.
    pub firmware: String,
    /// Whether it was initialised.
    pub is_initialized: bool,
    /// Whether it asks for a login.
    pub needs_login: bool,
    /// Whether it has a user PIN.
    pub has_user_pin: bool,
    /// Whether a wrong PIN was given since the last right one.
    pub is_pin_count_low: bool,
    /// Whether one more wrong PIN locks it.
    pub is_pin_final_try: bool,
    /// Whether its PIN is locked.
    pub is_pin_locked: bool,
    /// Whether it can be written.
    pub is_write_protected: bool,
    /// Shortest and longest PIN, in bytes.
    pub pin_bytes: (usize, usize),
}

/// One mechanism.
#[derive(Clone, Debug, Serialize)]
pub struct MechanismReport {
    /// Its name in the standard.
    pub name: &'static str,
    /// What it is needed for.
    pub needed_to: &'static str,
    /// Whether the token lists it.
    pub is_listed: bool,
}

/// Asks a PKCS#11 library about itself and its tokens. Never logs in, so that no PIN can be locked.
///
/// # Errors
/// [`DeviceError::Module`] if the library cannot be loaded, [`DeviceError::Unavailable`] if it does
/// not list its slots. What one slot does not answer is in the report.
pub fn doctor(module_path: &Path) -> Result<DoctorReport, DeviceError> {
    let module = load(module_path)?;
    let library = module.get_library_info().ok().map(|info| LibraryReport {
        manufacturer: trimmed(info.manufacturer_id()).into(),
        description: trimmed(info.library_description()).into(),
        version: info.library_version().to_string(),
        cryptoki: info.cryptoki_version().to_string(),
    });
    let slots = module
        .get_slots_with_token()
        .map_err(|error| DeviceError::Unavailable(format!("listing the slots: {error}")))?;
    let slots = slots.into_iter().map(|slot| report_slot(&module, slot)).collect();
    Ok(DoctorReport { module: module_path.to_owned(), library, slots })
}

fn report_slot(module: &Pkcs11, slot: Slot) -> SlotReport {
    let listed = module.get_mechanism_list(slot).unwrap_or_default();
    let info = module.get_token_info(slot);
    SlotReport {
        slot_id: slot.id(),
        token: info.as_ref().ok().map(report_token),
        problem: info.err().map(|error| error.to_string()),
        mechanisms: NEEDED
            .map(|(mechanism, name, needed_to)| MechanismReport {
                name,
                needed_to,
                is_listed: listed.contains(&mechanism),
            })
            .to_vec(),
    }
}

fn report_token(info: &TokenInfo) -> TokenReport {
    TokenReport {
        label: trimmed(info.label()).into(),
        serial: trimmed(info.serial_number()).into(),
        manufacturer: trimmed(info.manufacturer_id()).into(),
        model: trimmed(info.model()).into(),
        firmware: info.firmware_version().to_string(),
        is_initialized: info.token_initialized(),
        needs_login: info.login_required(),
        has_user_pin: info.user_pin_initialized(),
        is_pin_count_low: info.user_pin_count_low(),
        is_pin_final_try: info.user_pin_final_try(),
        is_pin_locked: info.user_pin_locked(),
        is_write_protected: info.write_protected(),
        pin_bytes: (info.min_pin_length(), info.max_pin_length()),
    }
}

impl TokenReport {
    /// What an operator should know, in words.
    fn remarks(&self) -> Vec<&'static str> {
        [
            (!self.has_user_pin, "has no user PIN"),
            (self.is_pin_locked, "its PIN is locked"),
            (self.is_pin_final_try && !self.is_pin_locked, "one more wrong PIN locks it"),
            (self.is_pin_count_low && !self.is_pin_final_try, "a wrong PIN was given"),
            (self.is_write_protected, "cannot be written"),
        ]
        .into_iter()
        .filter_map(|(holds, remark)| holds.then_some(remark))
        .collect()
    }
}

impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "module  {}", self.module.display())?;
        if let Some(library) = &self.library {
            let LibraryReport { manufacturer, description, version, cryptoki } = library;
            writeln!(f, "library {description} {version}, {manufacturer}, PKCS#11 {cryptoki}")?;
        }
        if self.slots.is_empty() {
            writeln!(f, "no tokens")?;
        }
        for slot in &self.slots {
            match &slot.token {
                // Many libraries keep one blank token ready to be initialised.
                Some(token) if !token.is_initialized => {
                    writeln!(f, "\nslot    {}: a token that is not initialised", slot.slot_id)?;
                    continue;
                }
                Some(token) => {
                    writeln!(f, "\ntoken   {} (serial {}, slot {})", token.label, token.serial, slot.slot_id)?;
                    writeln!(f, "        {} {}, firmware {}", token.manufacturer, token.model, token.firmware)?;
                    for remark in token.remarks() {
                        writeln!(f, "        ! {remark}")?;
                    }
                }
                None => {
                    let problem = slot.problem.as_deref().unwrap_or_default();
                    writeln!(f, "\nslot    {}: the library does not describe its token: {problem}", slot.slot_id)?;
                }
            }
            for mechanism in &slot.mechanisms {
                let mark = if mechanism.is_listed { "ok" } else { "! " };
                writeln!(f, "        {mark} {} to {}", mechanism.name, mechanism.needed_to)?;
            }
        }
        Ok(())
    }
}
