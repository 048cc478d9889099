//! Strict loading: the hash first, then exactly the network's tensors, no more and no fewer.

use std::collections::BTreeMap;

use limen_kernels::Processor;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use tch::nn::{Path, VarStore};
use tch::{Cuda, Device, Kind, TchError, Tensor};

use super::layers::Conv;
use super::logistic_unit::LogisticUnit;
use super::manifest::{Architecture, Input, Manifest, ManifestError, Role, WeightsEntry};
use super::network::Network;
use super::{
    Compute, DlibResnet, Encoder, Landmark68, MiniFasNet, MobileFaceNet, MobileNet, Projection,
    Yunet,
};
use crate::domain::{ModelId, Verifier, VerifierError};

/// Why a network could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is absent, unreadable or not the one that the manifest vouches for.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The entry describes another kind of network.
    #[error("weights `{id}` are for {found:?}, not for {wanted}")]
    WrongArchitecture {
        /// The entry.
        id: String,
        /// What was to be loaded.
        wanted: &'static str,
        /// What the manifest says it is.
        found: Architecture,
    },
    /// The device does not exist here.
    #[error("no {0:?} on this machine, or this libtorch cannot use it")]
    NoSuchDevice(Device),
    /// The file is not in the safetensors format.
    #[error("weights `{id}` are not a safetensors file: {source}")]
    Format {
        /// The entry.
        id: String,
        /// What is wrong.
        source: SafeTensorError,
    },
    /// The network has a tensor that the file lacks.
    #[error("weights `{id}` lack the tensor `{tensor}`")]
    Missing {
        /// The entry.
        id: String,
        /// The tensor.
        tensor: String,
    },
    /// The file has a tensor that the network lacks.
    #[error("weights `{id}` have the tensor `{tensor}`, which the network does not")]
    Surplus {
        /// The entry.
        id: String,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape or element type than the network's.
    #[error(
        "weights `{id}`, tensor `{tensor}`: expected F32 {expected:?}, found {dtype} {found:?}"
    )]
    WrongShape {
        /// The entry.
        id: String,
        /// The tensor.
        tensor: String,
        /// The network's shape.
        expected: Vec<i64>,
        /// The file's shape.
        found: Vec<usize>,
        /// The file's element type.
        dtype: Dtype,
    },
    /// The numbers of a verifier are none.
    #[error("weights `{id}`: {source}")]
    Verifier {
        /// The entry.
        id: String,
        /// What is wrong.
        source: VerifierError,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// What counts as zero. Training leaves channels behind whose weights have decayed to numbers that no
/// sum notices but that are, or make, denormal ones, with which Intel's processors are slow: the encoder
/// took 62 instead of 9 ms in ONNX Runtime (`benches/RESULTS.md`).
const NEGLIGIBLE: f64 = 1e-12;

/// Loads the detector `id`.
///
/// # Errors
/// See [`LoadError`].
pub fn detector(manifest: &Manifest, id: &str, device: Device) -> Result<Yunet, LoadError> {
    let entry = manifest.get(id)?;
    match entry.architecture {
        Architecture::Yunet => network(manifest, entry, device.into(), Yunet::new),
        _ => Err(wrong(entry, "a detector")),
    }
}

/// Loads the landmark network `id`.
///
/// # Errors
/// See [`LoadError`].
pub fn landmarks(manifest: &Manifest, id: &str, device: Device) -> Result<Landmark68, LoadError> {
    let entry = manifest.get(id)?;
    match entry.architecture {
        Architecture::Landmark68 => network(manifest, entry, device.into(), Landmark68::new),
        _ => Err(wrong(entry, "a landmark network")),
    }
}

/// Loads the encoder `id`. dlib's always computes in `f32`.
///
/// # Errors
/// See [`LoadError`].
pub fn encoder(
    manifest: &Manifest,
    id: &str,
    compute: impl Into<Compute>,
) -> Result<Encoder, LoadError> {
    let compute = compute.into();
    let entry = manifest.get_as(id, Role::Encoder)?;
    match entry.architecture {
        Architecture::MobileFaceNet => network(manifest, entry, compute, MobileFaceNet::new)
            .map(|network| Encoder::MobileFaceNet(Box::new(network))),
        Architecture::MobileNet => network(manifest, entry, compute, MobileNet::new)
            .map(|network| Encoder::MobileNet(Box::new(network))),
        Architecture::DlibResnet => {
            network(manifest, entry, compute.device.into(), DlibResnet::new)
                .map(|network| Encoder::DlibResnet(Box::new(network)))
        }
        _ => Err(wrong(entry, "an encoder")),
    }
}

/// Loads the projection `id`.
///
/// # Errors
/// See [`LoadError`].
pub fn projection(manifest: &Manifest, id: &str, device: Device) -> Result<Projection, LoadError> {
    let entry = manifest.get(id)?;
    match (entry.architecture, entry.input) {
        (Architecture::Projection, Input::Length(inputs)) => {
            network(manifest, entry, device.into(), |path| {
                Projection::new(path, inputs.into(), entry.output_size.into())
            })
        }
        _ => Err(wrong(entry, "a projection")),
    }
}

/// Loads the liveness network `id`.
///
/// # Errors
/// See [`LoadError`].
pub fn liveness(
    manifest: &Manifest,
    id: &str,
    compute: impl Into<Compute>,
) -> Result<MiniFasNet, LoadError> {
    let entry = manifest.get(id)?;
    match entry.architecture {
        Architecture::MiniFasNet => network(manifest, entry, compute.into(), MiniFasNet::new),
        _ => Err(wrong(entry, "a liveness network")),
    }
}

/// Loads the verifier `id`.
///
/// # Errors
/// See [`LoadError`].
pub fn verifier(manifest: &Manifest, id: &str) -> Result<Verifier, LoadError> {
    let entry = manifest.get_as(id, Role::Verifier)?;
    let (Input::Length(size), Some(model), Some(difference)) =
        (entry.input, &entry.verifies, entry.difference)
    else {
        return Err(wrong(entry, "a verifier"));
    };
    let size = size as usize;
    let inputs = difference.size(size) as i64;
    let unit =
        network(manifest, entry, Device::Cpu.into(), |path| LogisticUnit::new(path, inputs))?;
    let (weights, bias) = unit.numbers()?;
    Verifier::new(ModelId::new(model.as_str()), size, difference, weights, bias)
        .map_err(|source| LoadError::Verifier { id: entry.id.clone(), source })
}

pub(super) fn wrong(entry: &WeightsEntry, wanted: &'static str) -> LoadError {
    LoadError::WrongArchitecture { id: entry.id.clone(), wanted, found: entry.architecture }
}

/// Builds a network on a device, fills it from the entry's file, freezes, simplifies and packs it.
fn network<N: Network>(
    manifest: &Manifest,
    entry: &WeightsEntry,
    compute: Compute,
    build: impl FnOnce(&Path) -> N,
) -> Result<N, LoadError> {
    let (mut network, mut store) = loose(manifest, entry, compute.device, build)?;
    if compute.kind == Kind::BFloat16 && compute.device != Device::Cpu {
        // On the processor the kernels round what they need, and the rest stays exact.
        store.bfloat16();
    }
    network.simplify(compute.kind)?;
    pack(network.layers(), compute)?;
    Ok(network)
}

/// Builds a network on a device, fills it from the entry's file and freezes it.
pub(super) fn loose<N>(
    manifest: &Manifest,
    entry: &WeightsEntry,
    device: Device,
    build: impl FnOnce(&Path) -> N,
) -> Result<(N, VarStore), LoadError> {
    expect_device(device)?;
    let bytes = manifest.read(entry)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| LoadError::Format { id: entry.id.clone(), source })?;
    let mut store = VarStore::new(device);
    let network = build(&store.root());
    store.freeze();
    fill(store.variables(), &file, &entry.id)?;
    Ok((network, store))
}

