import { type Tensor, type TensorRule } from './tensor.js';

/**
 * Cuts inputs into calls of at most so many along their first dimension. Only those are cut whose first dimension may be of any size; the others go with
 * every call. Null where such dimensions differ, so that they cannot be the number of a batch.
 */
export function batchesOfTensors(rules: readonly TensorRule[], tensors: readonly Tensor[], most: number | null): Tensor[][] | null {
  const free = new Set(rules.filter(({ shape }) => shape[0] === -1 || typeof shape[0] === 'string').map(({ name }) => name));
  const sizes = new Set(tensors.filter(({ name }) => free.has(name)).map(({ shape }) => shape[0]!));
  const [size = 0] = sizes;
  if (most === null || [...sizes].every((each) => each <= most)) return [[...tensors]];
  if (sizes.size > 1) return null;
  return Array.from({ length: Math.ceil(size / most) }, (_, index) =>
    tensors.map((tensor) => (free.has(tensor.name) ? rowsOf(tensor, index * most, Math.min(size, (index + 1) * most)) : tensor)),
  );
}

/** One answer of several, one below the other; null where they do not fit together, or are not of so many rows as were asked for. */
export function joinBatches(answers: readonly (readonly Tensor[])[], rows: readonly number[]): Tensor[] | null {
  const [first = []] = answers;
  if (answers.length === 1) return [...first];
  const joined = first.map(({ name }): Tensor | null => {
    const parts = answers.map((answer) => answer.find((tensor) => tensor.name === name));
    const [head] = parts;
    const rest = String(head?.shape.slice(1));
    const fits = parts.every((part, index) => part && part.shape[0] === rows[index] && String(part.shape.slice(1)) === rest);
    if (!head || !fits) return null;
    const shape = [rows.reduce((sum, each) => sum + each, 0), ...head.shape.slice(1)];
    return { ...head, shape, data: parts.flatMap((part) => part?.data ?? []) };
  });
  return joined.every((tensor) => tensor !== null) ? joined : null;
}

/** How many rows each call has: the size that was cut. */
export function rowsOfBatches(batches: readonly (readonly Tensor[])[]): number[] {
  const [first = [], second = []] = batches;
  const place = first.findIndex((tensor, index) => tensor !== second[index]);
  return batches.map((tensors) => tensors[place]?.shape[0] ?? 0);
}

function rowsOf({ name, datatype, shape, data }: Tensor, from: number, to: number): Tensor {
  const [rows = 0, ...rest] = shape;
  const width = rows === 0 ? 0 : data.length / rows;
  return { name, datatype, shape: [to - from, ...rest], data: data.slice(from * width, to * width) };
}
