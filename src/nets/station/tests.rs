//! The thread of a network, here on the processor, where it computes and batches as on a GPU.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tch::{Device, Kind, TchError, Tensor};

use super::gpu::Gpu;
use super::{Batching, Crowd, Model, Pictures, Planes, Station};

/// The mean of each colour of a picture; it notes how many pictures it was shown at once, and does not
/// take pictures of a certain width.
#[derive(Clone)]
struct Means {
    shown: Arc<Mutex<Vec<usize>>>,
}

const REFUSED: u32 = 7;
const PANICS: u32 = 9;

impl Means {
    fn new() -> Self {
        Self { shown: Arc::default() }
    }
}

impl Model for Means {
    const NAME: &'static str = "means";

    fn planes(&self) -> Planes {
        Planes::Bgr
    }

    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    fn answer(&self, pictures: &Tensor) -> Result<Tensor, TchError> {
        self.shown.lock().push(pictures.size()[0] as usize);
        let width = pictures.size()[3];
        assert_ne!(width, i64::from(PANICS), "no such picture");
        if width == i64::from(REFUSED) {
            return Err(TchError::Shape("refused".to_owned()));
        }
        pictures.f_mean_dim([2, 3].as_slice(), false, Kind::Float)
    }
}

fn start(model: &Means, pictures_max: usize, wait: Duration, crowd: &Crowd) -> Gpu {
    let batching = Batching { pictures_max, wait };
    Gpu::start(model.clone(), Device::Cpu.into(), batching, crowd.clone()).unwrap()
}

/// `count` pictures of one colour each: (i, i + 1, i + 2) and on.
fn plain(first: u8, count: u8, (width, height): (u32, u32)) -> Vec<u8> {
    (0..count)
        .flat_map(|i| [first + i, first + i + 1, first + i + 2].repeat((width * height) as usize))
        .collect()
}

#[test]
fn every_thread_hears_of_its_own_pictures_whatever_travelled_with_them() {
    let model = Means::new();
    let gpu = start(&model, 64, Duration::from_millis(2), &Crowd::default());
    let begin = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let (gpu, begin) = (gpu.clone(), &begin);
            scope.spawn(move || {
                begin.wait();
                for round in 0..20 {
                    let (first, count) = (thread * 20 + round, 1 + thread % 3);
                    let size = if round % 2 == 0 { (4, 6) } else { (8, 2) };
                    let rgb = plain(first, count, size);
                    let rows = gpu.ask(Pictures { rgb: &rgb, size }).unwrap();
                    let expected: Vec<f32> = (0..count)
                        .flat_map(|i| [2, 1, 0].map(|plane| f32::from(first + i + plane)))
                        .collect();
                    assert_eq!(rows, expected);
                }
            });
        }
    });
    let shown: usize = model.shown.lock().iter().sum();
    assert_eq!(shown, 20 * (1 + 2 + 3 + 1 + 2 + 3 + 1 + 2), "each picture is shown once");
}

#[test]
fn what_comes_while_others_are_under_way_travels_together_up_to_the_limit() {
    let model = Means::new();
    let crowd = Crowd::default();
    let gpu = start(&model, 4, Duration::from_secs(20), &crowd);
    let _under_way: Vec<_> = (0..4).map(|_| crowd.set_out()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let gpu = gpu.clone();
            scope.spawn(move || gpu.ask(Pictures { rgb: &[0; 3], size: (1, 1) }).unwrap());
        }
    });
    assert_eq!(*model.shown.lock(), [4]);
}

#[test]
fn nobody_waits_for_those_who_are_not_under_way_nor_longer_than_the_wait() {
    let model = Means::new();
    let crowd = Crowd::default();
    let ask = |gpu: &Gpu| {
        let started = Instant::now();
        gpu.ask(Pictures { rgb: &[0; 3], size: (1, 1) }).unwrap();
        started.elapsed()
    };
    let _lone = crowd.set_out();
    assert!(ask(&start(&model, 64, Duration::from_secs(60), &crowd)) < Duration::from_secs(30));
    let _other = crowd.set_out();
    assert!(ask(&start(&model, 64, Duration::from_millis(5), &crowd)) < Duration::from_secs(30));
    assert_eq!(*model.shown.lock(), [1, 1]);
}

#[test]
fn a_batch_that_fails_or_panics_is_an_error_of_its_pictures_and_the_next_is_answered() {
    let model = Means::new();
    let gpu = start(&model, 64, Duration::ZERO, &Crowd::default());
    let ask =
        |width: u32| gpu.ask(Pictures { rgb: &vec![5; width as usize * 3], size: (width, 1) });
    let error = ask(REFUSED).unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    let error = ask(PANICS).unwrap_err().to_string();
    assert!(error.contains("panicked") && error.contains("no such picture"), "{error}");
    assert_eq!(ask(3).unwrap(), [5.0; 3]);
}

#[test]
fn bytes_that_are_no_whole_pictures_are_an_error() {
    let model = Means::new();
    let gpu = start(&model, 64, Duration::ZERO, &Crowd::default());
    let pictures = Pictures { rgb: &[0; 10], size: (2, 2) };
    assert!(gpu.ask(pictures).is_err());
    assert!(Station::here(model, Device::Cpu.into()).ask(pictures).is_err());
}
