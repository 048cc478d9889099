//! Reads the weights out of a network that dlib serialised.
//!
//! dlib nests its layers as C++ templates, and so does the file: every wrapper writes a version
//! number on the way in, then the layers follow in the order in which a picture meets them. An
//! integer is a byte (sign in the top bit, length in the low four) and that many little-endian
//! bytes; a float is two such integers, mantissa and exponent; a flag is the character 0 or 1; a
//! tensor is a version, four dimensions and little-endian f32.

/// A layer that has weights; all values are little-endian f32.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layer<'a> {
    /// `con_`: `[outputs, inputs, height, width]`, then one bias per output.
    Conv { shape: [usize; 4], weight: &'a [u8], bias: &'a [u8] },
    /// `affine_`: one gamma and one beta per channel.
    Affine { gamma: &'a [u8], beta: &'a [u8] },
    /// `fc_` without bias: `[inputs, outputs]`.
    Linear { shape: [usize; 2], weight: &'a [u8] },
}

/// The file is not what dlib writes for this kind of network.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a network serialised by dlib: at byte {position}, {problem}")]
pub struct FormatError {
    /// Offset from the beginning of the file.
    pub position: usize,
    /// What is wrong there.
    pub problem: String,
}

/// The layers that have weights, in the order in which a picture meets them.
pub(super) fn read_layers(bytes: &[u8]) -> Result<Vec<Layer<'_>>, FormatError> {
    let mut reader = Reader { bytes, position: 0 };
    reader.loss_and_input()?;
    let mut layers = Vec::new();
    while !reader.at_end() {
        layers.extend(reader.layer(layers.is_empty())?);
    }
    Ok(layers)
}

