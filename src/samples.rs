//! Portraits in the public domain, with which a first start is shown and a simulation runs when it is given none.
//!
//! Where each comes from and why it is free `tests/fixtures/README.md` says; nobody shown here endorses Limen.

/// A photo that comes with the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its file's name.
    pub file: &'static str,
    /// Who is on it.
    pub person: &'static str,
    /// Whether it is a print of a portrait rather than a person: a presentation attack.
    pub is_print: bool,
    /// A JPEG.
    pub jpeg: &'static [u8],
}

macro_rules! samples {
    ($($file:literal of $person:literal is_print $is_print:literal),* $(,)?) => {
        /// All of them; the first of each person enrols.
        pub const SAMPLES: &[Sample] = &[$(Sample {
            file: $file,
            person: $person,
            is_print: $is_print,
            jpeg: include_bytes!(concat!("../tests/fixtures/", $file)),
        }),*];
    };
}
samples! {
    "obama-1.jpg" of "Barack Obama" is_print false,
    "obama-3.jpg" of "Barack Obama" is_print false,
    "collins-1.jpg" of "Eileen Collins" is_print false,
    "hopper-1.jpg" of "Grace Hopper" is_print false,
    "biden-1.jpg" of "Joe Biden" is_print false,
    "print-attack-obama.jpg" of "Barack Obama" is_print true,
}
