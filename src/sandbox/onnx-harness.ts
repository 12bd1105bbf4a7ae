import { nodeHarness } from './node-harness.js';

/**
 * Loads models and runs them, one call after the other, in a thread that may block: the main one answers for time and memory. Calls:
 * `{op: 'open', key, file}` gives `{digest, inputs, outputs}`, `{op: 'run', key, inputs, outputs}` gives `{outputs}`; what fails is
 * `{failure: 'runtime' | 'load' | 'run' | 'large', message}`. Settings: {threads, resultBytes, root}.
 */
const INTERPRETER = String.raw`
const { createHash } = require('node:crypto');
const { openSync, readSync, closeSync } = require('node:fs');
const { settings } = workerData;
const MOST_MODELS = 4;
// The binding of the runtime takes halves as 16-bit patterns only, its own types prefer this class where there is one.
const Half = globalThis.Float16Array;
delete globalThis.Float16Array;
const HALVES = { from: (data) => new Uint16Array(Half.from(data).buffer) };
const TYPES = {
  BOOL: ['bool', Uint8Array, Number], BYTES: ['string', null, null],
  UINT8: ['uint8', Uint8Array, Number], UINT16: ['uint16', Uint16Array, Number], UINT32: ['uint32', Uint32Array, Number], UINT64: ['uint64', BigUint64Array, BigInt],
  INT8: ['int8', Int8Array, Number], INT16: ['int16', Int16Array, Number], INT32: ['int32', Int32Array, Number], INT64: ['int64', BigInt64Array, BigInt],
  FP16: ['float16', HALVES, Number], FP32: ['float32', Float32Array, Number], FP64: ['float64', Float64Array, Number],
};
const DATATYPES = new Map(Object.entries(TYPES).map(([datatype, [type]]) => [type, datatype]));

let runtime = null;
let missing = '';
try {
  runtime = require(workerData.module);
  runtime.env.logLevel = 'fatal';
} catch (error) {
  missing = String(error && error.message);
}

class Failure extends Error {
  constructor(failure, message) { super(message); this.failure = failure; }
}

/** In the order of their last use. */
const models = new Map();

function digestOf(file) {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(1 << 20);
  const descriptor = openSync(file, 'r');
  try {
    for (let read = readSync(descriptor, piece); read > 0; read = readSync(descriptor, piece)) hash.update(piece.subarray(0, read));
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}

function facesOf(metadata) {
  return metadata.filter(({ isTensor }) => isTensor).map(({ name, type, shape }) => {
    const datatype = DATATYPES.get(type);
    if (!datatype) throw new Failure('load', 'its tensor ' + name + ' is of type ' + type + ', which is not supported');
    return { name, key: name, datatype, shape: shape.map((size) => (typeof size === 'number' ? size : size || -1)), optional: false };
  });
}

async function open({ key, file }) {
  const known = models.get(key);
  models.delete(key);
  if (known) return models.set(key, known) && known.face;
  const digest = digestOf(file);
  const session = await runtime.InferenceSession.create(file, {
    executionProviders: ['cpu'], intraOpNumThreads: settings.threads, interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  if (session.inputMetadata.some(({ isTensor }) => !isTensor)) throw new Failure('load', 'it takes something that is no tensor');
  models.set(key, { session, face: { digest, inputs: facesOf(session.inputMetadata), outputs: facesOf(session.outputMetadata) } });
  const [oldest] = models;
  if (models.size > MOST_MODELS) {
    models.delete(oldest[0]);
    await oldest[1].session.release();
  }
  return models.get(key).face;
}

function tensorOf({ datatype, shape, data }) {
  const [type, Elements, element] = TYPES[datatype];
  return new runtime.Tensor(type, Elements ? Elements.from(data, element) : data, shape);
}
function number(value) {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return Number.isFinite(value) ? value : String(value);
}
function described(name, { type, dims, data }) {
  const datatype = DATATYPES.get(type);
  if (!datatype) throw new Failure('run', 'it gave a tensor of type ' + type + ', which is not supported');
  // An element takes two characters at least.
  if (2 * data.length > settings.resultBytes) throw new Failure('large', '');
  const elements = datatype === 'FP16' ? new Half(data.buffer, data.byteOffset, data.length) : data;
  const element = datatype === 'BYTES' ? String : datatype === 'BOOL' ? Boolean : number;
  return { name, datatype, shape: [...dims], data: Array.from(elements, element) };
}

async function run({ key, inputs, outputs }) {
  const { session } = models.get(key);
  const strange = [...inputs.map(({ name }) => name).filter((name) => !session.inputNames.includes(name)), ...outputs.filter((name) => !session.outputNames.includes(name))];
  if (strange.length > 0) throw new Failure('run', 'it has no tensor ' + strange.join(', '));
  const feeds = Object.fromEntries(inputs.map((tensor) => [tensor.name, tensorOf(tensor)]));
  const found = await session.run(feeds, outputs.length > 0 ? outputs : session.outputNames);
  return { outputs: Object.entries(found).map(([name, tensor]) => described(name, tensor)) };
}

async function answer({ op, ...call }) {
  if (!runtime) return { failure: 'runtime', message: missing };
  try {
    return op === 'open' ? await open(call) : await run(call);
  } catch (error) {
    const said = String(error && error.message).replaceAll(settings.root + '/', '');
    const message = said.length > 500 ? said.slice(0, 500) + '…' : said;
    return { failure: error instanceof Failure ? error.failure : op === 'open' ? 'load' : 'run', message };
  }
}

let turn = Promise.resolve();
parentPort.on('message', (text) => {
  turn = turn.then(async () => {
    const { id, ...call } = JSON.parse(text);
    const reply = JSON.stringify({ id, ...(await answer(call)) });
    const isLarge = Buffer.byteLength(reply) > settings.resultBytes;
    parentPort.postMessage(isLarge ? JSON.stringify({ id, failure: 'large', message: '' }) : reply);
  });
});
parentPort.postMessage('ready');
`;

/** @param module path of onnxruntime-node */
export function onnxHarness(module: string): string {
  return nodeHarness(INTERPRETER, { module });
}
