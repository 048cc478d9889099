//! Hash chains over the trail: whoever alters, removes or moves a record afterwards breaks its chain.
//!
//! Each record's hash covers the record and the hash before it (Haber and Stornetta, *How to Time-Stamp a
//! Digital Document*, 1991): `hash = SHA-256(hash before ‖ record)`. The head of a chain is signed, so that
//! nobody without the key can make a chain anew or cut its end off.
//!
//! What says whose record it is goes into it as a commitment, `SHA-256("limen.commitment.1" ‖ blind ‖ personal)`
//! with 16 random bytes: a person can be erased, and the random bytes with them, while the chain stays whole.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Change, GateId, GateInput, Passage};

/// The hash of a record and of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What the first record follows.
    pub const START: Self = Self([0; 32]);

    /// The hash of the record that follows.
    #[must_use]
    pub fn followed_by(self, record: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(record).finalize().into())
    }
}

/// As hexadecimal digits.
impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Random bytes without which nobody can tell what a commitment is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind(pub [u8; 16]);

impl Blind {
    /// Fresh ones: the 122 random bits of a UUID.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// The commitment to `personal`.
    #[must_use]
    pub fn commit(self, personal: &[u8]) -> Commitment {
        let hash = Sha256::new().chain_update(b"limen.commitment.1").chain_update(self.0);
        Commitment(hash.chain_update(personal).finalize().into())
    }
}

/// Stands for what says whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

/// Which chain: a gate's passages and inputs, or what was administered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream(pub Uuid);

impl Stream {
    /// What was administered.
    pub const CHANGES: Self = Self(Uuid::nil());
}

impl From<GateId> for Stream {
    fn from(gate: GateId) -> Self {
        Self(gate.0)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CHANGES { f.write_str("changes") } else { write!(f, "gate {}", self.0) }
    }
}

/// Where a chain ends, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which chain.
    pub stream: Stream,
    /// How many records it has had: the last one's position, from 1.
    pub length: u64,
    /// The hash of the last record.
    pub hash: ChainHash,
    /// Records up to this position were purged when their time was over.
    pub purged: u64,
    /// The hash of the last of them.
    pub purged_hash: ChainHash,
    /// How many records there are from before there were chains.
    pub unchained: u64,
}

impl Head {
    /// That of a chain that begins.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        let (hash, purged_hash) = (ChainHash::START, ChainHash::START);
        Self { stream, length: 0, hash, purged: 0, purged_hash, unchained: 0 }
    }

    /// What is signed: `limen.head.1`, the stream, then the numbers as 64 bits, the most significant byte
    /// first, and the hashes, in the order of the fields.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        [
            b"limen.head.1".as_slice(),
            self.stream.0.as_bytes(),
            &self.length.to_be_bytes(),
            &self.hash.0,
            &self.purged.to_be_bytes(),
            &self.purged_hash.0,
            &self.unchained.to_be_bytes(),
        ]
        .concat()
    }

    /// The head with one more record; gives the record's hash with it.
    #[must_use]
    pub fn with(mut self, record: &[u8]) -> Self {
        self.length += 1;
        self.hash = self.hash.followed_by(record);
        self
    }
}

/// A passage as its hash covers it: this object as JSON without blanks, the fields in this order. Moments are
/// microseconds since 1970; floats the shortest decimals that read back as the same 32-bit numbers.
#[derive(Serialize)]
struct PassageRecord<'a> {
    record: &'static str,
    position: u64,
    passage_id: Uuid,
    gate_id: Uuid,
    event_id: &'a str,
    captured_at: i64,
    decided_at: i64,
    decision: &'static str,
    reason: &'static str,
    open_ms: u32,
    notice: Option<&'static str>,
    zone_id: Option<Uuid>,
    direction: Option<&'static str>,
    mode: Option<&'static str>,
    distance: Option<f32>,
    threshold: Option<f32>,
    liveness: Option<f32>,
    liveness_threshold: Option<f32>,
    model_id: Option<&'a str>,
    calibration: Option<&'a str>,
    policy_version: Option<u64>,
    frames: u16,
    frames_sha256: String,
    key_id: Uuid,
    replay_of: Option<Uuid>,
    /// The commitment, in hexadecimal digits.
    person: String,
    // Those below are left out where there is none: records from before they were written read as they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_distance: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_figure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_value: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_limit: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probability_min: Option<f32>,
}

/// Whose passage it was, as the commitment covers it: also which of theirs came before it, which is left out where
/// there is none.
#[derive(Serialize)]
struct PassagePerson<'a> {
    employee_id: Option<Uuid>,
    face_ids: Vec<Uuid>,
    badge_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_passage_id: Option<Uuid>,
}

impl Passage {
    /// What says whose passage it was.
    #[must_use]
    pub fn personal(&self) -> Vec<u8> {
        json(&PassagePerson {
            employee_id: self.evidence.employee_id.map(|id| id.0),
            face_ids: self.evidence.face_ids.iter().map(|id| id.0).collect(),
            badge_id: self.request.badge_id.as_ref().map(super::BadgeId::as_str),
            earlier_passage_id: self.evidence.earlier_passage_id.map(|id| id.0),
        })
    }

