//! dlib's own file.

use super::dlib_format::{Layer, read_layers};
use super::{ImportError, Named};
use crate::nets::DlibResnet;

/// dlib's layers under the names of [`DlibResnet`].
pub(super) fn convert(dat: &[u8]) -> Result<Vec<Named>, ImportError> {
    let mut tensors: Vec<Named> = Vec::new();
    let mut layers = read_layers(dat)?.into_iter();
    for name in DlibResnet::convolution_names() {
        let (Some(conv), Some(affine)) = (layers.next(), layers.next()) else {
            return Err(ImportError::OtherNetwork(format!("it ends before `{name}`")));
        };
        let (Layer::Conv { shape, weight, bias }, Layer::Affine { gamma, beta }) = (conv, affine)
        else {
            return Err(ImportError::OtherNetwork(format!("`{name}` is not conv and affine")));
        };
        let outputs = shape[0];
        tensors.push((format!("{name}.conv.weight"), shape.to_vec(), weight.to_vec()));
        tensors.push((format!("{name}.conv.bias"), vec![outputs], bias.to_vec()));
        tensors.push((format!("{name}.affine.gamma"), vec![outputs, 1, 1], gamma.to_vec()));
        tensors.push((format!("{name}.affine.beta"), vec![outputs, 1, 1], beta.to_vec()));
    }
    let (Some(Layer::Linear { shape: [inputs, outputs], weight }), None) =
        (layers.next(), layers.next())
    else {
        return Err(ImportError::OtherNetwork("it does not end with one linear layer".into()));
    };
    let weight = transpose(weight, inputs, outputs);
    tensors.push(("embedding.weight".into(), vec![outputs, inputs], weight));
    Ok(tensors)
}

/// `[rows, columns]` of f32 to `[columns, rows]`.
fn transpose(values: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    const SIZE: usize = size_of::<f32>();
    let cells = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
    cells.flat_map(|cell| values[cell * SIZE..][..SIZE].iter().copied()).collect()
}
