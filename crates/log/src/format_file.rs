use crate::frame::{FrameFault, FrameKind, decode_frame, encode_frame};
use crate::{Error, ErrorKind};

/// `kaska.format`: what a directory is, and which programs may write to it. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormatFile {
    /// Id of the directory.
    pub(crate) id: [u8; 16],
    /// When it was made, in ms since 1970.
    pub(crate) created_ms: i64,
}

/// The format that this program writes.
const FORMAT: u16 = 1;
/// The oldest one that may write what it wrote.
const OLDEST: u16 = 1;
const TEXT: &str =
    "chaski: a directory of topics. Do not change or remove files here while it is open.\n";
const HEAD_BYTES: usize = 28;

impl FormatFile {
    /// The file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(HEAD_BYTES + TEXT.len());
        body.extend(FORMAT.to_be_bytes());
        body.extend(OLDEST.to_be_bytes());
        body.extend(self.id);
        body.extend(self.created_ms.to_be_bytes());
        body.extend(TEXT.as_bytes());
        encode_frame(FrameKind::Format, &body).unwrap_or_default()
    }

    /// What a file says.
    ///
    /// # Errors
    ///
    /// `Format` if a newer program must write there; `Corrupt` if it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let newer = |version: u16| {
            let message = format!(
                "the directory was made by a newer version of chaski (format {version}, known is {FORMAT}); use that version. Nothing was changed"
            );
            Error::new(ErrorKind::Format, message)
        };
        let damaged = || {
            let message = "kaska.format is damaged; restore it from a backup. Nothing was changed";
            Error::new(ErrorKind::Corrupt, message)
        };
        let body = match decode_frame(FrameKind::Format, bytes) {
            Ok((body, [])) => body,
            Err(FrameFault::Newer(version)) => return Err(newer(version)),
            _ => return Err(damaged()),
        };
        let (head, _) = body.split_first_chunk::<HEAD_BYTES>().ok_or_else(damaged)?;
        let (numbers, rest) = head.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (id, created) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let created = created.first_chunk::<8>().ok_or_else(damaged)?;
        let &[_, _, a, b] = numbers;
        let oldest = u16::from_be_bytes([a, b]);
        if oldest > FORMAT {
            return Err(newer(oldest));
        }
        Ok(Self {
            id: *id,
            created_ms: i64::from_be_bytes(*created),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_program_made_is_refused_and_what_an_older_one_may_write_is_not() {
        let made = FormatFile {
            id: [7; 16],
            created_ms: -3,
        };
        let bytes = made.encode();
        assert_eq!(FormatFile::decode(&bytes).unwrap(), made);
        let with = |format: u16, oldest: u16| {
            let mut body = bytes[16..].to_vec();
            body[..2].copy_from_slice(&format.to_be_bytes());
            body[2..4].copy_from_slice(&oldest.to_be_bytes());
            FormatFile::decode(&encode_frame(FrameKind::Format, &body).unwrap())
        };
        assert_eq!(with(9, 1).unwrap(), made);
        assert_eq!(with(9, 2).unwrap_err().kind, ErrorKind::Format);
        for length in 0..bytes.len() {
            let torn = FormatFile::decode(&bytes[..length]);
            assert_eq!(torn.unwrap_err().kind, ErrorKind::Corrupt);
        }
    }
}