const F32_SIZE: usize = 4;
const TENSOR_VERSION: i64 = 2;
const WRAPPER_VERSION_MAX: usize = 3;

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Everything before the first layer.
    fn loss_and_input(&mut self) -> Result<(), FormatError> {
        self.integer()?; // version of the whole
        self.expect_name("loss_metric_2")?;
        self.floats(2)?; // margin and distance threshold
        // The versions of the wrappers end where a larger number begins: the length of a name.
        let mut length = self.size()?;
        while length <= WRAPPER_VERSION_MAX {
            length = self.size()?;
        }
        self.expect_text("input_rgb_image_sized", length)?;
        self.floats(3)?; // mean colour
        self.integers(2) // height and width
    }

    /// One layer and what its wrapper keeps beside it; `None` when the layer has no weights.
    fn layer(&mut self, innermost: bool) -> Result<Option<Layer<'a>>, FormatError> {
        let length = self.size()?;
        let layer = match self.take(length)? {
            b"con_4" => Some(self.conv()?),
            b"affine_" => Some(self.affine()?),
            b"fc_2" => Some(self.linear()?),
            b"max_pool_2" | b"avg_pool_2" => {
                self.integers(6)?; // window, stride, padding
                None
            }
            b"relu_" | b"add_prev_" => None,
            other => {
                let name = String::from_utf8_lossy(other).into_owned();
                return Err(self.error(format!("unknown layer `{name}`")));
            }
        };
        self.flags(3)?;
        for _ in 0..3 {
            self.tensor()?; // gradients and cached output, empty in a trained network
        }
        if innermost {
            self.integer()?; // samples that the input layer makes of one picture
        }
        Ok(layer)
    }

    fn conv(&mut self) -> Result<Layer<'a>, FormatError> {
        let (_, parameters) = self.tensor()?;
        self.integers(7)?; // filters, window, stride, padding: implied by the shapes
        let shape = self.alias()?;
        let biases = self.alias()?;
        self.floats(4)?; // learning rate and weight decay
        let (weight, bias) = self.split(parameters, &shape, &biases)?;
        Ok(Layer::Conv { shape, weight, bias })
    }

    fn affine(&mut self) -> Result<Layer<'a>, FormatError> {
        let (_, parameters) = self.tensor()?;
        let (gammas, betas) = (self.alias()?, self.alias()?);
        self.integer()?; // mode
        let (gamma, beta) = self.split(parameters, &gammas, &betas)?;
        Ok(Layer::Affine { gamma, beta })
    }

    fn linear(&mut self) -> Result<Layer<'a>, FormatError> {
        self.integers(2)?; // outputs and inputs: implied by the shape
        let (_, parameters) = self.tensor()?;
        let shape = self.alias()?;
        let biases = self.alias()?;
        self.integer()?; // bias mode
        self.floats(4)?; // learning rate and weight decay
        let (weight, bias) = self.split(parameters, &shape, &biases)?;
        if !bias.is_empty() {
            return Err(self.error("a bias where none is expected".into()));
        }
        Ok(Layer::Linear { shape: [shape[0], shape[1]], weight })
    }

    /// Parameters are stored as one tensor; two aliases say how to see it as two.
    fn split(
        &self,
        parameters: &'a [u8],
        first: &[usize; 4],
        second: &[usize; 4],
    ) -> Result<(&'a [u8], &'a [u8]), FormatError> {
        let (first, second) = (self.byte_size(first)?, self.byte_size(second)?);
        match parameters.split_at_checked(first) {
            Some((head, tail)) if tail.len() == second => Ok((head, tail)),
            _ => Err(self.error("aliases that do not fit their tensor".into())),
        }
    }

    fn tensor(&mut self) -> Result<([usize; 4], &'a [u8]), FormatError> {
        let version = self.integer()?;
        if version != TENSOR_VERSION {
            return Err(self.error(format!("version {version} of a tensor")));
        }
        let shape = self.shape()?;
        let values = self.take(self.byte_size(&shape)?)?;
        Ok((shape, values))
    }

    fn alias(&mut self) -> Result<[usize; 4], FormatError> {
        self.integer()?; // version
        self.shape()
    }

    fn shape(&mut self) -> Result<[usize; 4], FormatError> {
        Ok([self.size()?, self.size()?, self.size()?, self.size()?])
    }

    fn byte_size(&self, shape: &[usize; 4]) -> Result<usize, FormatError> {
        let size = shape.iter().try_fold(F32_SIZE, |size, &side| size.checked_mul(side));
        size.ok_or_else(|| self.error("a tensor larger than memory".into()))
    }

    fn expect_name(&mut self, wanted: &str) -> Result<(), FormatError> {
        let length = self.size()?;
        self.expect_text(wanted, length)
    }

    fn expect_text(&mut self, wanted: &str, length: usize) -> Result<(), FormatError> {
        if self.take(length)? == wanted.as_bytes() {
            Ok(())
        } else {
            Err(self.error(format!("expected `{wanted}` before here")))
        }
    }

    fn floats(&mut self, count: usize) -> Result<(), FormatError> {
        self.integers(2 * count)
    }

    fn integers(&mut self, count: usize) -> Result<(), FormatError> {
        (0..count).try_for_each(|_| self.integer().map(drop))
    }

    fn flags(&mut self, count: usize) -> Result<(), FormatError> {
        if self.take(count)?.iter().all(|flag| matches!(flag, b'0' | b'1')) {
            Ok(())
        } else {
            Err(self.error("a flag that is neither 0 nor 1".into()))
        }
    }

    fn size(&mut self) -> Result<usize, FormatError> {
        let value = self.integer()?;
        usize::try_from(value).map_err(|_| self.error(format!("{value} where a size is expected")))
    }

    fn integer(&mut self) -> Result<i64, FormatError> {
        let [header] = *self.take(1)? else {
            return Err(self.error("the end of the file".into()));
        };
        let (negative, length) = (header & 0x80 != 0, usize::from(header & 0x0f));
        if header & 0x70 != 0 || !(1..=8).contains(&length) {
            return Err(self.error(format!("{header:#04x} where an integer begins")));
        }
        let digits = self.take(length)?;
        let magnitude =
            digits.iter().rev().fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
        let magnitude = i64::try_from(magnitude)
            .map_err(|_| self.error("an integer of more than 63 bits".into()))?;
        Ok(if negative { -magnitude } else { magnitude })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], FormatError> {
        let taken = self.bytes.get(self.position..).and_then(|rest| rest.get(..length));
        let taken = taken.ok_or_else(|| self.error(format!("the end before {length} bytes")))?;
        self.position += length;
        Ok(taken)
    }

    fn at_end(&self) -> bool {
        self.position == self.bytes.len()
    }

    fn error(&self, problem: String) -> FormatError {
        FormatError { position: self.position, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: &[u8]) -> Result<i64, FormatError> {
        Reader { bytes, position: 0 }.integer()
    }

    #[test]
    fn integers_have_as_many_bytes_as_their_header_says() {
        assert_eq!(integer(&[0x01, 0x80]), Ok(128));
        assert_eq!(integer(&[0x02, 0x80, 0x12]), Ok(4736));
        assert_eq!(integer(&[0x81, 0x1c]), Ok(-28));
    }

    #[test]
    fn a_bad_integer_header_is_refused() {
        for bytes in
            [&[][..], &[0x00], &[0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0x41, 0x00], &[0x02, 0x01]]
        {
            assert!(integer(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_tensor_that_promises_more_than_the_file_holds_is_refused() {
        let huge = [8, 255, 255, 255, 255, 255, 255, 255, 127];
        let bytes = [&[1, 2][..], &huge, &huge, &huge, &huge].concat();
        assert!(Reader { bytes: &bytes, position: 0 }.tensor().is_err());
    }

    #[test]
    fn another_file_is_refused_where_it_differs() {
        assert!(read_layers(b"\x89PNG\r\n\x1a\n").is_err());
        assert!(read_layers(b"").is_err());
    }
}
