//! Unpacks `.tar.zst` archives: plain files and folders, in ustar, with PAX and GNU long names.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

const BLOCK: usize = 512;

/// Unpacks the archive at `path` into `folder`.
pub fn unpack(path: &Path, folder: &Path) {
    let file = std::fs::File::open(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    let mut bytes = Vec::new();
    zstd::Decoder::new(file).and_then(|mut text| text.read_to_end(&mut bytes)).expect("a zstd archive");
    let mut rest = bytes.as_slice();
    let mut long_name: Option<String> = None;
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let size = octal(field(header, 124, 12));
        let (content, after) = after.split_at_checked(size).expect("a whole archive");
        rest = after.get(size.next_multiple_of(BLOCK) - size..).unwrap_or_default();
        let kind = header.get(156).copied().unwrap_or_default();
        let name = long_name.take().unwrap_or_else(|| name_of(header));
        match kind {
            b'0' | 0 => write(&folder.join(safe(&name)), content),
            b'5' => std::fs::create_dir_all(folder.join(safe(&name))).expect("a folder"),
            b'x' => long_name = pax_path(content),
            b'L' => long_name = Some(text(content)),
            b'g' => {}
            other => panic!("{}: an entry of kind {}", path.display(), char::from(other)),
        }
    }
}

fn write(path: &Path, content: &[u8]) {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder");
    }
    std::fs::write(path, content).expect("a file");
}

fn field(header: &[u8], start: usize, length: usize) -> &[u8] {
    header.get(start..start + length).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn octal(bytes: &[u8]) -> usize {
    usize::from_str_radix(text(bytes).trim(), 8).expect("a size")
}

fn name_of(header: &[u8]) -> String {
    let (prefix, name) = (text(field(header, 345, 155)), text(field(header, 0, 100)));
    if prefix.is_empty() || text(field(header, 257, 5)) != "ustar" {
        name
    } else {
        format!("{prefix}/{name}")
    }
}

/// The `path` record of a PAX header: `LENGTH path=VALUE` and a line break.
fn pax_path(content: &[u8]) -> Option<String> {
    let content = String::from_utf8_lossy(content).into_owned();
    let mut rest = content.as_str();
    while let Some((length, _)) = rest.split_once(' ') {
        let (record, after) = rest.split_at_checked(length.parse().ok()?)?;
        if let Some((_, path)) = record.trim_end_matches('\n').split_once(" path=") {
            return Some(path.to_owned());
        }
        rest = after;
    }
    None
}

fn safe(name: &str) -> PathBuf {
    let path = PathBuf::from(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    assert!(plain, "`{name}` leads out of the archive");
    path
}
