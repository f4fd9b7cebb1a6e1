//! How far the rows lie that a deletion vector marks, read from the vector's head alone.
//!
//! Whoever reads a vector as a mask needs memory up to its highest row, and some twenty bytes can mark row 2^60. So no vector is
//! handed on that reaches beyond [`ROWS_MAX`]: what stands in a log is looked at when a snapshot is made, and what stands in a
//! file when the file is read.
//!
//! Format: Delta Transaction Log Protocol, "Deletion Vector Format", and the RoaringBitmap specification that it refers to.

/// Marked rows lie before this one. A mask has a byte for each row, which makes 256 MiB.
pub(crate) const ROWS_MAX: u64 = 1 << 28;
/// How the names of files end that hold vectors.
pub(crate) const FILE_SUFFIX: &str = ".bin";

/// Rows of one container of a bitmap, in bits.
const BLOCK_BITS: u32 = 16;
/// A bitmap has at most a container for each block of rows.
const BLOCKS_MAX: u64 = ROWS_MAX >> BLOCK_BITS;
/// Stands before each vector.
const MAGIC: u32 = 1_681_511_377;
/// Begins a bitmap without containers of runs.
const PLAIN: u32 = 12_346;
/// Begins a bitmap with such, in its lower half.
const WITH_RUNS: u32 = 12_347;
/// The number of a bitmap, and the least that the bitmap takes.
const BITMAP_BYTES_MIN: usize = 12;
/// More than the head of a bitmap takes that reaches as far as is allowed, in groups of four bytes.
const HEAD_GROUPS: usize = 5000;

/// Where the marked rows of a vector end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No row is marked.
    Nowhere,
    /// The highest marked row is one of these 65,536, which begin at this row.
    Block(u64),
    /// At or beyond [`ROWS_MAX`].
    TooFar,
}

impl Reach {
    /// Of a vector as it stands in a log. None where it is no vector.
    pub(crate) fn of_inline(text: &str) -> Option<Self> {
        let bytes = unpacked(text)?;
        let mut rest = bytes.as_slice();
        (u32::from_le_bytes(take(&mut rest)?) == MAGIC).then(|| Self::of_bitmaps(rest))?
    }

    /// Of the bitmaps that follow the magic number.
    fn of_bitmaps(mut rest: &[u8]) -> Option<Self> {
        let count = u64::from_le_bytes(take(&mut rest)?);
        if count == 0 {
            return Some(Self::Nowhere);
        }
        if count > u64::try_from(rest.len() / BITMAP_BYTES_MIN).ok()? {
            return None;
        }
        // Each bitmap is of 2^32 rows.
        let upper = u32::from_le_bytes(take(&mut rest)?);
        if count > 1 || upper > 0 {
            return Some(Self::TooFar);
        }
        let cookie = u32::from_le_bytes(take(&mut rest)?);
        let (containers, flags) = match cookie {
            PLAIN => (u32::from_le_bytes(take(&mut rest)?), 0),
            _ if cookie & 0xffff == WITH_RUNS => {
                let containers = (cookie >> BLOCK_BITS) + 1;
                (containers, containers.div_ceil(u8::BITS))
            }
            _ => return None,
        };
        if u64::from(containers) > BLOCKS_MAX {
            return Some(Self::TooFar);
        }
        let heads = rest.get(usize::try_from(flags).ok()?..)?;
        let heads = heads.get(..usize::try_from(containers).ok()?.checked_mul(4)?)?;
        // The number of the block, then how many rows of it are marked.
        let blocks = heads.chunks_exact(4).map(|head| match head {
            [low, high, ..] => u64::from(u16::from_le_bytes([*low, *high])),
            _ => u64::MAX,
        });
        Some(match blocks.max() {
            None => Self::Nowhere,
            Some(highest) if highest < BLOCKS_MAX => Self::Block(highest << BLOCK_BITS),
            Some(_) => Self::TooFar,
        })
    }
}

