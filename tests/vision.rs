//! The road from bytes to encodings, on real photographs and with the real networks.

#[path = "vision/turned.rs"]
mod turned;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use limen::domain::{
    Encoding, FaceSeen, LivenessScore, QualityIssue, Sighting, Stage, StageTimings, Threshold, View,
};
use limen::inference::{Engine, EngineSettings, FrameBytes};
use limen::nets::Compute;
use limen::vision::{
    Aside, DecodeError, Device, FrameFormat, LookError, LookSettings, OpenError, Precision, Road,
    RoadSettings,
};

const PORTRAITS: [&str; 6] =
    ["obama-1.jpg", "obama-2.jpg", "obama-3.jpg", "biden-1.jpg", "hopper-1.jpg", "collins-1.jpg"];

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = in_repository("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The networks are loaded once and lent to one test at a time.
fn with_road<T>(f: impl FnOnce(&Road) -> T) -> T {
    static ROAD: OnceLock<Mutex<Road>> = OnceLock::new();
    let road = ROAD.get_or_init(|| {
        Mutex::new(Road::open(&in_repository("weights"), RoadSettings::default()).unwrap())
    });
    f(&road.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}

fn look_with(name: &str, settings: LookSettings) -> Result<View<FaceSeen>, LookError> {
    with_road(|road| road.look(&fixture(name), None, &settings, StageTimings::default()))
}

/// Looks without asking for liveness, at faces of 20 pixels between the pupils and more.
fn look(name: &str) -> View<FaceSeen> {
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    look_with(name, settings).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn look_for_life(name: &str) -> View<FaceSeen> {
    let threshold = LivenessScore::try_from(0.5).unwrap();
    let settings = LookSettings {
        liveness_threshold: Some(threshold),
        pupil_distance_px_min: 20.0,
        picture: false,
    };
    look_with(name, settings).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn encoding(name: &str) -> Encoding {
    match look(name).sighting {
        Sighting::Face(face) => face.encoding,
        other => panic!("{name}: {other:?}"),
    }
}

fn distance(a: &str, b: &str) -> f32 {
    encoding(a).distance(&encoding(b)).unwrap().value()
}

fn issues(name: &str) -> Vec<QualityIssue> {
    match look(name).sighting {
        Sighting::LowQuality { issues, .. } => issues,
        other => panic!("{name}: {other:?}"),
    }
}

fn decode_error(name: &str) -> DecodeError {
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    match look_with(name, settings) {
        Err(LookError::Decode(error)) => error,
        other => panic!("{name}: {other:?}"),
    }
}

/// Needs a processor with `bf16`; elsewhere there is nothing to compare.
#[test]
fn in_bf16_portraits_match_and_prints_are_refused_as_in_f32() {
    if !Compute::prefers_bf16(tch::Device::Cpu) {
        eprintln!("no bf16 here: nothing was compared");
        return;
    }
    let attacks = ["print-attack-biden.jpg", "print-attack-collins.jpg", "print-attack-obama.jpg"];
    let [bf16, f32] = [Precision::Bf16, Precision::F32].map(|precision| {
        let settings = RoadSettings { precision, ..RoadSettings::default() };
        let road = Road::open(&in_repository("weights"), settings).unwrap();
        let asked = LookSettings {
            liveness_threshold: LivenessScore::try_from(0.5).ok(),
            pupil_distance_px_min: 20.0,
            picture: false,
        };
        let look = |name| road.look(&fixture(name), None, &asked, StageTimings::default()).unwrap();
        for attack in attacks {
            let sighting = look(attack).sighting;
            assert!(matches!(sighting, Sighting::Spoof { .. }), "{attack}: {sighting:?}");
        }
        PORTRAITS.map(|name| match look(name).sighting {
            Sighting::Face(face) => face.encoding,
            other => panic!("{name}: {other:?}"),
        })
    });
    // From a search among many to a strict and a lax 1:1.
    for tau in [0.7, 1.0, 1.2, 1.3].map(|tau| Threshold::try_from(tau).unwrap()) {
        for (left, a) in PORTRAITS.iter().enumerate() {
            for (right, b) in PORTRAITS.iter().enumerate() {
                let [rounded, exact] =
                    [&bf16, &f32].map(|faces| faces[left].distance(&faces[right]).unwrap());
                assert_eq!(rounded.is_match(tau), exact.is_match(tau), "{a} {b}: {exact:?}");
            }
        }
    }
}

/// Needs a GPU; elsewhere there is nothing to compare.
#[test]
fn a_gpu_sees_and_encodes_faces_as_the_processor_does() {
    if !tch::Cuda::is_available() {
        return;
    }
    let open = |device| {
        let settings =
            RoadSettings { device, precision: Precision::F32, ..RoadSettings::default() };
        Road::open(&in_repository("weights"), settings).unwrap()
    };
    let (here, there) = (open(Device::Cpu), open(Device::Cuda(0)));
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    std::thread::scope(|scope| {
        for name in PORTRAITS {
            let (here, there) = (here.clone(), there.clone());
            scope.spawn(move || {
                let [here, there] = [here, there].map(|road| {
                    let view = road.look(&fixture(name), None, &settings, StageTimings::default());
                    match view.unwrap().sighting {
                        Sighting::Face(face) => face.encoding,
                        other => panic!("{name}: {other:?}"),
                    }
                });
                let distance = here.distance(&there).unwrap().value();
                assert!(distance < 1e-4, "{name}: {distance}");
            });
        }
    });
}

/// Parts of a look that are handed over: the second search, the mirrored landmarks, liveness.
const PARTS: usize = 3;

/// What is seen on a road whose helper is handed every part of the look and does so with each, by its number.
fn look_with_a_helper(
    settings: RoadSettings,
    name: &str,
    asked: &LookSettings,
    help: impl Fn(usize, &Road, Aside) + Sync,
) -> Result<View<FaceSeen>, LookError> {
    // Of its own: frames of other tests would be a crowd.
    let road = Road::open(&in_repository("weights"), settings).unwrap();
    let (road, asides) = road.with_helpers(2);
    let (taken, done) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    let (helper, help) = (road.clone(), &help);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !done.load(Ordering::SeqCst) {
                if let Ok(aside) = asides.recv_timeout(Duration::from_millis(20)) {
                    help(taken.fetch_add(1, Ordering::SeqCst), &helper, aside);
                }
            }
        });
        let until = Instant::now() + Duration::from_secs(60);
        let view = loop {
            taken.store(0, Ordering::SeqCst);
            let view = road.look(&fixture(name), None, asked, StageTimings::default());
            // It may not have been waiting for one of them.
            if view.is_err() || taken.load(Ordering::SeqCst) == PARTS || Instant::now() > until {
                break view;
            }
        };
        done.store(true, Ordering::SeqCst);
        assert!(Instant::now() < until, "not everything was handed over");
        view
    })
}

