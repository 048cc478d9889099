//! What the page says. Another language is another value of [`Texts`].

use serde::{Serialize, Serializer};

/// Everything that the page says in one language.
pub(super) struct Texts {
    /// Its tag (BCP 47).
    pub language: &'static str,
    pub title: &'static str,
    pub no_script: &'static str,
    pub wait: &'static str,
    /// Before the first letter of the name, and after it.
    pub whose: [&'static str; 2],
    pub how_heading: &'static str,
    pub how: &'static [&'static str],
    pub stored_heading: &'static str,
    /// Where no photo is kept, and where it is.
    pub stored: [&'static [&'static str]; 2],
    /// Before the version of the text that is agreed to, and after it.
    pub agree: [&'static str; 2],
    pub consent_link: &'static str,
    pub open_camera: &'static str,
    pub choose_file: &'static str,
    pub camera_heading: &'static str,
    pub camera_hint: &'static str,
    pub take: &'static str,
    pub back: &'static str,
    pub review_heading: &'static str,
    pub review_hint: &'static str,
    pub picture: &'static str,
    pub send: &'static str,
    pub again: &'static str,
    pub refused_heading: &'static str,
    pub done_heading: &'static str,
    /// Where no photo is kept, and where it is.
    pub done: [&'static str; 2],
    pub over_heading: &'static str,
    /// What the script says.
    pub script: ScriptTexts,
}

/// What the script says.
#[derive(Serialize)]
pub(super) struct ScriptTexts {
    agree_first: &'static str,
    sending: &'static str,
    not_a_picture: &'static str,
    no_camera: &'static str,
    camera_refused: &'static str,
    camera_needs_https: &'static str,
    no_connection: &'static str,
    again: &'static str,
    retry: &'static str,
    incomplete: &'static str,
    unknown: &'static str,
    one_attempt_left: &'static str,
    /// Around the number.
    attempts_left: [&'static str; 2],
    /// By the code of what is wrong with a picture.
    pub issues: Sayings,
    /// By the code of a problem; `other` for the rest.
    pub problems: Sayings,
    /// By the state of an invitation that is over.
    pub states: Sayings,
}

/// What is said of each code.
pub(super) struct Sayings(pub &'static [(&'static str, &'static str)]);

impl Serialize for Sayings {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().copied())
    }
}

const RIGHTS: &str =
    "Whoever invited you can tell you who is responsible, and can remove all of it at any time.";
const AGAIN: &str = "Take another";

/// Plain English.
pub(super) const ENGLISH: Texts = Texts {
    language: "en",
    title: "Your photo for the gates",
    no_script: "This page needs JavaScript. Switch it on, or ask at the desk to have your photo taken.",
    wait: "One moment …",
    whose: [
        "This link is for one person, whose name begins with ",
        ". If that is not you, close this page and tell whoever sent it to you.",
    ],
    how_heading: "How to take a good photo",
    how: &[
        "Face a window or a lamp; no bright light behind you.",
        "Look straight at the camera, with nothing over your eyes, nose or mouth.",
        "Be alone in the picture, and near enough to fill the oval.",
    ],
    stored_heading: "What is stored",
    stored: [
        &[
            "From the photo a row of numbers is computed, by which the gates know you again. The numbers are \
             stored, encrypted. The photo is not.",
            RIGHTS,
        ],
        &[
            "From the photo a row of numbers is computed, by which the gates know you again. The numbers are \
             stored, encrypted, and so is the part of the photo that shows your face.",
            RIGHTS,
        ],
    ],
    agree: ["I agree to be recognized at the gates, as the text “", "” says."],
    consent_link: "Read the text",
    open_camera: "Open the camera",
    choose_file: "Choose a photo instead",
    camera_heading: "Fill the oval with your face",
    camera_hint: "Look straight at the camera and hold still.",
    take: "Take the photo",
    back: "Back",
    review_heading: "Is this a good photo?",
    review_hint: "Your face should be sharp, evenly lit and looking at the camera.",
    picture: "The photo that you took",
    send: "Use this photo",
    again: AGAIN,
    refused_heading: "Not yet",
    done_heading: "Done",
    done: [
        "The gates know you now. The photo was not kept, and the link is used up: you can close this page.",
        "The gates know you now, and the link is used up: you can close this page.",
    ],
    over_heading: "This link does not work any more",
    script: ScriptTexts {
        agree_first: "Tick the box first, if you agree.",
        sending: "Sending and checking the photo …",
        not_a_picture: "This file is no picture that your browser can read. Choose another.",
        no_camera: "No camera was found. Choose a photo instead.",
        camera_refused: "The browser may not use the camera. Allow it in the settings of this page, or choose a \
                         photo instead.",
        camera_needs_https: "The browser opens the camera on secure pages (https) alone. Choose a photo instead.",
        no_connection: "There is no connection to the service. Check your network and try again.",
        again: AGAIN,
        retry: "Try again",
        incomplete: "The link is incomplete. Copy the whole link out of your message, up to its last character.",
        unknown: "There is no such invitation. Copy the whole link out of your message, or ask for a new one.",
        one_attempt_left: "You can try once more.",
        attempts_left: ["You can try ", " more times."],
        issues: Sayings(&[
            ("too_small", "Your face is too small in the picture: move closer to the camera."),
            ("too_dark", "It is too dark: turn towards a window or a lamp."),
            ("too_bright", "It is too bright: turn away from the strong light."),
            ("too_blurred", "It is blurred: hold still, and wipe the lens."),
            (
                "turned_away",
                "You are turned away: look straight at the camera, with your head upright.",
            ),
            ("unclear", "Your face cannot be seen well: uncover it, and find an even light."),
        ]),
        problems: Sayings(&[
            ("no_face", "No face was found. Look at the camera, near enough to fill the oval."),
            ("multiple_faces", "There are several faces in the picture. Be alone in it."),
            (
                "spoof",
                "This looks like a picture of a picture. Take the photo of yourself, not of a print or a screen.",
            ),
            (
                "another_person",
                "This face does not match the photos of you that are known already. If you are the \
                                person whom the link is for, ask at the desk.",
            ),
            (
                "ask_at_the_desk",
                "The gates cannot take this photo through the link. Ask at the desk to have your photo taken there.",
            ),
            ("photo_already_enrolled", "This very photo is known already. Take a new one."),
            (
                "too_many_faces",
                "There are as many photos of you as there may be. Ask at the desk to remove one.",
            ),
            ("consent_missing", "Your consent is not on record. Ask whoever invited you."),
            (
                "consent_withdrawn",
                "You withdrew your consent. If you agree again, tell whoever invited you.",
            ),
            (
                "unreadable_faces",
                "The photos of you that are known already cannot be read. Ask at the desk.",
            ),
            ("frame_too_large", "The photo is too large. Choose a smaller one."),
            ("frame_too_many_pixels", "The photo is too large. Choose a smaller one."),
            ("overloaded", "The service is busy. Try again in a moment."),
            (
                "too_many_wrong_keys",
                "Too many wrong links came from your network. Try again in a minute.",
            ),
            ("timeout", "That took too long. Check your network and try again."),
            ("other", "Something went wrong. Try again, and if it happens again, ask at the desk."),
        ]),
        states: Sayings(&[
            (
                "used",
                "A photo was taken with this link already. If it was not by you, tell whoever sent it to you.",
            ),
            ("revoked", "It was taken back, or a newer link has taken its place."),
            ("expired", "Its time is over. Ask for a new link."),
            (
                "exhausted",
                "Too many photos were refused. Ask for a new link, or have your photo taken at the desk.",
            ),
        ]),
    },
};
