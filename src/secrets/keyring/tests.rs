use std::collections::HashSet;

use ed25519_dalek::{Signer, Verifier};
use proptest::prelude::*;

use super::*;

/// 32 bytes of which each is its place.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn ring(text: &str) -> Keyring {
    text.parse().unwrap()
}

/// A ring of one key, whose bytes are all `byte`.
fn ring_of(byte: u8) -> Keyring {
    Keyring::new(vec![key_of(byte)]).unwrap()
}

fn key_of(byte: u8) -> MasterKey {
    use base64::Engine as _;

    let text = base64::engine::general_purpose::URL_SAFE.encode([byte; MasterKey::BYTES]);
    text.parse().unwrap()
}

fn refused(text: &str) -> KeyringError {
    text.parse::<Keyring>().unwrap_err()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn keys_stand_in_lines_or_between_commas_beside_comments() {
    let (a, b, c) = (key_of(1), key_of(2), key_of(3));
    let text = format!(
        "# made in May\n\n  {}= , {} # two, in a line\n\r\n{},\r\n",
        *a.secret(),
        *b.secret(),
        *c.secret()
    );
    assert_eq!(ring(&text).ids().collect::<Vec<_>>(), [a.id(), b.id(), c.id()]);
    assert_eq!(ring(&text).sealing_id(), a.id());
}

#[test]
fn a_ring_that_cannot_be_used_is_refused_with_what_is_wrong() {
    for empty in ["", "\n \n", "# nothing", ",,"] {
        assert_eq!(refused(empty), KeyringError::Empty, "{empty:?}");
    }
    let length = KeyringError::Key { line: 2, error: MasterKeyError::Length { bytes: 5 } };
    assert_eq!(refused(&format!("{KEY}\nc2hvcnQ")), length);
    let text = KeyringError::Key { line: 3, error: MasterKeyError::Text };
    assert_eq!(refused(&format!("\n{KEY}\nno key!")), text);
    let id = ring(KEY).sealing_id();
    assert_eq!(refused(&format!("{KEY},{KEY}=")), KeyringError::Duplicate { id });

    let keys = |count| (0..count).map(key_of).collect::<Vec<_>>();
    assert_eq!(Keyring::new(keys(16)).unwrap().ids().count(), Keyring::KEYS_MAX);
    assert_eq!(Keyring::new(keys(17)).unwrap_err(), KeyringError::TooMany { count: 17 });
}

#[test]
fn debug_output_and_errors_hold_no_secret() {
    let text = format!("{KEY}\n{}", *key_of(7).secret());
    assert_eq!(
        format!("{:?}", ring(&text)),
        format!("Keyring([KeyId(c095aebd943779ba), KeyId({})])", key_of(7).id())
    );
    let told = refused(&format!("{KEY}\n{}x", *key_of(7).secret())).to_string();
    assert!(told.contains("line 2") && !told.contains(&key_of(7).secret()[..8]), "{told}");
}

/// Computed with Python's `cryptography` from the documented layout.
#[test]
fn what_was_sealed_elsewhere_and_before_opens_under_the_ids_and_keys_that_it_was_made_with() {
    let ring = ring(KEY);
    let context = Context::new("face").field(b"row 1");
    for (purpose, sealed) in [
        (
            Purpose::Template,
            "01c095aebd943779ba0707070707070707070707070157f7b9705fd44aa50195473941f67ac7501f17a36e\
             d055",
        ),
        (
            Purpose::DeviceSecret,
            "01c095aebd943779ba0707070707070707070707075445b9acda810c01747dc4a0b7b0206151b0f0bf4dbf\
             e42b",
        ),
    ] {
        let sealed = Sealed::parse(bytes(sealed)).unwrap();
        assert_eq!(sealed.key_id(), ring.sealing_id());
        let opened = ring.open(purpose, &context, &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"template", "{purpose:?}");
    }
    let verifying = "160dada5a564df6ff8d7a59c03513a143503d09c4bb0b1c3de02af11da857b16";
    assert_eq!(ring.verifying_keys()[0].1.as_bytes().as_slice(), bytes(verifying));
}

#[test]
fn a_ring_opens_what_any_of_its_keys_sealed_and_names_the_key_it_lacks() {
    let (old, new) = (ring_of(1), ring_of(2));
    let both = Keyring::new(vec![key_of(2), key_of(1)]).unwrap();
    let context = Context::new("face");
    let sealed = old.seal(Purpose::Template, &context, b"template").unwrap();
    assert_eq!(*both.open(Purpose::Template, &context, &sealed).unwrap(), b"template");
    assert_eq!(
        new.open(Purpose::Template, &context, &sealed).unwrap_err(),
        OpenError::UnknownKey { id: old.sealing_id() }
    );
    let resealed = both.seal(Purpose::Template, &context, b"template").unwrap();
    assert_eq!(*new.open(Purpose::Template, &context, &resealed).unwrap(), b"template");
}

#[test]
fn in_every_step_of_a_rotation_the_ring_before_and_the_ring_after_open_what_the_other_seals() {
    let (old, new) = (key_of(1).id(), key_of(2).id());
    let ids = |ring: &Keyring| ring.ids().collect::<Vec<_>>();
    let text = |ring: &Keyring| ring.secret().to_string();
    let first = ring_of(1);
    let staged = ring(&text(&first)).staged(key_of(2)).unwrap();
    let promoted = ring(&text(&staged)).promoted(new).unwrap();
    assert_eq!((ids(&staged), ids(&promoted)), (vec![old, new], vec![new, old]));

    let context = Context::new("face");
    for (before, after) in [(&first, &staged), (&staged, &promoted)] {
        for (seals, opens) in [(before, after), (after, before)] {
            let sealed = seals.seal(Purpose::Template, &context, b"template").unwrap();
            assert_eq!(*opens.open(Purpose::Template, &context, &sealed).unwrap(), b"template");
        }
    }
    assert_eq!(ids(&ring(&text(&promoted)).retired()), [new]);

    assert_eq!(staged.staged(key_of(1)).unwrap_err(), KeyringError::Duplicate { id: old });
    assert!(promoted.promoted(key_of(3).id()).is_none());
}

#[test]
fn the_same_is_never_sealed_to_the_same_bytes() {
    let (ring, context) = (ring(KEY), Context::new("face"));
    let sealed = (0..1000).map(|_| ring.seal(Purpose::Template, &context, b"template").unwrap());
    let distinct: HashSet<_> = sealed.map(|sealed| sealed.as_bytes().to_vec()).collect();
    assert_eq!(distinct.len(), 1000);
}

#[test]
fn signatures_are_checked_with_the_key_that_made_them_also_after_a_rotation() {
    let (old, new) = (ring_of(1), Keyring::new(vec![key_of(2), key_of(1)]).unwrap());
    let signature = old.signing_key().sign(b"head");
    let valid: Vec<_> = new
        .verifying_keys()
        .into_iter()
        .filter(|(_, key)| key.verify(b"head", &signature).is_ok())
        .map(|(id, _)| id)
        .collect();
    assert_eq!(valid, [old.sealing_id()]);
    assert_eq!(new.verifying_keys()[0].1, new.signing_key().verifying_key());
}

/// No id, cipher or signature key is the master key, or another of them.
#[test]
fn what_is_derived_from_a_key_is_not_the_key() {
    let key = key_of(9);
    let infos = Purpose::ALL.map(Purpose::info);
    let mut derived: HashSet<_> = infos.iter().map(|info| *key.derive(info)).collect();
    derived.insert(key.signing_key().to_bytes());
    derived.insert([9; 32]);
    assert_eq!(derived.len(), Purpose::ALL.len() + 2);
}

proptest! {
    #[test]
    fn what_was_sealed_opens_again(
        plain in prop::collection::vec(any::<u8>(), 0..600),
        place in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (ring, context) = (ring(KEY), Context::new("face").field(&place));
        let sealed = ring.seal(Purpose::Template, &context, &plain).unwrap();
        prop_assert_eq!(sealed.as_bytes().len(), plain.len() + Sealed::OVERHEAD_BYTES);
        let stored = Sealed::parse(sealed.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(&*ring.open(Purpose::Template, &context, &stored).unwrap(), &plain);
    }

    #[test]
    fn no_flipped_bit_is_taken(
        plain in prop::collection::vec(any::<u8>(), 0..64),
        bit in any::<prop::sample::Index>(),
    ) {
        let (ring, context) = (ring(KEY), Context::new("face").field(b"row 1"));
        let mut stored = ring.seal(Purpose::Template, &context, &plain).unwrap().as_bytes().to_vec();
        let bit = bit.index(stored.len() * 8);
        stored[bit / 8] ^= 1 << (bit % 8);
        let opened = Sealed::parse(stored)
            .and_then(|sealed| ring.open(Purpose::Template, &context, &sealed));
        prop_assert!(opened.is_err(), "bit {}", bit);
    }

    #[test]
    fn nothing_that_was_cut_or_made_longer_is_taken(
        kept in any::<prop::sample::Index>(),
        more in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let (ring, context) = (ring(KEY), Context::new("face"));
        let stored = ring.seal(Purpose::Template, &context, b"template").unwrap().as_bytes().to_vec();
        let cut = stored[..kept.index(stored.len())].to_vec();
        for altered in [cut, [stored, more].concat()] {
            let opened = Sealed::parse(altered)
                .and_then(|sealed| ring.open(Purpose::Template, &context, &sealed));
            prop_assert!(opened.is_err());
        }
    }

    #[test]
    fn another_place_purpose_or_key_opens_nothing(
        here in prop::collection::vec(any::<u8>(), 0..20),
        there in prop::collection::vec(any::<u8>(), 0..20),
        keys in (any::<u8>(), any::<u8>()),
    ) {
        prop_assume!(here != there && keys.0 != keys.1);
        let (ring, other) = (ring_of(keys.0), ring_of(keys.1));
        let (here, there) = (Context::new("face").field(&here), Context::new("face").field(&there));
        let sealed = ring.seal(Purpose::Template, &here, b"template").unwrap();
        let open = |ring: &Keyring, purpose, context| ring.open(purpose, context, &sealed).map(drop);
        prop_assert_eq!(open(&ring, Purpose::Template, &here), Ok(()));
        prop_assert_eq!(open(&ring, Purpose::Template, &there), Err(OpenError::Altered));
        prop_assert_eq!(open(&ring, Purpose::DeviceSecret, &here), Err(OpenError::Altered));
        let unknown = OpenError::UnknownKey { id: ring.sealing_id() };
        prop_assert_eq!(open(&other, Purpose::Template, &here), Err(unknown));

        // The right id does not make the key the right one.
        let mut stored = sealed.as_bytes().to_vec();
        stored[1..=KeyId::BYTES].copy_from_slice(other.sealing_id().as_bytes());
        let renamed = Sealed::parse(stored).unwrap();
        prop_assert_eq!(
            other.open(Purpose::Template, &here, &renamed).map(drop),
            Err(OpenError::Altered)
        );
    }
}
