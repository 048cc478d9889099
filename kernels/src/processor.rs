//! What the processor can do, asked once.

use std::sync::OnceLock;

use tch::Kind;

use super::trial;

/// How `f32` is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// 8 numbers at a time.
    Avx2,
    /// 16 numbers at a time.
    Avx512,
}

/// How `bf16` is multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Unit {
    /// AVX-512 BF16.
    Pairs,
    /// AMX.
    Tiles,
}

/// The instructions that the kernels may use: all are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    vectors: Vectors,
    bf16: Option<Bf16Unit>,
}

impl Processor {
    /// This machine's; none without AVX2 and FMA, where libtorch does better.
    pub fn here() -> Option<Self> {
        static HERE: OnceLock<Option<Processor>> = OnceLock::new();
        *HERE.get_or_init(Self::detect)
    }

    /// Whether maps of this kind are worked on.
    pub fn knows(self, kind: Kind) -> bool {
        match kind {
            Kind::Float => true,
            Kind::BFloat16 => self.bf16.is_some(),
            _ => false,
        }
    }

    /// For `f32`.
    pub fn vectors(self) -> Vectors {
        self.vectors
    }

    /// For `bf16`; none: it would only be slower.
    pub fn bf16(self) -> Option<Bf16Unit> {
        self.bf16
    }

    fn detect() -> Option<Self> {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            return None;
        }
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let bf16 = match avx512 && is_x86_feature_detected!("avx512bf16") {
            true if amx() => Some(tried()),
            true => Some(Bf16Unit::Pairs),
            false => None,
        };
        Some(Self { vectors: if avx512 { Vectors::Avx512 } else { Vectors::Avx2 }, bf16 })
    }

    /// This one and every lesser one that it can stand in for.
    #[cfg(test)]
    pub fn with_lesser(self) -> Vec<Self> {
        let mut all = vec![self];
        if self.bf16 == Some(Bf16Unit::Tiles) {
            all.push(Self { bf16: Some(Bf16Unit::Pairs), ..self });
        }
        if self.vectors == Vectors::Avx512 {
            all.push(Self { vectors: Vectors::Avx2, bf16: None });
        }
        all
    }
}

/// The tiles, unless they multiply otherwise than the vectors.
fn tried() -> Bf16Unit {
    // SAFETY: there is AMX, which this process was allowed, and AVX-512 BF16.
    if unsafe { trial::tiles_multiply() } {
        return Bf16Unit::Tiles;
    }
    tracing::warn!("AMX makes other products than AVX-512 BF16 here, which is used in its place");
    Bf16Unit::Pairs
}

/// Whether there are tiles of bf16 and the system lets this process use them. Linux keeps the 8 KiB of
/// their state for nobody who has not asked ("Using XSTATE features in user space applications").
#[cfg(target_os = "linux")]
fn amx() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_ulong = 18;
    let leaf = std::arch::x86_64::__cpuid_count(7, 0).edx;
    let there = leaf & AMX_BF16 != 0 && leaf & AMX_TILE != 0;
    // SAFETY: asks for a permission; touches no memory.
    there
        && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) }
            == 0
}

#[cfg(not(target_os = "linux"))]
fn amx() -> bool {
    false
}