    /// The record at a position of its gate's chain.
    #[must_use]
    pub fn record(&self, position: u64, person: Commitment) -> Vec<u8> {
        let Self { request, evidence, .. } = self;
        json(&PassageRecord {
            record: "limen.passage.1",
            position,
            passage_id: self.id.0,
            gate_id: request.gate_id.0,
            event_id: request.event_id.as_str(),
            captured_at: request.captured_at.timestamp_micros(),
            decided_at: self.decided_at.timestamp_micros(),
            decision: self.reason.decision().code(),
            reason: self.reason.code(),
            open_ms: self.open_ms,
            notice: self.notice.map(super::Notice::code),
            zone_id: self.zone_id.map(|id| id.0),
            direction: self.direction.map(super::Direction::code),
            mode: self.mode.map(super::GateMode::code),
            distance: evidence.distance.map(super::Distance::value),
            threshold: evidence.threshold.map(super::Threshold::value),
            liveness: evidence.liveness.map(super::LivenessScore::value),
            liveness_threshold: evidence.liveness_threshold.map(super::LivenessScore::value),
            model_id: evidence.model_id.as_ref().map(super::ModelId::as_str),
            calibration: evidence.calibration.as_deref(),
            policy_version: self.policy_version,
            frames: evidence.frames,
            frames_sha256: hex(&request.frames_sha256),
            key_id: request.key_id.0,
            replay_of: self.replay_of.map(|id| id.0),
            person: hex(&person.0),
            second_distance: evidence.runner_up.map(|second| second.distance().value()),
            margin: evidence.runner_up.map(super::RunnerUp::margin),
            quality_figure: evidence.shortfall.map(|shortfall| shortfall.figure().code()),
            quality_value: evidence.shortfall.map(super::Shortfall::value),
            quality_limit: evidence.shortfall.map(super::Shortfall::limit),
            probability: evidence.likelihood.map(|likelihood| likelihood.probability.value()),
            probability_min: evidence.likelihood.map(|likelihood| likelihood.minimum.value()),
        })
    }
}

/// A gate's input as its hash covers it; moments as those of a passage. It is about nobody.
#[derive(Serialize)]
struct InputRecord<'a> {
    record: &'static str,
    position: u64,
    input_id: Uuid,
    gate_id: Uuid,
    event_id: &'a str,
    input: &'static str,
    passage_id: Option<Uuid>,
    happened_at: i64,
    recorded_at: i64,
    key_id: Uuid,
}

impl GateInput {
    /// The record at a position of its gate's chain.
    #[must_use]
    pub fn record(&self, position: u64) -> Vec<u8> {
        let report = &self.report;
        json(&InputRecord {
            record: "limen.input.1",
            position,
            input_id: self.id.0,
            gate_id: report.gate_id.0,
            event_id: report.event_id.as_str(),
            input: report.kind.code(),
            passage_id: report.passage_id.map(|id| id.0),
            happened_at: report.happened_at.timestamp_micros(),
            recorded_at: self.recorded_at.timestamp_micros(),
            key_id: report.key_id.0,
        })
    }
}

/// A change as its hash covers it.
#[derive(Serialize)]
struct ChangeRecord<'a> {
    record: &'static str,
    position: u64,
    change_id: Uuid,
    changed_at: i64,
    key_id: Option<Uuid>,
    author: &'a str,
    action: &'a str,
    kind: &'a str,
    subject_id: Uuid,
    employee_id: Option<Uuid>,
    by_limen: bool,
    /// The commitment to the details, in hexadecimal digits.
    details: String,
}

impl Change {
    /// The record at a position of the chain of changes.
    #[must_use]
    pub fn record(&self, position: u64, details: Commitment) -> Vec<u8> {
        json(&ChangeRecord {
            record: "limen.change.1",
            position,
            change_id: self.id.0,
            changed_at: self.changed_at.timestamp_micros(),
            key_id: self.key_id.map(|id| id.0),
            author: &self.author,
            action: self.action.code(),
            kind: &self.kind,
            subject_id: self.subject_id,
            employee_id: self.employee_id.map(|id| id.0),
            by_limen: self.by_limen,
            details: hex(&details.0),
        })
    }
}

