// Python's pickle, as data: `reader` and `writer`; `globals` and `decoders` say what the names in a pickle stand for, `values` what Python
// has and JavaScript has not.
export { PickleSerializer, pickle } from './serializer.ts';
export type { PickledObject, PickleDecoder, PickleEncoder, PickleOptions } from './serializer.ts';
export { FrozenSet, NdArray, Tuple, Uuid } from './values.ts';
export type { Dtype, NumericArray } from './values.ts';