fn asking_for_life(threshold: f32) -> LookSettings {
    let liveness_threshold = Some(LivenessScore::try_from(threshold).unwrap());
    LookSettings { liveness_threshold, pupil_distance_px_min: 20.0, picture: false }
}

#[test]
fn a_look_that_another_thread_helps_with_sees_what_one_alone_does() {
    // An encoder that makes too little of every face.
    let mut unclear = RoadSettings::default();
    unclear.quality.feature_norm_min = Some(1e6);
    let (usual, print) = (RoadSettings::default(), "print-attack-obama.jpg");
    for (settings, name, threshold) in [
        (&usual, "obama-1.jpg", 0.5),
        (&usual, "obama-1.jpg", 1.0),
        (&usual, print, 0.5),
        (&unclear, "obama-1.jpg", 0.5),
        (&unclear, print, 0.5),
    ] {
        let asked = asking_for_life(threshold);
        let road = Road::open(&in_repository("weights"), settings.clone()).unwrap();
        let alone = road.look(&fixture(name), None, &asked, StageTimings::default()).unwrap();
        let help = |_, road: &Road, aside| road.help(aside);
        let helped = look_with_a_helper(settings.clone(), name, &asked, help).unwrap();
        assert_eq!(helped.sighting, alone.sighting, "{name}, {threshold}");
        // The wait is timed, after what was done meanwhile.
        let last = helped.timings.iter().last().map(|(stage, _)| stage);
        assert_eq!(last, Some(Stage::Liveness), "{name}, {threshold}");
    }
}

