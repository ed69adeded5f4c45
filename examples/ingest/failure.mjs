// @ts-check
// What can go wrong in a way that its reader can do something about: a file that is not there, a full disk, a process that was
// killed. A Failure is shown as one line; any other error is a bug of this program and shown with its stack.

export class Failure extends Error {}

/** @type {Record<string, string>} */
const REASONS = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'there is one already',
  EFBIG: 'the file grew over the largest size allowed',
  EIO: 'the disk reports an error',
  EISDIR: 'it is a directory',
  EMFILE: 'too many open files',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'no space is left on the disk',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the disk is read-only',
};

/**
 * A system error in plain words, as a Failure; any other error stays as it is.
 * @param {string} what was being done, such as 'cannot read access.log'
 * @param {unknown} error
 * @returns {unknown}
 */
export function explain(what, error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error)?.code;
  const reason = code && REASONS[code];
  if (error instanceof Failure || !reason) return error;
  return new Failure(`${what}: ${reason} (${code})`, { cause: error });
}

/**
 * Text from outside (a file name, an argument) with nothing in it that moves the cursor.
 * @param {string} text
 */
export function printable(text) {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}
