//! What each metric means, in a sentence, and where it is defined.

use maud::{Markup, html};

/// What was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// One-to-one comparisons.
    Verification,
    /// A search among a gallery.
    Identification,
    /// Presentation attack detection.
    Liveness,
    /// What measures of a picture's quality tell.
    Quality,
}

/// A name, its meaning and its source.
type Entry = (&'static str, &'static str, &'static str);

const FTA: Entry = (
    "Failure to acquire (FTA)",
    "The photos in which no usable face was found; they are counted, never silently dropped.",
    "ISO/IEC 19795-1",
);
const THRESHOLD: Entry = (
    "Threshold τ",
    "Two faces match when their distance is at most τ; a smaller τ lets fewer strangers in and \
     refuses more members.",
    "ISO/IEC 19795-1",
);
const EER: Entry = (
    "Equal error rate (EER)",
    "The error at the threshold at which both kinds of error are equally frequent; it compares \
     systems and is not a point to operate at.",
    "ISO/IEC 19795-1",
);
const INTERVAL: Entry = (
    "Bootstrap interval",
    "Where the figure lies when the test is drawn anew, with replacement, from the test's own \
     data.",
    "Efron and Tibshirani, An Introduction to the Bootstrap, 1993",
);
const DET: Entry = (
    "DET curve",
    "The misses over the false alarms as τ moves, on logarithmic axes; the lower the curve, the \
     better.",
    "Martin et al., Eurospeech 1997; ISO/IEC 19795-1",
);

const VERIFICATION: &[Entry] = &[
    (
        "False match rate (FMR)",
        "The proportion of comparisons of different people that match.",
        "ISO/IEC 19795-1",
    ),
    (
        "False non-match rate (FNMR)",
        "The proportion of comparisons of the same person that do not match.",
        "ISO/IEC 19795-1",
    ),
    (
        "TAR at FMR",
        "The true accept rate, 1 − FNMR, at the threshold at which the FMR is as stated.",
        "ISO/IEC 19795-1",
    ),
    THRESHOLD,
    DET,
    (
        "ROC curve and AUC",
        "The TAR over the FMR; the area under it is the probability that a pair of one person is \
         closer than a pair of two.",
        "Hanley and McNeil, Radiology 143, 1982",
    ),
    EER,
    (
        "Accuracy",
        "The proportion of pairs judged rightly, averaged over ten folds, each judged with the \
         threshold that is best on the other nine; its standard error is that of the mean of the \
         folds.",
        "Huang et al., Labeled Faces in the Wild, 2007",
    ),
    FTA,
    INTERVAL,
];

const IDENTIFICATION: &[Entry] = &[
    (
        "False positive identification rate (FPIR)",
        "The proportion of searches by people who are not enrolled that return somebody.",
        "ISO/IEC 19795-1",
    ),
    (
        "False negative identification rate (FNIR)",
        "The proportion of searches by enrolled people that do not return them.",
        "ISO/IEC 19795-1",
    ),
    (
        "Rank-1 rate",
        "The proportion of searches by enrolled people in which they are the nearest, whatever \
         the distance.",
        "ISO/IEC 19795-1",
    ),
    DET,
    (
        "ROC curve of searches",
        "The true positive identification rate (TPIR), 1 − FNIR, over the FPIR.",
        "ISO/IEC 19795-1",
    ),
    (
        "Ambiguous, and taken for another person",
        "At a gate the nearest person must be nearer than any other by a margin; else nobody is \
         named. A search for an enrolled person is taken for another one who is nearer by that.",
        "Limen",
    ),
    (
        "Gallery, mated and non-mated probes",
        "The enrolled people, the searches by people among them, and the searches by others; \
         the FPIR grows with the gallery.",
        "ISO/IEC 19795-1",
    ),
    THRESHOLD,
    FTA,
    INTERVAL,
];

const QUALITY: &[Entry] = &[
    (
        "Error versus discard",
        "The FNMR of the genuine pairs that are left when those of the least quality are discarded; \
         a measure that tells nothing gives a flat line.",
        "Grother and Tabassi, IEEE TPAMI 29(4), 2007; ISO/IEC 29794-1",
    ),
    (
        "False non-match rate (FNMR)",
        "The proportion of comparisons of the same person that do not match.",
        "ISO/IEC 19795-1",
    ),
    THRESHOLD,
    FTA,
];

const LIVENESS: &[Entry] = &[
    (
        "APCER",
        "The attack presentation classification error rate: the proportion of the attacks of one \
         species that are taken for live; the worst species counts.",
        "ISO/IEC 30107-3",
    ),
    (
        "BPCER",
        "The bona fide presentation classification error rate: the proportion of live people who \
         are taken for an attack.",
        "ISO/IEC 30107-3",
    ),
    (
        "BPCER at APCER",
        "The BPCER at the threshold at which the worst species' APCER is as stated.",
        "ISO/IEC 30107-3",
    ),
    (
        "ACER",
        "The mean of the worst APCER and the BPCER; customary in the literature, and hides which \
         of the two errs.",
        "Boulkenafet et al., OULU-NPU, 2017",
    ),
    EER,
    DET,
    FTA,
    INTERVAL,
];

impl Evaluation {
    fn entries(self) -> &'static [Entry] {
        match self {
            Self::Verification => VERIFICATION,
            Self::Identification => IDENTIFICATION,
            Self::Liveness => LIVENESS,
            Self::Quality => QUALITY,
        }
    }

    /// What the page must not be taken for; none where nobody would.
    pub(super) fn disclaimer(self) -> Option<&'static str> {
        (self == Self::Liveness).then_some(
            "This is no certification. The figures follow the definitions of ISO/IEC 30107-3 but \
             hold only for the attacks in this folder; no level of conformance is claimed.",
        )
    }
}

pub(super) fn markup(evaluation: Evaluation) -> Markup {
    html! {
        dl.glossary {
            @for (name, meaning, source) in evaluation.entries() {
                div {
                    dt { (name) }
                    dd { (meaning) " " cite { (source) } }
                }
            }
        }
    }
}
