//! A certificate for development, which the server makes and signs itself.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{reason, refused};
use crate::error::{Error, Result};

/// The names by which this machine is asked.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where the certificate lies.
pub(super) fn certificate(data_directory: &Path) -> PathBuf {
    folder(data_directory).join("server.pem")
}

/// The files of the certificate and its key; made when they are missing.
pub(super) fn files(data_directory: &Path) -> Result<(PathBuf, PathBuf)> {
    let folder = &folder(data_directory);
    let (certificate, key) = (certificate(data_directory), folder.join("server.key"));
    if !certificate.exists() || !key.exists() {
        let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).map_err(Error::internal)?;
        std::fs::create_dir_all(folder).map_err(|cause| unwritable(folder, &cause))?;
        // The key first: a certificate that is there has one.
        write(&key, 0o600, &made.signing_key.serialize_pem())?;
        write(&certificate, 0o644, &made.cert.pem())?;
    }
    Ok((certificate, key))
}

fn folder(data_directory: &Path) -> PathBuf {
    data_directory.join("tls")
}

fn write(path: &Path, mode: u32, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|cause| unwritable(path, &cause))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Error {
    refused(format!("cannot write `{}`: {}", path.display(), reason(cause))).with_hint(
        "make it writable for this user, or give the server a certificate with `server.tls_certificate`",
    )
}
