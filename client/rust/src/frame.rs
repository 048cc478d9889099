//! What a camera saw.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::Error;

/// Frames that one passage may have here; the service may allow fewer (`frames_per_passage_max`).
pub const FRAMES_MAX: usize = 16;

/// A JPEG, PNG or WebP file, as the camera gave it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    kind: &'static str,
}

impl Frame {
    /// A file, whose kind is told by how it begins.
    ///
    /// # Errors
    /// When it is none of the three.
    pub fn read(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let kind = match &bytes[..] {
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return Err(Error::Unusable("a frame must be a JPEG, PNG or WebP file".into())),
        };
        Ok(Self { bytes, kind })
    }
}

/// A body, and its media type.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub kind: String,
    pub bytes: Bytes,
}

impl Body {
    /// One frame as it is, several as a form.
    pub fn of(frames: &[Frame]) -> Result<Self, Error> {
        match frames {
            [] => Err(Error::Unusable("there is no frame".into())),
            [frame] => Ok(Self { kind: frame.kind.to_owned(), bytes: frame.bytes.clone() }),
            _ if frames.len() > FRAMES_MAX => {
                let count = frames.len();
                Err(Error::Unusable(format!("{count} frames, where {FRAMES_MAX} may be sent")))
            }
            several => Ok(form(several)),
        }
    }
}

/// `multipart/form-data` (RFC 7578), written here because what is sent must be known when it is signed.
fn form(frames: &[Frame]) -> Body {
    let edge = Uuid::new_v4().simple().to_string();
    let mut bytes = BytesMut::new();
    for Frame { bytes: frame, kind } in frames {
        let head = format!(
            "--{edge}\r\ncontent-disposition: form-data; name=\"frame\"\r\ncontent-type: {kind}\r\n\r\n"
        );
        bytes.put(head.as_bytes());
        bytes.put(&frame[..]);
        bytes.put(&b"\r\n"[..]);
    }
    bytes.put(format!("--{edge}--\r\n").as_bytes());
    Body { kind: format!("multipart/form-data; boundary={edge}"), bytes: bytes.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_how_it_begins() {
        let kind = |bytes: &'static [u8]| Frame::read(bytes).map(|frame| frame.kind);
        assert_eq!(kind(&[0xff, 0xd8, 0xff, 0xe0]).unwrap(), "image/jpeg");
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n").unwrap(), "image/png");
        assert_eq!(kind(b"RIFF\0\0\0\0WEBPVP8 ").unwrap(), "image/webp");
        assert!(kind(b"GIF89a").is_err() && kind(b"").is_err());
    }

    #[test]
    fn no_frame_and_too_many_are_not_sent() {
        let frame = Frame::read(&[0xff, 0xd8, 0xff][..]).unwrap();
        assert!(Body::of(&[]).is_err());
        assert!(Body::of(&vec![frame.clone(); FRAMES_MAX + 1]).is_err());
        assert_eq!(Body::of(&[frame]).unwrap().kind, "image/jpeg");
    }
}
