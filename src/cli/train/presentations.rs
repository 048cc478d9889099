//! Presentations to learn from: looked at by the road that serves, and split by subject.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::cli::evaluate::Source;
use crate::cli::evaluate::photos::{Photos, Tally};
use crate::config::Config;
use crate::evaluate::acquire::Picture;
use crate::evaluate::dataset::{LISTED_MAX, LabelledPhoto, listed, read_presentations};
use crate::evaluate::metrics::Kind;
use crate::nets::Digest;
use crate::train::{LabelledPresentation, Part, Presented, Shows, Split, deal, leaks};

/// The parts, and what each is for.
const PARTS: [(Part, &str); 3] = [
    (Part::Training, "to learn from"),
    (Part::Validation, "to choose the best step by"),
    (Part::Test, "to measure with"),
];

/// Labelled presentations.
pub(super) struct Presentations {
    /// What each photo gave that shows a face.
    pub samples: Vec<Picture>,
    /// All of them, also those in which no face was found.
    presented: Vec<Presented>,
    /// The part that each subject belongs to.
    part: BTreeMap<String, Part>,
    /// What became of the photos.
    tally: Tally,
    /// Tells these photos and labels from any others.
    pub fingerprint: Digest,
    /// Where they lie.
    pub images: PathBuf,
}

/// How much of what a part has.
#[derive(Clone, Debug, Default)]
pub(super) struct Size {
    subjects: usize,
    live: usize,
    /// Attacks of each species, and subjects of whom there are some.
    attacks: BTreeMap<String, (usize, usize)>,
}

impl Presentations {
    /// Looks at every photo of the list.
    pub fn look_at(
        config: &Config,
        source: &Source,
        list: &Path,
        split: &Split,
    ) -> anyhow::Result<Self> {
        let mut labelled = read_presentations(list)?;
        let subjects = subjects(&labelled, list)?;
        // Before the photos are looked at, which takes its time.
        let part = dealt(&labelled, &subjects, split)?;
        let photos = Photos::open(config, source, 0.0)?;
        let gathered =
            photos.surroundings(labelled.iter().map(|one| one.path.clone()).collect())?;
        labelled.retain(|one| gathered.samples.contains_key(&one.path));
        let (mut samples, mut presented, mut digests) = (Vec::new(), Vec::new(), Vec::new());
        for LabelledPhoto { path, kind, subject } in &labelled {
            let subject = subject.clone().unwrap_or_default();
            let photo = gathered.samples[path].as_ref().ok().map(|picture| {
                samples.push(picture.clone());
                samples.len() - 1
            });
            presented.push(Presented { photo, kind: kind.clone(), subject });
            let bytes = std::fs::read(source.images.join(path));
            let bytes = bytes.with_context(|| format!("{} cannot be read again", path.display()));
            digests.push(Digest::of(&bytes?));
        }
        expect_no_copies(&labelled, &digests, &part)?;
        let looks = std::iter::once(format!("{}\n", photos.looks()?));
        let lines = labelled.iter().zip(&digests).map(|(one, digest)| {
            let LabelledPhoto { path, kind, subject } = one;
            format!("{} {kind:?} {subject:?} {digest}\n", path.display())
        });
        let data = Self {
            samples,
            presented,
            part,
            tally: gathered.tally,
            fingerprint: Digest::of(looks.chain(lines).collect::<String>().as_bytes()),
            images: source.images.clone(),
        };
        data.expect_faces()?;
        Ok(data)
    }

    /// What was presented of the subjects of a part.
    pub fn part(&self, part: Part) -> Vec<Presented> {
        self.presented.iter().filter(|one| self.part[&one.subject] == part).cloned().collect()
    }

    /// What can be learnt from.
    pub fn labelled<'a>(
        presented: &'a [Presented],
    ) -> impl Iterator<Item = LabelledPresentation<'a>> {
        presented.iter().filter_map(|Presented { photo, kind, subject }| {
            Some(LabelledPresentation { photo: (*photo)?, kind, subject })
        })
    }

    /// How large a part is, with or without photos that show no face.
    pub fn size(&self, part: Part) -> Size {
        Size::of(&self.part(part))
    }

    /// Refuses a part in which no face of a class was found.
    fn expect_faces(&self) -> anyhow::Result<()> {
        for (part, what) in PARTS {
            let with_face = |live: bool| {
                let mut of = self.part(part).into_iter();
                of.any(|one| one.photo.is_some() && (one.kind == Kind::Live) == live)
            };
            for (live, class) in [(true, "live photos"), (false, "attacks")] {
                ensure!(
                    with_face(live),
                    "none of the {class} {what} shows a face that could be used; another --seed deals the subjects otherwise"
                );
            }
        }
        Ok(())
    }

    /// What there is, a line for each part.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            PARTS.iter().map(|(part, what)| format!("{what}: {}", self.size(*part))).collect();
        let without = |live: bool| {
            let of = self.presented.iter().filter(|one| one.photo.is_none());
            of.filter(|one| (one.kind == Kind::Live) == live).count()
        };
        lines.push(format!(
            "of {} photos {} show no face that could be used, {} live and {} attacks: nothing is learnt from them, and in \
             figures such an attack is refused and such a live face told apart; no subject and no photo is in two parts; \
             their fingerprint is `{}`",
            self.presented.len(),
            self.tally.failures.total(),
            without(true),
            without(false),
            self.fingerprint
        ));
        if self.tally.left_out > 0 {
            lines.push(format!(
                "{} photos are missing or cannot be read, left out",
                self.tally.left_out
            ));
        }
        lines
    }

    /// Tells what there is.
    pub fn tell(&self) {
        for line in self.lines() {
            println!("{line}");
        }
    }
}