/// Hands the layers to the processor's kernels where it has some for these numbers.
fn pack(layers: Vec<&mut Conv>, compute: Compute) -> Result<(), TchError> {
    let Some(processor) = Processor::here().filter(|processor| processor.knows(compute.kind))
    else {
        return Ok(());
    };
    if compute.device == Device::Cpu {
        layers.into_iter().try_for_each(|layer| layer.pack(processor, compute.kind))?;
    }
    Ok(())
}

/// Whether the device is there. Asked first, because `tch` panics when it declares a parameter on one
/// that is not.
///
/// # Errors
/// [`LoadError::NoSuchDevice`] when it is not.
pub fn expect_device(device: Device) -> Result<(), LoadError> {
    let there = match device {
        Device::Cpu => true,
        Device::Cuda(index) => {
            Cuda::is_available() && i64::try_from(index).is_ok_and(|i| i < Cuda::device_count())
        }
        Device::Mps => tch::utils::has_mps(),
        Device::Vulkan => tch::utils::has_vulkan(),
    };
    if there { Ok(()) } else { Err(LoadError::NoSuchDevice(device)) }
}

fn fill(
    parameters: impl IntoIterator<Item = (String, Tensor)>,
    file: &SafeTensors,
    id: &str,
) -> Result<(), LoadError> {
    // Sorted, so that a bad file is always answered with the same error.
    let parameters: BTreeMap<String, Tensor> = parameters.into_iter().collect();
    let mut names = file.names();
    names.sort_unstable();
    if let Some(surplus) = names.into_iter().find(|name| !parameters.contains_key(*name)) {
        return Err(LoadError::Surplus { id: id.to_owned(), tensor: surplus.to_owned() });
    }
    for (name, mut parameter) in parameters {
        let Ok(view) = file.tensor(&name) else {
            return Err(LoadError::Missing { id: id.to_owned(), tensor: name });
        };
        if !same_shape(&parameter, &view) {
            return Err(LoadError::WrongShape {
                id: id.to_owned(),
                tensor: name,
                expected: parameter.size(),
                found: view.shape().to_vec(),
                dtype: view.dtype(),
            });
        }
        let values = Tensor::f_from_data_size(view.data(), &parameter.size(), Kind::Float)?;
        let negligible = values.f_abs()?.f_lt(NEGLIGIBLE)?;
        parameter.f_copy_(&values.f_masked_fill(&negligible, 0.0)?)?;
    }
    Ok(())
}

fn same_shape(parameter: &Tensor, view: &TensorView) -> bool {
    let found = view.shape().iter().map(|&side| i64::try_from(side).ok());
    view.dtype() == Dtype::F32 && parameter.size().into_iter().map(Some).eq(found)
}