#[test]
fn a_look_of_which_a_part_is_lost_is_an_error_and_lets_nobody_in() {
    let asked = asking_for_life(0.0);
    for lost in 0..PARTS {
        let help = |number, road: &Road, aside| {
            // Dropped, as by a network that panics.
            if number != lost {
                road.help(aside);
            }
        };
        let seen = look_with_a_helper(RoadSettings::default(), "obama-1.jpg", &asked, help);
        assert!(matches!(seen, Err(LookError::Torch(_))), "{lost}: {seen:?}");
    }
}

/// Until a lone frame's liveness was judged by the worker that had none.
#[tokio::test(flavor = "multi_thread")]
async fn the_worker_without_a_frame_judges_a_lone_frames_liveness_and_stops_when_it_is_told() {
    let settings = EngineSettings {
        weights_dir: in_repository("weights"),
        road: RoadSettings::default(),
        previous: None,
        workers: 2,
        queue_max: 2,
    };
    let engine = Engine::start(&settings).unwrap();
    let frame = FrameBytes { bytes: fixture("obama-1.jpg").into(), declared: None };
    let alone = look_for_life("obama-1.jpg").sighting;
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let place = engine.place().unwrap();
        let view = engine.look(place, frame.clone(), asking_for_life(0.5)).await.unwrap();
        assert_eq!(view.sighting, alone);
        if view.timings.iter().last().is_some_and(|(stage, _)| stage == Stage::Liveness) {
            break;
        }
        assert!(Instant::now() < until, "nothing was handed over");
    }
    engine.stop();
}

#[test]
fn every_portrait_becomes_a_unit_encoding_of_128_numbers() {
    for name in PORTRAITS {
        let encoding = encoding(name);
        assert_eq!(encoding.values().len(), 128, "{name}");
        let norm: f32 = encoding.values().iter().map(|v| v * v).sum();
        assert!((norm - 1.0).abs() < 1e-5, "{name}");
        assert!(encoding.model().as_str().starts_with("mobilefacenet-pca128@"));
    }
}

#[test]
fn photos_of_one_person_lie_far_nearer_than_photos_of_two() {
    let person = |name: &str| name.split('-').next().map(str::to_owned);
    let encodings = PORTRAITS.map(encoding);
    for (i, a) in PORTRAITS.iter().enumerate() {
        for (j, b) in PORTRAITS.iter().enumerate().skip(i + 1) {
            let distance = encodings[i].distance(&encodings[j]).unwrap().value();
            if person(a) == person(b) {
                assert!(distance < 0.6, "{a} and {b}: {distance}");
            } else {
                assert!(distance > 1.5, "{a} and {b}: {distance}");
            }
        }
    }
}

