// Objects of classes, which no data format has a way to write.

/** The class of an object of which its own enumerable properties are not what it holds; undefined when they are. */
export function opaqueClass(value: object): string | undefined {
  const tag: string = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== 'Object') return tag;
  if (!(Symbol.iterator in value) && !(Symbol.asyncIterator in value)) return undefined;
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' ? constructor.name : '';
}
