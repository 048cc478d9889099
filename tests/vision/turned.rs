//! Heads that are turned to a side, which are encoded with their mirror images.

use image::codecs::png::PngEncoder;
use image::imageops::flip_horizontal;
use limen::domain::{Encoding, Landmarks, Sighting, StageTimings};
use limen::nets::{Compute, Manifest, Pictures, Station, load};
use limen::vision::align::{Template, align};
use limen::vision::decode::decode;
use limen::vision::detect::detect;
use limen::vision::encode::Embedding;
use limen::vision::refine::refine;
use limen::vision::{LookSettings, Precision, PreviousEncoder, Road, RoadSettings};

use super::{fixture, in_repository};

#[test]
fn a_face_that_is_turned_so_far_to_either_side_is_averaged_with_its_mirror_image() {
    let photo = image::load_from_memory(&fixture("obama-1.jpg")).unwrap().to_rgb8();
    let yaws = [photo.clone(), flip_horizontal(&photo)].map(|photo| {
        let mut png = Vec::new();
        photo.write_with_encoder(PngEncoder::new(&mut png)).unwrap();
        averaged_from_its_yaw_on(&png)
    });
    assert!(yaws[0] * yaws[1] < 0.0, "{yaws:?}");
}

/// Returns the yaw of the face.
fn averaged_from_its_yaw_on(photo: &[u8]) -> f32 {
    let asked =
        LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
    // As the steps below are computed by themselves.
    let in_f32 = RoadSettings { precision: Precision::F32, ..RoadSettings::default() };
    let seen = |mirror_yaw_min| {
        let settings = RoadSettings { mirror_yaw_min, ..in_f32.clone() };
        let road = Road::open(&in_repository("weights"), settings).unwrap();
        let view = road.look(photo, None, &asked, StageTimings::default()).unwrap();
        let Sighting::Face(face) = view.sighting else { panic!("{:?}", view.sighting) };
        (face.quality.yaw, face.encoding)
    };
    let (yaw, plain) = seen(f32::INFINITY);
    let (_, just_not) = seen(yaw.abs() * 1.01);
    let (_, averaged) = seen(yaw.abs());
    let mirrored = mirrored_where_landmarks_are_placed_again(photo);
    let mean = Encoding::fused(&[plain.values(), &mirrored], plain.model().clone());

    let apart = |a: &Encoding, b: &Encoding| a.distance(b).unwrap().value();
    assert_eq!(just_not, plain);
    assert!(apart(&averaged, &mean.unwrap()) < 1e-6);
    assert!(apart(&averaged, &plain) > 1e-3, "{}", apart(&averaged, &plain));
    // Not the same pixels, mirrored.
    let road = Road::open(&in_repository("weights"), in_f32.clone()).unwrap();
    let both = road.look_at_both_sides(photo, 0.0, &asked).unwrap().sighting;
    let Sighting::Face(both) = both else { panic!("no face") };
    let mean = Encoding::fused(&[both[0].values(), both[1].values()], plain.model().clone());
    assert!(apart(&averaged, &mean.unwrap()) > 1e-3);
    yaw
}

#[test]
fn the_encoder_that_people_move_away_from_averages_a_turned_head_too() {
    let said = |encoding_size, mirror_yaw_min, previous: Option<u32>| {
        let settings = RoadSettings { encoding_size, mirror_yaw_min, ..RoadSettings::default() };
        let encoder = settings.encoder.clone();
        let mut road = Road::open(&in_repository("weights"), settings).unwrap();
        if let Some(encoding_size) = previous {
            let weights_dir = in_repository("weights");
            let previous = PreviousEncoder { weights_dir, encoder, encoding_size };
            road = road.with_previous(&previous).unwrap();
        }
        let asked =
            LookSettings { liveness_threshold: None, pupil_distance_px_min: 20.0, picture: false };
        let photo = fixture("obama-1.jpg");
        match road.look(&photo, None, &asked, StageTimings::default()).unwrap().sighting {
            Sighting::Face(face) => (face.encoding, face.previous),
            other => panic!("{other:?}"),
        }
    };
    let (alone, none) = said(512, 0.0, None);
    assert_eq!(none, None);
    assert_eq!(said(128, 0.0, Some(512)).1.as_ref(), Some(&alone));
    assert_ne!(said(128, f32::INFINITY, Some(512)).1.as_ref(), Some(&alone));
}

/// The encoding, step by step, of the mirror image of a photo's face as the second network's landmarks alone
/// turn it upright.
fn mirrored_where_landmarks_are_placed_again(photo: &[u8]) -> Vec<f32> {
    let settings = RoadSettings::default();
    let manifest = Manifest::open(in_repository("weights")).unwrap();
    let compute = Compute::from(tch::Device::Cpu);
    let detector = load::detector(&manifest, "yunet-2023mar", tch::Device::Cpu).unwrap();
    let landmarks = load::landmarks(&manifest, "landmark-68", tch::Device::Cpu).unwrap();
    let encoder = load::encoder(&manifest, &settings.encoder, compute).unwrap();
    let projection = load::projection(&manifest, "mobilefacenet-pca128", tch::Device::Cpu);
    let encoder = Embedding { network: encoder, projection: Some(projection.unwrap()) };

    let frame = decode(photo, None, &settings.frame).unwrap();
    let detector = Station::here(detector, compute);
    let faces = detect(&detector, &frame, 20.0, &settings.detect, &settings.nearest).unwrap();
    let refined = refine(&Station::here(landmarks, compute), &frame, faces[0]).unwrap();
    // The mean of the two networks' places, and one of the two.
    let mean = Landmarks::mean(&[faces[0].landmarks, refined.placed]).unwrap();
    assert_eq!(refined.face.landmarks, mean);
    assert!(refined.placed.0.iter().zip(mean.0).all(|(placed, mean)| placed.distance(mean) > 0.0));
    let face = align(&frame, &refined.placed, Template::FivePoints112).unwrap().mirrored();
    let pictures = Pictures { rgb: face.rgb(), size: (112, 112) };
    let numbers = Station::here(encoder, compute).ask(pictures).unwrap();
    let values = numbers[..128].to_vec();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / length).collect()
}
