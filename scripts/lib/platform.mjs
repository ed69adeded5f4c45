// Names of this platform as napi uses them.

/** For example `linux-x64-gnu`: the end of the platform package's name and of the addon's file name. */
export function platformName({ platform, arch } = process) {
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return `${platform}-${arch}`;
}

function isMusl() {
  return process.report.getReport().header.glibcVersionRuntime === undefined;
}
