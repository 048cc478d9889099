//! Who comes: people to enrol with later photos of them, strangers, and attacks.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use bytes::Bytes;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::cli::photo;
use crate::evaluate::dataset::read_people;
use crate::samples::SAMPLES;
use crate::vision::FrameFormat;

/// Bytes of photos that are held in memory at most.
const PHOTOS_BYTES_MAX: usize = 1 << 30;

/// Bytes of one photo at most.
const PHOTO_BYTES_MAX: usize = 10 << 20;

/// Photos of one person, stranger or kind of attack at most, the first by name.
const PHOTOS_EACH_MAX: usize = 200;

/// Strangers at most, the first by name.
const STRANGERS_MAX: usize = 1_000;

/// A photo, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Photo {
    pub bytes: Bytes,
    pub format: FrameFormat,
}

/// Somebody, or a kind of attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Somebody {
    pub name: String,
    /// Of who is enrolled the first one enrols, and the others are what a gate sees.
    pub photos: Vec<Photo>,
}

/// Who comes to the gates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cast {
    /// Whoever is to be enrolled. Those with a single photo are, and never come.
    pub members: Vec<Somebody>,
    pub strangers: Vec<Somebody>,
    pub attacks: Vec<Somebody>,
}

/// Who stands at a gate, by their place in the cast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Member(usize),
    Stranger(usize),
    Attack(usize),
}

/// How many of those who come are no members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    pub strangers: f64,
    pub attacks: f64,
}

/// Where the photos are; none: those that come with the binary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folders<'a> {
    pub people: Option<&'a Path>,
    pub strangers: Option<&'a Path>,
    pub attacks: Option<&'a Path>,
}

impl Cast {
    /// Reads the folders; at most `members_max` people of these are enrolled.
    ///
    /// Without a folder of people the portraits that come with the binary play every part. With one, those of whom it
    /// has a single photo are the strangers, unless these have a folder of their own.
    pub fn read(folders: Folders<'_>, members_max: usize) -> anyhow::Result<Self> {
        let mut room = Room(PHOTOS_BYTES_MAX);
        let mut cast = match folders.people {
            None => Self::of_samples(),
            Some(folder) => Self::of_people(folder, folders.strangers.is_some(), &mut room)?,
        };
        cast.members.truncate(members_max);
        cast.strangers.truncate(STRANGERS_MAX);
        if let Some(folder) = folders.strangers {
            cast.strangers = groups(folder, true, &mut room)?;
        }
        if let Some(folder) = folders.attacks {
            cast.attacks = groups(folder, false, &mut room)?;
        }
        Ok(cast)
    }

    fn of_samples() -> Self {
        let mut cast = Self::default();
        for sample in SAMPLES {
            let photo = Photo { bytes: Bytes::from_static(sample.jpeg), format: FrameFormat::Jpeg };
            let (part, name) = match sample.person {
                _ if sample.is_print => (&mut cast.attacks, "print"),
                "Barack Obama" | "Eileen Collins" => (&mut cast.members, sample.person),
                _ => (&mut cast.strangers, sample.person),
            };
            match part.iter_mut().find(|somebody| somebody.name == name) {
                Some(known) => known.photos.push(photo),
                None => part.push(Somebody { name: name.to_owned(), photos: vec![photo] }),
            }
        }
        cast
    }

    fn of_people(folder: &Path, all: bool, room: &mut Room) -> anyhow::Result<Self> {
        let mut cast = Self::default();
        for person in read_people(folder)?.0 {
            let is_member = all || person.photos.len() > 1;
            let part = if is_member { &mut cast.members } else { &mut cast.strangers };
            let photos = person.photos.iter().take(PHOTOS_EACH_MAX);
            let photos = photos.map(|photo| room.read(&folder.join(photo)));
            part.push(Somebody { name: person.name, photos: photos.collect::<Result<_, _>>()? });
        }
        Ok(cast)
    }

    /// Keeps those members whom `keep` keeps.
    pub fn retain_members(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut place = 0;
        self.members.retain(|_| {
            place += 1;
            keep(place - 1)
        });
    }

    /// Those of whom chance chooses who comes.
    pub fn lots(&self, shares: Shares) -> Lots {
        let comes = |place: &usize| self.members[*place].photos.len() > 1;
        Lots {
            shares,
            members: (0..self.members.len()).filter(comes).map(Who::Member).collect(),
            strangers: (0..self.strangers.len()).map(Who::Stranger).collect(),
            attacks: (0..self.attacks.len()).map(Who::Attack).collect(),
        }
    }

    /// The photos that a gate sees of somebody; one at least.
    pub fn shows(&self, who: Who) -> &[Photo] {
        match who {
            Who::Member(place) => self.members[place].photos.get(1..).unwrap_or_default(),
            Who::Stranger(place) => &self.strangers[place].photos,
            Who::Attack(place) => &self.attacks[place].photos,
        }
    }
}

/// Those of whom chance chooses who comes.
#[derive(Clone, Debug)]
pub(super) struct Lots {
    shares: Shares,
    members: Vec<Who>,
    strangers: Vec<Who>,
    attacks: Vec<Who>,
}

impl Lots {
    /// Who comes next; none where nobody can come.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<Who> {
        let who: f64 = rng.random();
        let member = self.members.choose(rng).copied();
        let stranger = self.strangers.choose(rng).copied();
        let attack = self.attacks.choose(rng).copied();
        // Where there is none of a kind, another comes in its place.
        if who < self.shares.attacks {
            attack.or(stranger).or(member)
        } else if who < self.shares.attacks + self.shares.strangers {
            stranger.or(member).or(attack)
        } else {
            member.or(stranger).or(attack)
        }
    }
}