/// Plain numbers, texts and ids are always JSON.
fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record has no maps with odd keys")
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_depends_on_every_record_and_on_their_order() {
        let chain = |records: &[&[u8]]| {
            records.iter().fold(ChainHash::START, |hash, record| hash.followed_by(record))
        };
        assert_ne!(chain(&[b"a", b"b"]), chain(&[b"b", b"a"]));
        assert_ne!(chain(&[b"a", b"b"]), chain(&[b"a"]));
        assert_eq!(chain(&[b"a", b"b"]), chain(&[b"a", b"b"]));
    }

    /// Nobody was near enough: a passage with none of what was not recorded at first.
    fn passage() -> crate::domain::Passage {
        use crate::domain::{Evidence, KeyId, PassageId, PassageRequest, Reason};

        let moment = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        Passage {
            id: PassageId(Uuid::from_u128(1)),
            request: PassageRequest {
                gate_id: GateId(Uuid::from_u128(2)),
                event_id: "event-1".parse().unwrap(),
                captured_at: moment(1),
                badge_id: None,
                frames_sha256: [0xab; 32],
                key_id: KeyId(Uuid::from_u128(3)),
            },
            reason: Reason::UnknownPerson,
            evidence: Evidence {
                distance: Some(1.5.try_into().unwrap()),
                threshold: Some(1.1.try_into().unwrap()),
                frames: 1,
                ..Evidence::default()
            },
            open_ms: 0,
            notice: None,
            zone_id: None,
            direction: None,
            policy_version: Some(7),
            mode: None,
            decided_at: moment(2),
            replay_of: None,
        }
    }

    #[test]
    fn a_record_without_what_was_added_since_reads_as_it_did() {
        let passage = passage();
        let record = format!(
            "{}{}{}{}",
            r#"{"record":"limen.passage.1","position":4,"passage_id":"00000000-0000-0000-0000-000000000001","#,
            r#""gate_id":"00000000-0000-0000-0000-000000000002","event_id":"event-1","captured_at":1000000,"decided_at":2000000,"decision":"deny","reason":"unknown_person","open_ms":0,"notice":null,"zone_id":null,"direction":null,"mode":null,"#,
            r#""distance":1.5,"threshold":1.1,"liveness":null,"liveness_threshold":null,"model_id":null,"calibration":null,"policy_version":7,"frames":1,"#,
            format_args!(
                r#""frames_sha256":"{}","key_id":"00000000-0000-0000-0000-000000000003","replay_of":null,"person":"{}"}}"#,
                "ab".repeat(32),
                "cd".repeat(32)
            ),
        );
        let written = passage.record(4, Commitment([0xcd; 32]));
        assert_eq!(String::from_utf8(written).unwrap(), record);
        let personal = r#"{"employee_id":null,"face_ids":[],"badge_id":null}"#;
        assert_eq!(String::from_utf8(passage.personal()).unwrap(), personal);
    }

    #[test]
    fn whatever_was_added_since_is_covered() {
        use crate::domain::{Likelihood, PassageId, QualityFigure as F, RunnerUp, Shortfall};

        let covered =
            |passage: &Passage| (passage.record(1, Commitment([0; 32])), passage.personal());
        let mut seen = vec![covered(&passage())];
        for (distance, margin) in [(1.5, 0.1), (1.6, 0.1), (1.5, 0.2)] {
            let mut passage = passage();
            passage.evidence.runner_up = RunnerUp::new(distance.try_into().unwrap(), margin);
            seen.push(covered(&passage));
        }
        for (figure, value, limit) in
            [(F::Yaw, 0.5, 0.4), (F::Pitch, 0.5, 0.4), (F::Yaw, 0.6, 0.4), (F::Yaw, 0.5, 0.3)]
        {
            let mut passage = passage();
            passage.evidence.shortfall = Shortfall::new(figure, value, limit);
            seen.push(covered(&passage));
        }
        for (probability, minimum) in [(0.5f32, 0.9f32), (0.6, 0.9), (0.5, 0.8)] {
            let [probability, minimum] = [probability, minimum].map(|p| p.try_into().unwrap());
            let mut passage = passage();
            passage.evidence.likelihood = Some(Likelihood { probability, minimum });
            seen.push(covered(&passage));
        }
        for earlier in [8, 9] {
            let mut passage = passage();
            passage.evidence.earlier_passage_id = Some(PassageId(Uuid::from_u128(earlier)));
            seen.push(covered(&passage));
            // Which passages are one person's goes when the person does.
            assert_eq!(seen.last().unwrap().0, seen[0].0);
        }
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn a_commitment_tells_nothing_without_its_blind() {
        let (one, other) = (Blind::generate(), Blind::generate());
        assert_ne!(one.commit(b"person"), other.commit(b"person"));
        assert_eq!(one.commit(b"person"), one.commit(b"person"));
        assert_ne!(one.commit(b"person"), one.commit(b"somebody"));
    }

    #[test]
    fn every_part_of_a_head_is_signed() {
        let head = Head {
            stream: Stream(Uuid::from_u128(1)),
            length: 2,
            hash: ChainHash([3; 32]),
            purged: 1,
            purged_hash: ChainHash([4; 32]),
            unchained: 5,
        };
        let others = [
            Head { stream: Stream::CHANGES, ..head },
            Head { length: 3, ..head },
            Head { hash: ChainHash::START, ..head },
            Head { purged: 0, ..head },
            Head { purged_hash: ChainHash::START, ..head },
            Head { unchained: 0, ..head },
        ];
        assert!(others.iter().all(|other| other.message() != head.message()));
    }
}
