//! Templates of C_CreateObject and C_GenerateKeyPair: what may stand in one, and what must.
//!
//! Owns the return code of each fault, which is the reference's: an attribute that such an object
//! has not is CKR_ATTRIBUTE_TYPE_INVALID, a value it cannot have CKR_ATTRIBUTE_VALUE_INVALID, a key
//! without its type CKR_MECHANISM_INVALID, one without its label CKR_ARGUMENTS_BAD. Beyond the
//! reference's attributes, CKA_PRIVATE, CKA_SENSITIVE and CKA_EXTRACTABLE may say what is so anyway.
//! A template that names an attribute twice is CKR_TEMPLATE_INCONSISTENT.

use crate::objects::{self, Place, Table};
use crate::types::*;

/// What a template may say of one attribute.
#[derive(Clone, Copy)]
enum Rule {
    Any,
    /// This, or the code.
    Only(&'static [u8], CkRv),
    /// Another class's attribute.
    Never,
}

use Rule::{Any, Never, Only};

const TRUE: Rule = Only(&[1], CKR_ATTRIBUTE_VALUE_INVALID);
type Rules = [(u32, Rule)];

const CERTIFICATE: &Rules = &[
    (CKA_CLASS, Any),
    (CKA_LABEL, Any),
    (CKA_SUBJECT, Any),
    (CKA_VALUE, Any),
    (
        CKA_CERTIFICATE_TYPE,
        Only(&CKC_X_509.to_le_bytes(), CKR_ATTRIBUTE_VALUE_INVALID),
    ),
    (CKA_TOKEN, TRUE),
];

const PRIVATE: [(u32, Rule); 9] = [
    (CKA_CLASS, Any),
    (CKA_KEY_TYPE, Any),
    (CKA_LABEL, Any),
    (CKA_TOKEN, TRUE),
    (CKA_SIGN, TRUE),
    (CKA_PRIVATE, TRUE),
    (CKA_SENSITIVE, Only(&[1], CKR_TEMPLATE_INCONSISTENT)),
    (CKA_EXTRACTABLE, Only(&[0], CKR_TEMPLATE_INCONSISTENT)),
    (CKA_VERIFY, Never),
];

const PUBLIC: [(u32, Rule); 6] = [
    (CKA_CLASS, Any),
    (CKA_KEY_TYPE, Any),
    (CKA_LABEL, Any),
    (CKA_TOKEN, TRUE),
    (CKA_VERIFY, TRUE),
    (CKA_SIGN, Never),
];

const EC_PARAMS: (u32, Rule) = (CKA_EC_PARAMS, Only(&P256_PARAMS, CKR_TEMPLATE_INCONSISTENT));
const EC_PRIVATE: &Rules = &[EC_PARAMS, (CKA_VALUE, Any), (CKA_EC_POINT, Never)];
const EC_PUBLIC: &Rules = &[EC_PARAMS, (CKA_EC_POINT, Any), (CKA_VALUE, Never)];
/// In the order of `RSAPrivateKey`.
const RSA_PRIVATE: &Rules = &[
    (CKA_MODULUS, Any),
    (CKA_PUBLIC_EXPONENT, Any),
    (CKA_PRIVATE_EXPONENT, Any),
    (CKA_PRIME_1, Any),
    (CKA_PRIME_2, Any),
    (CKA_EXPONENT_1, Any),
    (CKA_EXPONENT_2, Any),
    (CKA_COEFFICIENT, Any),
];
/// In the order of `RSAPublicKey`.
const RSA_PUBLIC: &Rules = &[(CKA_MODULUS, Any), (CKA_PUBLIC_EXPONENT, Any)];

const INCONSISTENT: CkRv = CKR_TEMPLATE_INCONSISTENT;
const MADE_PRIVATE: &Rules = &[
    (CKA_LABEL, Any),
    (CKA_KEY_TYPE, Only(&CKK_EC.to_le_bytes(), INCONSISTENT)),
    (CKA_SIGN, Only(&[1], INCONSISTENT)),
    (CKA_PRIVATE, Only(&[1], INCONSISTENT)),
    (CKA_TOKEN, Only(&[1], INCONSISTENT)),
    (CKA_SENSITIVE, Only(&[1], INCONSISTENT)),
    (CKA_EXTRACTABLE, Only(&[0], INCONSISTENT)),
];
const MADE_PUBLIC: &Rules = &[
    (CKA_LABEL, Any),
    (CKA_KEY_TYPE, Only(&CKK_EC.to_le_bytes(), INCONSISTENT)),
    EC_PARAMS,
    (CKA_VERIFY, Only(&[1], INCONSISTENT)),
    (CKA_TOKEN, Only(&[1], INCONSISTENT)),
];

/// A template whose every attribute the rules allow.
#[derive(Clone, Copy)]
pub struct Template<'t, 'a>(&'t [Attribute<'a>]);

/// Kind of a key that a template describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ec,
    Rsa,
}