#[test]
fn portraits_are_alive_and_prints_of_them_are_not() {
    for name in ["obama-1.jpg", "biden-1.jpg", "hopper-1.jpg"] {
        match look_for_life(name).sighting {
            Sighting::Face(face) => assert!(face.liveness.unwrap().value() > 0.9, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["print-attack-obama.jpg", "print-attack-biden.jpg", "print-attack-collins.jpg"] {
        match look_for_life(name).sighting {
            Sighting::Spoof { liveness } => assert!(liveness.value() < 0.1, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn the_liveness_of_a_print_is_told_without_judging_it() {
    let bytes = fixture("print-attack-obama.jpg");
    let view = with_road(|road| road.look_alive(&bytes, None, 20.0, StageTimings::default()));
    let view = view.unwrap();
    match view.sighting {
        Sighting::Face(score) => assert!(score.value() < 0.1),
        other => panic!("{other:?}"),
    }
    assert!(view.timings.iter().all(|(stage, _)| stage != Stage::Encode));
}

#[test]
fn a_frame_without_a_face_is_an_outcome() {
    for name in ["no-face-hubble.jpg", "no-face-rocket.jpg", "pixel-1x1.jpg", "pixel-1x1.png"] {
        let view = look(name);
        assert_eq!((view.sighting, view.faces), (Sighting::NoFace, 0), "{name}");
    }
}

#[test]
fn a_group_about_equally_near_leaves_the_choice_open() {
    let view = look("group-solvay-1927.jpg");
    assert_eq!(view.sighting, Sighting::MultipleFaces);
    assert!(view.faces > 20, "{} of 29 faces", view.faces);
}

#[test]
fn each_flaw_of_a_picture_is_named() {
    assert!(issues("too-dark.jpg").contains(&QualityIssue::TooDark));
    assert!(issues("too-bright.jpg").contains(&QualityIssue::TooBright));
    assert_eq!(issues("too-blurred.jpg"), [QualityIssue::TooBlurred]);
    assert!(issues("face-too-small.jpg").contains(&QualityIssue::TooSmall));
}

#[test]
fn a_head_turned_further_than_the_limit_is_refused() {
    // The picture's turn lies under the default limit, which ordinary photos set; see its figures.
    let mut settings = RoadSettings::default();
    settings.quality.yaw_max = 0.2;
    let road = Road::open(&in_repository("weights"), settings).unwrap();
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    let bytes = fixture("turned-away.jpg");
    let view = road.look(&bytes, None, &settings, StageTimings::default()).unwrap();
    match view.sighting {
        Sighting::LowQuality { issues, .. } => assert_eq!(issues, [QualityIssue::TurnedAway]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_picture_stored_turned_or_mirrored_gives_the_same_face() {
    let turned = ["exif-2.jpg", "exif-3.jpg", "exif-5.jpg", "exif-6.jpg", "exif-8.jpg"];
    for name in turned {
        assert!(distance("exif-1.jpg", name) < 0.01, "{name}");
    }
    for name in ["exif-6.png", "exif-6.webp", "exif-orientation-99.jpg"] {
        assert!(distance("exif-1.jpg", name) < 0.2, "{name}");
    }
}

#[test]
fn every_kind_of_picture_gives_the_same_face() {
    let kinds = [
        "cmyk.jpg",
        "progressive.jpg",
        "lossy.webp",
        "lossless.webp",
        "alpha.png",
        "alpha.webp",
        "palette.png",
        "sixteen-bit.png",
        "grey.jpg",
        "grey.png",
    ];
    for name in kinds {
        let distance = distance("obama-1.jpg", name);
        assert!(distance < 0.4, "{name}: {distance}");
    }
}

#[test]
fn the_content_decides_and_a_false_declaration_is_refused() {
    let bytes = fixture("png-named.jpg");
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    let look = |declared| {
        with_road(|road| road.look(&bytes, declared, &settings, StageTimings::default()))
    };
    assert!(look(Some(FrameFormat::Png)).is_ok());
    let (declared, actual) = (FrameFormat::Jpeg, FrameFormat::Png);
    match look(Some(declared)) {
        Err(LookError::Decode(error)) => {
            assert_eq!(error, DecodeError::FormatMismatch { declared, actual });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_whole_single_picture_is_an_error_of_its_own_kind() {
    for name in ["text-named.jpg", "pdf-named.jpg", "gif-named.jpg", "still.gif", "still.bmp"] {
        assert_eq!(decode_error(name), DecodeError::UnknownFormat, "{name}");
    }
    for name in ["animated.png", "animated.webp"] {
        assert!(matches!(decode_error(name), DecodeError::Animated { .. }), "{name}");
    }
    let damaged = ["truncated.jpg", "truncated.png", "truncated.webp", "truncated-in-header.jpg"];
    for name in damaged.into_iter().chain(["corrupt.png"]) {
        assert!(matches!(decode_error(name), DecodeError::Malformed { .. }), "{name}");
    }
    let huge = ["header-65535.png", "header-65535.jpg", "header-65535.webp", "header-16383.webp"];
    for name in huge.into_iter().chain(["bomb-20000.png"]) {
        assert!(matches!(decode_error(name), DecodeError::SideTooLong { .. }), "{name}");
    }
}

/// A portrait, its longer side enlarged to `portrait_px`, in a grey frame of `width` x `height`, as JPEG, and
/// what that decodes to as PNG, which is always read whole.
fn large(name: &str, portrait_px: u32, (width, height): (u32, u32)) -> [Vec<u8>; 2] {
    let portrait = image::load_from_memory(&fixture(name)).unwrap();
    let portrait = portrait.resize(portrait_px, portrait_px, FilterType::CatmullRom);
    let mut frame = RgbImage::from_pixel(width, height, image::Rgb([128; 3]));
    let (left, top) = ((width - portrait.width()) / 2, (height - portrait.height()) / 2);
    image::imageops::replace(&mut frame, &portrait.into_rgb8(), left.into(), top.into());
    let (mut jpeg, mut png) = (Vec::new(), Vec::new());
    frame.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 92)).unwrap();
    let whole = image::load_from_memory(&jpeg).unwrap();
    whole.write_with_encoder(PngEncoder::new(&mut png)).unwrap();
    [jpeg, png]
}

#[test]
fn a_large_jpeg_gives_the_same_face_as_its_pixels_whether_it_is_near_or_far() {
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    for (portrait_px, size) in [
        // Near: enough of the face is left at a half, a quarter.
        (1_080, (1_920, 1_080)),
        (2_160, (3_840, 2_160)),
        // Far: looked at whole.
        (300, (1_920, 1_080)),
    ] {
        for name in ["obama-1.jpg", "biden-1.jpg"] {
            let [jpeg, png] = large(name, portrait_px, size).map(|bytes| {
                let view = with_road(|road| {
                    road.look(&bytes, None, &settings, StageTimings::default()).unwrap()
                });
                match view.sighting {
                    Sighting::Face(face) => face,
                    other => panic!("{name} of {portrait_px} px: {other:?}"),
                }
            });
            let distance = jpeg.encoding.distance(&png.encoding).unwrap().value();
            assert!(distance < 0.02, "{name} of {portrait_px} px: {distance}");
            let ratio = jpeg.quality.pupil_distance_px / png.quality.pupil_distance_px;
            assert!((ratio - 1.0).abs() < 0.03, "{name} of {portrait_px} px: {ratio}");
            let portrait = encoding(name).distance(&jpeg.encoding).unwrap().value();
            assert!(
                portrait < 0.25,
                "{name} of {portrait_px} px: {portrait} from the portrait itself"
            );
        }
    }
}

#[test]
fn stages_are_timed_in_the_order_they_are_travelled() {
    let stages: Vec<_> = look_for_life("obama-1.jpg").timings.iter().map(|t| t.0).collect();
    let expected = [
        Stage::Decode,
        Stage::Detect,
        Stage::Align,
        Stage::Quality,
        Stage::Liveness,
        Stage::Encode,
    ];
    assert_eq!(stages, expected);
    let stages: Vec<_> = look("no-face-hubble.jpg").timings.iter().map(|t| t.0).collect();
    assert_eq!(stages, [Stage::Decode, Stage::Detect]);
}

#[test]
fn the_full_512_numbers_are_given_when_asked_for() {
    let settings = RoadSettings { encoding_size: 512, ..RoadSettings::default() };
    let road = Road::open(&in_repository("weights"), settings).unwrap();
    road.warm_up().unwrap();
    assert!(road.model().as_str().starts_with("mobilefacenet@"));
    let settings =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    let bytes = fixture("obama-1.jpg");
    let view = road.look(&bytes, None, &settings, StageTimings::default()).unwrap();
    match view.sighting {
        Sighting::Face(face) => assert_eq!(face.encoding.values().len(), 512),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_road_that_cannot_be_opened_says_what_is_missing() {
    let open = |folder: &Path, settings| Road::open(folder, settings).unwrap_err();
    let weights = in_repository("weights");

    let settings = RoadSettings { encoding_size: 100, ..RoadSettings::default() };
    let error = open(&weights, settings);
    assert!(matches!(&error, OpenError::EncodingSize { known, .. } if known.contains("128")));

    let settings = RoadSettings { encoder: "facenet".to_owned(), ..RoadSettings::default() };
    assert!(open(&weights, settings).to_string().contains("mobilefacenet"));

    let error = open(&in_repository("no-such-folder"), RoadSettings::default());
    assert!(error.to_string().contains("manifest.toml"), "{error}");
}
