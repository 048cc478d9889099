//! The numbers that are learnt, by name, as files keep them.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use tch::{Device, Kind, TchError, Tensor};

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Why tensors cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TensorsError {
    /// The bytes are no safetensors file.
    #[error("not a safetensors file: {0}")]
    Format(#[from] SafeTensorError),
    /// A tensor is of another kind of numbers.
    #[error("the tensor `{name}` is of {dtype}, not of F32")]
    Kind {
        /// Which.
        name: String,
        /// Of what it is.
        dtype: Dtype,
    },
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// The tensors as a safetensors file, in `f32`.
///
/// # Errors
/// When libtorch fails.
pub fn to_bytes(
    tensors: &Tensors,
    about: Option<std::collections::HashMap<String, String>>,
) -> Result<Vec<u8>, TensorsError> {
    let mut numbers: Vec<(&str, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.size().iter().map(|side| side.unsigned_abs() as usize).collect();
        let flat =
            tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
        let values = Vec::<f32>::try_from(flat.f_view([-1i64])?)?;
        numbers.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let views = numbers
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    Ok(safetensors::serialize(views, about)?)
}

/// The tensors of a safetensors file of `f32`.
///
/// # Errors
/// When it is none.
pub fn from_bytes(bytes: &[u8]) -> Result<Tensors, TensorsError> {
    let file = SafeTensors::deserialize(bytes)?;
    file.iter()
        .map(|(name, view)| {
            let name = name.to_owned();
            if view.dtype() != Dtype::F32 {
                return Err(TensorsError::Kind { name, dtype: view.dtype() });
            }
            let (words, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
            let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
            Ok((name, Tensor::f_from_slice(&values)?.f_view(shape.as_slice())?))
        })
        .collect()
}