/// What memory is left for photos.
struct Room(usize);

impl Room {
    fn read(&mut self, path: &Path) -> anyhow::Result<Photo> {
        let bytes = photo::read(path, PHOTO_BYTES_MAX)?;
        let format = FrameFormat::sniff(&bytes)
            .with_context(|| format!("{} is no JPEG, PNG or WebP", path.display()))?;
        self.0 = self.0.checked_sub(bytes.len()).with_context(|| {
            format!("the photos up to {} are over {PHOTOS_BYTES_MAX} bytes", path.display())
        })?;
        Ok(Photo { bytes: bytes.into(), format })
    }
}

/// Photos by the folder that they lie in; those that lie in `folder` itself are of one kind, or, where `apart`, of
/// somebody each.
fn groups(folder: &Path, apart: bool, room: &mut Room) -> anyhow::Result<Vec<Somebody>> {
    let mut groups = BTreeMap::<String, Vec<Photo>>::new();
    for entry in walkdir::WalkDir::new(folder).min_depth(1).follow_links(true).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_type().is_file() || FrameFormat::of_file_name(path).is_none() {
            continue;
        }
        let named = if apart && entry.depth() == 1 { Some(path) } else { path.parent() };
        let name = named.and_then(Path::file_name).unwrap_or(folder.as_os_str());
        let photos = groups.entry(name.to_string_lossy().into_owned()).or_default();
        if photos.len() < PHOTOS_EACH_MAX {
            photos.push(room.read(path)?);
        }
        if groups.len() > STRANGERS_MAX {
            groups.pop_last();
            break;
        }
    }
    ensure!(!groups.is_empty(), "{} holds no JPEG, PNG or WebP", folder.display());
    Ok(groups.into_iter().map(|(name, photos)| Somebody { name, photos }).collect())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const NONE: Folders<'static> = Folders { people: None, strangers: None, attacks: None };

    fn names(part: &[Somebody]) -> Vec<(&str, usize)> {
        part.iter().map(|somebody| (somebody.name.as_str(), somebody.photos.len())).collect()
    }

    fn write(folder: &Path, files: &[&str]) {
        for file in files {
            let path = folder.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, SAMPLES[0].jpeg).unwrap();
        }
    }

    #[test]
    fn without_folders_the_portraits_play_every_part() {
        let cast = Cast::read(NONE, 10).unwrap();
        assert_eq!(names(&cast.members), [("Barack Obama", 2), ("Eileen Collins", 1)]);
        assert_eq!(names(&cast.strangers), [("Grace Hopper", 1), ("Joe Biden", 1)]);
        assert_eq!(names(&cast.attacks), [("print", 1)]);
        assert_eq!(cast.shows(Who::Member(0))[0].bytes, SAMPLES[1].jpeg);
    }

    #[test]
    fn of_a_folder_those_with_one_photo_are_strangers_unless_these_have_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let below = |name: &str| folder.path().join(name);
        write(&below("people"), &["Ada/1.jpg", "Ada/2.jpg", "Bob/1.jpg", "Cyd/1.jpg", "Cyd/2.jpg"]);
        write(&below("others"), &["x.jpg", "Eve/1.jpg", "Eve/2.jpg"]);
        write(&below("attacks"), &["p.jpg", "replay/1.jpg", "replay/2.jpg"]);
        let (people, strangers, attacks) = (below("people"), below("others"), below("attacks"));
        let mut folders = Folders { people: Some(&people), ..NONE };
        let cast = Cast::read(folders, 1).unwrap();
        assert_eq!(names(&cast.members), [("Ada", 2)]);
        assert_eq!(names(&cast.strangers), [("Bob", 1)]);
        assert!(cast.attacks.is_empty());

        folders = Folders { strangers: Some(&strangers), attacks: Some(&attacks), ..folders };
        let cast = Cast::read(folders, 10).unwrap();
        assert_eq!(names(&cast.members), [("Ada", 2), ("Bob", 1), ("Cyd", 2)]);
        assert_eq!(names(&cast.strangers), [("Eve", 2), ("x.jpg", 1)]);
        assert_eq!(names(&cast.attacks), [("attacks", 1), ("replay", 2)]);
    }

    #[test]
    fn what_cannot_be_a_cast_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let strangers = Some(folder.path());
        let error = Cast::read(Folders { strangers, ..NONE }, 1).unwrap_err().to_string();
        assert!(error.contains("no JPEG"), "{error}");
        std::fs::write(folder.path().join("a.jpg"), "text").unwrap();
        let error = Cast::read(Folders { strangers, ..NONE }, 1).unwrap_err().to_string();
        assert!(error.contains("a.jpg is no JPEG"), "{error}");
    }

    #[test]
    fn each_kind_comes_as_often_as_its_share_says_and_members_with_one_photo_never() {
        let cast = Cast::read(NONE, 10).unwrap();
        let mut rng = StdRng::seed_from_u64(5);
        let shares = Shares { strangers: 0.2, attacks: 0.1 };
        let lots = cast.lots(shares);
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            match lots.draw(&mut rng).unwrap() {
                Who::Member(place) => counts[place] += 1,
                Who::Stranger(_) => counts[1] += 1,
                Who::Attack(_) => counts[2] += 1,
            }
        }
        assert!((6_800..7_200).contains(&counts[0]), "{counts:?}");
        assert!((1_800..2_200).contains(&counts[1]), "{counts:?}");
        assert!((850..1_150).contains(&counts[2]), "{counts:?}");
        assert_eq!(Cast::default().lots(shares).draw(&mut rng), None);
    }
}