/// What each subject shows; refuses presentations that name none.
fn subjects<'a>(
    labelled: &'a [LabelledPhoto],
    list: &Path,
) -> anyhow::Result<BTreeMap<&'a str, Shows>> {
    let mut subjects = BTreeMap::<&str, Shows>::new();
    let mut without = Vec::new();
    for one in labelled {
        let Some(subject) = one.subject.as_deref() else {
            without.push(one.path.clone());
            continue;
        };
        let shows = subjects.entry(subject).or_default();
        if one.kind == Kind::Live { shows.live = true } else { shows.attack = true }
    }
    ensure!(
        without.is_empty(),
        "{}: {}. Subjects are split, never photos: a network that has seen a face would be measured with it again, and seem \
         better than it is. The column `subject` is to name whose face every photo shows, live or on an attack",
        list.display(),
        listed("photos name no subject", &without)
    );
    Ok(subjects)
}

/// Deals the subjects out; refuses parts that lack a class.
fn dealt(
    labelled: &[LabelledPhoto],
    subjects: &BTreeMap<&str, Shows>,
    split: &Split,
) -> anyhow::Result<BTreeMap<String, Part>> {
    let live = subjects.values().filter(|shows| shows.live).count();
    let attack = subjects.values().filter(|shows| shows.attack).count();
    ensure!(
        live > 0,
        "all {} photos are attacks: it takes photos with the label `live` too",
        labelled.len()
    );
    ensure!(
        attack > 0,
        "all {} photos are live: it takes attacks too, with a label that names each, such as `print`",
        labelled.len()
    );
    let dealt = deal(subjects, split);
    for (part, what) in PARTS {
        let of = || subjects.iter().filter(|(subject, _)| dealt[*subject] == part);
        for (class, has) in [
            ("live", of().any(|(_, shows)| shows.live)),
            ("in attacks", of().any(|(_, shows)| shows.attack)),
        ] {
            ensure!(
                has,
                "no subject is left {what} who is shown {class}: subjects are dealt out to three parts, to learn from, to \
                 choose the best step by and to measure with, and each needs somebody live and somebody in attacks; of {} \
                 subjects {live} are shown live and {attack} in attacks",
                subjects.len()
            );
        }
    }
    Ok(dealt.into_iter().map(|(subject, part)| (subject.to_owned(), part)).collect())
}

/// Refuses copies of a photo on both sides of the split, or with two labels.
fn expect_no_copies(
    labelled: &[LabelledPhoto],
    digests: &[Digest],
    part: &BTreeMap<String, Part>,
) -> anyhow::Result<()> {
    let subject = |one: &'_ LabelledPhoto| one.subject.clone().unwrap_or_default();
    let subjects: Vec<String> = labelled.iter().map(subject).collect();
    let part_of: HashMap<&PathBuf, Part> =
        labelled.iter().zip(&subjects).map(|(one, subject)| (&one.path, part[subject])).collect();
    let photos = labelled.iter().zip(&subjects).zip(digests);
    let leaks =
        leaks(photos.map(|((one, subject), digest)| (subject.as_str(), &one.path, *digest)));
    let across = leaks.iter().filter(|leak| part_of.get(&leak.first) != part_of.get(&leak.again));
    let across = across.map(|leak| [&leak.first, &leak.again]);
    tell_pairs(
        "photos are in two parts of the split under two subjects, so that what was learnt would be measured with itself",
        across,
    )?;
    let mut first = HashMap::new();
    let mut two_labels = Vec::new();
    for (one, digest) in labelled.iter().zip(digests) {
        let before = first.entry(*digest).or_insert(one);
        if before.kind != one.kind {
            two_labels.push([&before.path, &one.path]);
        }
    }
    tell_pairs("photos have two labels, one of which is wrong", two_labels.into_iter())
}

/// Refuses pairs of photos, where there are any.
fn tell_pairs<'a>(what: &str, pairs: impl Iterator<Item = [&'a PathBuf; 2]>) -> anyhow::Result<()> {
    let pairs = pairs.map(|[one, other]| format!("{} = {}", one.display(), other.display()));
    let shown: Vec<String> = pairs.take(LISTED_MAX).collect();
    if !shown.is_empty() {
        bail!("{what}: {}", shown.join(", "));
    }
    Ok(())
}

impl Size {
    fn of(presented: &[Presented]) -> Self {
        let subjects: BTreeSet<&str> = presented.iter().map(|one| one.subject.as_str()).collect();
        let mut size = Self { subjects: subjects.len(), ..Self::default() };
        let mut of_species = BTreeMap::<&str, BTreeSet<&str>>::new();
        for one in presented {
            match &one.kind {
                Kind::Live => size.live += 1,
                Kind::Attack(species) => {
                    size.attacks.entry(species.clone()).or_default().0 += 1;
                    of_species.entry(species).or_default().insert(&one.subject);
                }
            }
        }
        for (species, subjects) in of_species {
            size.attacks.entry(species.to_owned()).or_default().1 = subjects.len();
        }
        size
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let species = self.attacks.iter().map(|(species, (photos, subjects))| {
            format!("{photos} of the attack `{species}` with the faces of {subjects}")
        });
        let species: Vec<String> = species.collect();
        write!(f, "{} subjects, {} live photos, {}", self.subjects, self.live, species.join(", "))
    }
}