impl<'t, 'a> Template<'t, 'a> {
    /// `CKA_CLASS` of any template.
    pub fn class(template: &'t [Attribute<'a>]) -> Result<u32, CkRv> {
        Template(template).word(CKA_CLASS)
    }

    /// Of a certificate.
    pub fn certificate(template: &'t [Attribute<'a>]) -> Result<Self, CkRv> {
        Self::judge(template, &[CERTIFICATE], CKR_ATTRIBUTE_TYPE_INVALID)
    }

    /// Of a private or a public key, and which kind it is.
    pub fn key(template: &'t [Attribute<'a>], class: u32) -> Result<(Self, Kind), CkRv> {
        let raw = Template(template);
        let kind = match raw.word(CKA_KEY_TYPE) {
            Ok(CKK_EC) => Kind::Ec,
            Ok(CKK_RSA) => Kind::Rsa,
            _ => return Err(CKR_MECHANISM_INVALID),
        };
        if !template.iter().any(|a| a.kind == CKA_LABEL) {
            return Err(CKR_ARGUMENTS_BAD);
        }
        let rules: [&Rules; 2] = match (class, kind) {
            (CKO_PRIVATE_KEY, Kind::Ec) => [&PRIVATE, EC_PRIVATE],
            (CKO_PRIVATE_KEY, Kind::Rsa) => [&PRIVATE, RSA_PRIVATE],
            (_, Kind::Ec) => [&PUBLIC, EC_PUBLIC],
            (_, Kind::Rsa) => [&PUBLIC, RSA_PUBLIC],
        };
        let template = Self::judge(template, &rules, CKR_ATTRIBUTE_TYPE_INVALID)?;
        if kind == Kind::Ec {
            template.required(CKA_EC_PARAMS)?;
        }
        Ok((template, kind))
    }

    /// Of the private half of a pair to be made.
    pub fn made_private(template: &'t [Attribute<'a>]) -> Result<Self, CkRv> {
        let template = Self::judge(template, &[MADE_PRIVATE], CKR_ATTRIBUTE_TYPE_INVALID)?;
        template.all(&[CKA_LABEL, CKA_PRIVATE, CKA_SIGN])
    }

    /// Of the public half of a pair to be made.
    pub fn made_public(template: &'t [Attribute<'a>]) -> Result<Self, CkRv> {
        let template = Self::judge(template, &[MADE_PUBLIC], CKR_TEMPLATE_INCONSISTENT)?;
        template.all(&[CKA_LABEL, CKA_EC_PARAMS, CKA_VERIFY])
    }

    /// Handle and place of the label; `class` is what the template says it is.
    pub fn label(self, table: Table, class: u32) -> Result<(ObjectHandle, Place), CkRv> {
        let label = self.required(CKA_LABEL)?;
        if label.len() > MAX_LABEL {
            return Err(CKR_DATA_LEN_RANGE);
        }
        // There is no room for an object that is not in the table.
        let (handle, place) = objects::by_label(table, label).ok_or(CKR_DEVICE_MEMORY)?;
        match place.class() == class {
            true => Ok((handle, place)),
            false => Err(CKR_TEMPLATE_INCONSISTENT),
        }
    }

    /// Value of an attribute that must be there.
    pub fn required(self, kind: u32) -> Result<&'a [u8], CkRv> {
        let found = self.0.iter().find(|a| a.kind == kind);
        found.map(|a| a.value).ok_or(CKR_TEMPLATE_INCOMPLETE)
    }

    /// The numbers of an RSA key, in the order of its DER: two of a public key, eight of a private.
    pub fn rsa(self, class: u32) -> impl Iterator<Item = Result<&'a [u8], CkRv>> {
        let rules = match class {
            CKO_PRIVATE_KEY => RSA_PRIVATE,
            _ => RSA_PUBLIC,
        };
        rules.iter().map(move |(kind, _)| self.required(*kind))
    }

    fn all(self, kinds: &[u32]) -> Result<Self, CkRv> {
        kinds.iter().try_for_each(|k| self.required(*k).map(drop))?;
        Ok(self)
    }

    fn word(self, kind: u32) -> Result<u32, CkRv> {
        let bytes = self.required(kind)?.try_into();
        bytes
            .map(u32::from_le_bytes)
            .map_err(|_| CKR_ATTRIBUTE_VALUE_INVALID)
    }

    fn judge(template: &'t [Attribute<'a>], rules: &[&Rules], unknown: CkRv) -> Result<Self, CkRv> {
        for (place, attribute) in template.iter().enumerate() {
            let mut all = rules.iter().flat_map(|rules| rules.iter());
            let (_, rule) = all
                .find(|(kind, _)| *kind == attribute.kind)
                .ok_or(unknown)?;
            match rule {
                Any => {}
                Only(value, _) if attribute.value == *value => {}
                Only(_, code) => return Err(*code),
                Never => return Err(CKR_ATTRIBUTE_VALUE_INVALID),
            }
            let mut earlier = template.iter().take(place);
            if earlier.any(|a| a.kind == attribute.kind) {
                return Err(CKR_TEMPLATE_INCONSISTENT);
            }
        }
        Ok(Template(template))
    }
}
