// Stands in for onnxruntime-node where it is not installed, so that what surrounds it can be tested everywhere. A "model" is a text file that says what
// it does: `double` (x of any length, times two), `hang`, `hog` (memory without end), `large`, `half`; anything else cannot be loaded.
const { readFileSync } = process.getBuiltinModule('node:fs');

class Tensor {
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
  }
}

const X = [{ name: 'x', isTensor: true, type: 'float32', shape: ['n'] }];
const DOES = {
  double: (x) =>
    new Tensor(
      'float32',
      x.data.map((value) => 2 * value),
      x.dims,
    ),
  hang: () => {
    for (;;);
  },
  hog: () => {
    const held = [];
    for (;;) held.push(Buffer.alloc(8 << 20, 1));
  },
  large: () => new Tensor('float32', new Float32Array(10_000_000), [10_000_000]),
  wrong: () => {
    throw new Error('the shapes do not match');
  },
};

class InferenceSession {
  static async create(file) {
    const word = readFileSync(file, 'utf8').trim();
    if (!DOES[word]) throw new Error(`Load model from ${file} failed: it is no model`);
    const session = new InferenceSession();
    const y = [{ ...X[0], name: 'y' }];
    return Object.assign(session, { word, inputMetadata: X, outputMetadata: y, inputNames: ['x'], outputNames: ['y'] });
  }
  async run({ x }) {
    return { y: DOES[this.word](x) };
  }
  async release() {}
}

module.exports = { Tensor, InferenceSession, env: {} };