/// Whether a vector may begin anywhere in a file that reaches too far. Where vectors begin is told by logs, which may lie.
pub(crate) fn reaches_too_far(file: &[u8]) -> bool {
    let magic = MAGIC.to_le_bytes();
    let begins = file.windows(magic.len()).enumerate().filter(|(_, window)| *window == magic);
    let mut bitmaps = begins.filter_map(|(place, _)| file.get(place + magic.len()..));
    bitmaps.any(|bitmaps| Reach::of_bitmaps(bitmaps) == Some(Reach::TooFar))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

/// The bytes that begin a text in Z85, as ZeroMQ's RFC 32 has it.
fn unpacked(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks_exact(5).take(HEAD_GROUPS) {
        let mut number = 0_u32;
        for digit in group {
            number = number.checked_mul(85)?.checked_add(value_of(*digit)?)?;
        }
        bytes.extend(number.to_be_bytes());
    }
    Some(bytes)
}

fn value_of(digit: u8) -> Option<u32> {
    Some(match digit {
        b'0'..=b'9' => u32::from(digit - b'0'),
        b'a'..=b'z' => u32::from(digit - b'a') + 10,
        b'A'..=b'Z' => u32::from(digit - b'A') + 36,
        _ => {
            let place = b".-:+=^!/*?&<>()[]{}@%$#".iter().position(|sign| *sign == digit)?;
            u32::try_from(place).ok()? + 62
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector of one row in each of these containers, in the bitmap of this number.
    fn vector(upper: u32, blocks: &[u16], runs: bool) -> Vec<u8> {
        let count = u32::try_from(blocks.len()).unwrap_or_default();
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend(1_u64.to_le_bytes());
        bytes.extend(upper.to_le_bytes());
        if runs {
            bytes.extend((WITH_RUNS | ((count - 1) << 16)).to_le_bytes());
            bytes.extend(vec![0; blocks.len().div_ceil(8)]);
        } else {
            bytes.extend(PLAIN.to_le_bytes());
            bytes.extend(count.to_le_bytes());
        }
        for block in blocks {
            bytes.extend(block.to_le_bytes());
            bytes.extend(0_u16.to_le_bytes());
        }
        bytes.extend(vec![0; 6 * blocks.len()]);
        bytes
    }

    fn reach(vector: &[u8]) -> Option<Reach> {
        Reach::of_bitmaps(vector.get(4..)?)
    }

    #[test]
    fn the_head_of_a_vector_tells_where_its_rows_end() {
        for runs in [false, true] {
            assert_eq!(reach(&vector(0, &[0], runs)), Some(Reach::Block(0)));
            assert_eq!(reach(&vector(0, &[0, 2, 4095], runs)), Some(Reach::Block(4095 << 16)));
            assert_eq!(reach(&vector(0, &[0, 4096], runs)), Some(Reach::TooFar));
            assert_eq!(reach(&vector(0, &[4096, 0], runs)), Some(Reach::TooFar), "in no order");
            assert_eq!(reach(&vector(1024, &[0], runs)), Some(Reach::TooFar));
        }
        assert_eq!(reach(&vector(0, &[], false)), Some(Reach::Nowhere));
        let whole = vector(0, &[7], false);
        for cut in 0..26 {
            assert_eq!(whole.get(..cut).and_then(reach), None, "{cut}");
        }
    }

    #[test]
    fn a_vector_in_a_file_is_found_wherever_it_begins() {
        let mut file = vec![1];
        file.extend(vector(0, &[0, 4095], false));
        file.extend(vector(0, &[3], true));
        assert!(!reaches_too_far(&file));
        file.extend([9, 9, 9]);
        file.extend(vector(1, &[0], false));
        assert!(reaches_too_far(&file));
        assert!(!reaches_too_far(&[]));
        assert!(!reaches_too_far(&MAGIC.to_le_bytes()));
    }

    #[test]
    fn a_text_of_a_log_is_read_or_is_none() {
        // the example of the protocol
        let marked = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
        assert_eq!(Reach::of_inline(marked), Some(Reach::Block(0)));
        for other in ["", "0", "00000", "^Bg9^", "no vector at all", "#####"] {
            assert_eq!(Reach::of_inline(other), None, "{other}");
        }
    }
}
