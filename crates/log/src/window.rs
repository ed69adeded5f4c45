use crate::disk::{File, fill_at};
use crate::{Error, ErrorKind};

/// Reads a file in large steps, for who looks at all of it. Takes 1 MiB of memory, or one batch if that is more.
pub(crate) struct Window<'a> {
    file: &'a dyn File,
    name: &'a str,
    size: u32,
    buffer: Vec<u8>,
    at: u32,
}

/// Bytes a read asks for at least.
const STEP: usize = 1 << 20;

impl<'a> Window<'a> {
    /// On the first `size` bytes of a file.
    pub(crate) const fn new(file: &'a dyn File, name: &'a str, size: u32) -> Self {
        Self {
            file,
            name,
            size,
            buffer: Vec::new(),
            at: 0,
        }
    }

    /// How much is looked at.
    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// What stands from `at` on: at least `least` bytes, or all there are if those are fewer.
    pub(crate) fn bytes(&mut self, at: u32, least: u32) -> Result<&[u8], Error> {
        let left = self.size.saturating_sub(at);
        let need = least.min(left) as usize;
        let end = u64::from(self.at) + self.buffer.len() as u64;
        if at < self.at || u64::from(at) + need as u64 > end {
            self.load(at, need.max(STEP).min(left as usize))?;
        }
        let from = (at.saturating_sub(self.at)) as usize;
        Ok(self.buffer.get(from..).unwrap_or_default())
    }

    fn load(&mut self, at: u32, many: usize) -> Result<(), Error> {
        self.at = at;
        self.buffer.clear();
        self.buffer.try_reserve(many).map_err(|_| {
            let message = format!("no memory for {many} bytes of {}", self.name);
            Error::new(ErrorKind::Storage, message)
        })?;
        self.buffer.resize(many, 0);
        match fill_at(self.file, &mut self.buffer, u64::from(at)) {
            Ok(read) => {
                // A file that has become shorter meanwhile ends where it ends.
                self.buffer.truncate(read);
                Ok(())
            }
            Err(error) => {
                self.buffer.clear();
                Err(Error::system("read", self.name, &error))
            }
        }
    }
}
