// What opening found and did, for people.
import type { NativeNote } from '../binding/index.ts';
import type { RecoveryNote } from './types.ts';

/** `names`: of topics, by their numbers. */
export function noteOf(note: NativeNote, names: ReadonlyMap<number, string>): RecoveryNote {
  const topic = note.topic === undefined ? undefined : names.get(note.topic);
  const { kind, partition, first, next, keptAs } = note;
  return {
    kind,
    topic,
    partition,
    message: note.message ?? told(note, topic),
    first,
    next,
    keptAs,
  };
}

function told(note: NativeNote, topic: string | undefined): string {
  const where = topic === undefined ? 'the positions' : `partition ${note.partition} of ${topic}`;
  const kept = note.keptAs === undefined ? '' : ` They are kept as ${note.keptAs}.`;
  switch (note.kind) {
    case 'cut':
      return `${note.bytes} bytes that nobody was promised were cut off the end of ${where}.${kept}`;
    case 'removed':
      return `A segment of ${where} that does not follow the one before was taken out.${kept}`;
    case 'damaged':
      return `The records ${note.first} to ${(note.next ?? 0) - 1} of ${where} are damaged. They stay as they are.`;
    case 'missing':
      return `The records ${note.first} to ${(note.next ?? 0) - 1} of ${where} are missing.`;
    default:
      return `${note.kind}: ${where}.`;
  }
}
