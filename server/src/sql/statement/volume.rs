//! Volumes: CREATE, DROP, RENAME.

use super::grant::{owner, owner_to};
use super::{Command, SecurableReference, TaggedReference};
use crate::error::Result;
use crate::sql::cursor::Cursor;
use crate::sql::reference::ObjectReference;

/// CREATE [EXTERNAL] VOLUME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateVolume {
    /// Its name.
    pub name: ObjectReference,
    /// Whether an existing one is left as it is.
    pub if_not_exists: bool,
    /// Where an external one lies; none for a managed one.
    pub location: Option<String>,
    /// A remark for people.
    pub comment: Option<String>,
}

/// A statement about a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeCommand {
    /// CREATE.
    Create(CreateVolume),
    /// DROP.
    Drop {
        /// Its name.
        name: ObjectReference,
        /// Whether a missing one is no error.
        if_exists: bool,
    },
    /// ALTER … RENAME TO.
    Rename {
        /// Its name.
        name: ObjectReference,
        /// Its name afterwards.
        to: ObjectReference,
    },
}

/// After CREATE VOLUME.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Command> {
    let create = read(cursor)?;
    if create.location.is_some() {
        return Err(cursor
            .unsupported("LOCATION of a managed volume")
            .with_hint("say CREATE EXTERNAL VOLUME"));
    }
    Ok(Command::Volume(VolumeCommand::Create(create)))
}

/// After CREATE EXTERNAL VOLUME.
pub(crate) fn create_external(cursor: &mut Cursor<'_>) -> Result<Command> {
    let create = read(cursor)?;
    match create.location {
        Some(_) => Ok(Command::Volume(VolumeCommand::Create(create))),
        None => Err(cursor.expected("LOCATION")),
    }
}

fn read(cursor: &mut Cursor<'_>) -> Result<CreateVolume> {
    let if_not_exists = cursor.if_not_exists();
    let mut create = CreateVolume { name: cursor.object()?, if_not_exists, location: None, comment: None };
    loop {
        if create.location.is_none() && cursor.word("LOCATION") {
            create.location = Some(cursor.string()?);
        } else if create.comment.is_none() && cursor.word("COMMENT") {
            create.comment = Some(cursor.string()?);
        } else {
            return Ok(create);
        }
    }
}

/// After DROP VOLUME.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> Result<Command> {
    let if_exists = cursor.if_exists();
    Ok(Command::Volume(VolumeCommand::Drop { name: cursor.object()?, if_exists }))
}

/// After ALTER VOLUME.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Command> {
    let name = cursor.object()?;
    if cursor.words(&["RENAME", "TO"]) {
        return Ok(Command::Volume(VolumeCommand::Rename { name, to: cursor.object()? }));
    }
    if owner_to(cursor) {
        return owner(cursor, SecurableReference::Volume(name));
    }
    if let Some(command) = super::tag::alteration(cursor, &TaggedReference::Volume(name))? {
        return Ok(command);
    }
    Err(cursor.unknown_alteration("VOLUME", "RENAME TO, OWNER TO, SET TAGS or UNSET TAGS"))
}
