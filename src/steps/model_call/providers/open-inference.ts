import { cutText } from '../../../engine/auth/cut-text.js';
import { type OutboundStreams } from '../../../engine/outbound-port.js';
import { type StepContext, StepFailure } from '../../../engine/step-executor.js';
import { isDatatype, MOST_DIMENSIONS, type Tensor, type TensorRule } from '../../../engine/tensors/tensor.js';
import { isObject, type Json, type JsonObject, own } from '../../../engine/values.js';
import { LARGE_BODY_BYTES } from '../../../outbound/response-body.js';
import { type ModelRequest } from '../model.request.js';
import { type CircuitBreaker } from './circuit-breaker.js';
import { type ModelAnswer, type ModelProvider } from './provider.js';
import { endpointOf, garbled, guardedFetch, remoteFailure, statusFailure } from './remote.js';
import { declaredFace, inferInBatches, type TensorFace, tensorsOf } from './tensor-call.js';
import { readExactJson, wireTensor } from './wire-json.js';

/** How long the word of a server about its model counts. */
const FACE_MS = 60_000;
const MOST_FACES = 1_000;
const LONGEST_NAME = 200;
/** Characters of why a server refused. */
const LONGEST_REASON = 500;

interface KnownFace {
  readonly face: TensorFace;
  /** Monotonic ms. */
  readonly until: number;
}

interface Attempt {
  readonly request: ModelRequest;
  readonly context: StepContext;
  readonly fetch: typeof fetch;
  /** Of the model: `…/v2/models/{name}[/versions/{version}]`. */
  readonly url: URL;
}

/**
 * Servers of the Open Inference Protocol, version 2 (KServe, Triton, MLServer, …), over REST with tensors in JSON. What the entry does not say of its
 * tensors, the server is asked for, once a minute.
 */
export function openInferenceProvider(
  streams: OutboundStreams,
  breaker: CircuitBreaker,
  now: () => number = () => performance.now(),
): ModelProvider {
  const faces = new Map<string, KnownFace>();

  /** The tensors of a model by the server's own word. */
  async function faceOf(attempt: Attempt): Promise<TensorFace> {
    const key = `${attempt.context.tenantId} ${attempt.url.href}`;
    const known = faces.get(key);
    if (known && known.until > now()) return known.face;
    const face = described(await ask(attempt, attempt.url));
    faces.delete(key);
    faces.set(key, { face, until: now() + FACE_MS });
    if (faces.size > MOST_FACES) faces.delete(faces.keys().next().value!);
    return face;
  }

  async function infer(attempt: Attempt): Promise<ModelAnswer> {
    const { request } = attempt;
    const declared = declaredFace(request);
    const isDeclared = declared.inputs.length > 0;
    // What the entry declares is checked before anybody is asked anything.
    const early = isDeclared ? tensorsOf(request, declared) : null;
    if (own(request.options, 'check_ready') === true) await checkReady(attempt);
    const found = isDeclared ? declared : await faceOf(attempt);
    const face = declared.outputs.length > 0 ? { ...found, outputs: declared.outputs } : found;
    let served: string | null = null;
    let calls = 0;
    const outputs = await inferInBatches(request, face, early ?? tensorsOf(request, face), async (tensors) => {
      const id = `${attempt.context.idempotencyKey}/${(calls += 1)}`;
      const answer = await ask(attempt, below(attempt.url, 'infer'), bodyOf(request, declared, id, tensors));
      served ??= servedBy(answer);
      return outputsIn(answer, id);
    });
    return { outputs, served: served ?? request.model ?? '', inputTokens: null, outputTokens: null };
  }

  return {
    async infer(request, context) {
      const attempt = { request, context, fetch: guardedFetch(streams, request, context), url: modelUrl(request) };
      return breaker.through(`${context.tenantId} ${endpointOf(request)}`, () => infer(attempt));
    },
  };
}

/** One request and its JSON. @throws StepFailure */
async function ask(attempt: Attempt, url: URL, body?: JsonObject): Promise<JsonObject> {
  const { status, headers, text } = await exchange(attempt, url, body);
  const json = await parsed(text, attempt.context);
  if (status < 200 || status > 299) throw statusFailure(status, headers, isObject(json) ? { error: reasonOf(own(json, 'error')) } : null);
  if (!isObject(json)) throw garbled(json === undefined ? 'something that is not JSON' : 'JSON that is no object');
  return json;
}

/** @throws StepFailure where no whole answer came */
async function exchange(
  { fetch: send, context }: Attempt,
  url: URL,
  body?: JsonObject,
): Promise<{ status: number; headers: Headers; text: string }> {
  try {
    const headers = { accept: 'application/json' };
    const posted = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await send(url, body === undefined ? { headers } : posted);
    return { status: response.status, headers: response.headers, text: await response.text() };
  } catch (error) {
    throw remoteFailure(error, context.signal) ?? new StepFailure('connection_error', 'The answer of the model broke off.');
  }
}

/** undefined: it is not JSON. */
async function parsed(text: string, context: StepContext): Promise<Json | undefined> {
  if (text.length > LARGE_BODY_BYTES) await context.admit(0);
  try {
    return readExactJson(text);
  } catch {
    return undefined;
  }
}

/** @throws StepFailure `model_not_ready`, `http_error` */
async function checkReady(attempt: Attempt): Promise<void> {
  const { status, headers, text } = await exchange(attempt, below(attempt.url, 'ready'));
  if (status >= 401 && status <= 404) throw statusFailure(status, headers);
  const json = await parsed(text, attempt.context);
  // Servers that say it by the status alone send no body.
  if (status >= 200 && status <= 299 && (text.trim() === '' || (isObject(json) && own(json, 'ready') !== false))) return;
  throw new StepFailure('model_not_ready', `The server of the model says that it is not ready (status ${status}).`, { statusCode: status });
}

function bodyOf({ settings }: ModelRequest, { outputs }: TensorFace, id: string, tensors: readonly Tensor[]): JsonObject {
  for (const [name, value] of Object.entries(settings))
    if (typeof value === 'object')
      throw new StepFailure('invalid_inference_config', `/inference_config/${name} must be text, a number or a boolean.`, {
        retryable: false,
      });
  return {
    id,
    ...(Object.keys(settings).length > 0 ? { parameters: settings } : {}),
    inputs: tensors.map(wireTensor),
    ...(outputs.length > 0 ? { outputs: outputs.map(({ name }) => ({ name })) } : {}),
  };
}

/** The tensors of an answer, as they are. */
function outputsIn(answer: JsonObject, id: string): JsonObject[] {
  const given = own(answer, 'id') ?? null;
  if (given !== null && given !== '' && given !== id) throw garbled('the request of somebody else: its id is another one');
  const outputs = own(answer, 'outputs');
  if (!Array.isArray(outputs) || !outputs.every(isObject)) throw garbled('no outputs');
  return outputs;
}

function servedBy(answer: JsonObject): string | null {
  const name = wordOf(own(answer, 'model_name'), LONGEST_NAME);
  const version = wordOf(own(answer, 'model_version'), LONGEST_NAME);
  return name !== null && version !== null ? `${name}@${version}` : name;
}

function described(metadata: JsonObject): TensorFace {
  const rules = (key: string): TensorRule[] => {
    const list = own(metadata, key) ?? [];
    if (!Array.isArray(list)) throw garbled(`metadata whose ${key} are no list`);
    return list.map((item) => {
      const [name, datatype, shape] = ['name', 'datatype', 'shape'].map((field) => (isObject(item) ? own(item, field) : undefined));
      if (typeof name !== 'string' || !isDatatype(datatype) || !isShape(shape))
        throw garbled(`metadata with a tensor among its ${key} that has no name, or a datatype or shape that the protocol does not know`);
      return { name, key: name, datatype, shape: shape.map((size) => Math.max(-1, size)), optional: false };
    });
  };
  return { inputs: rules('inputs'), outputs: rules('outputs') };
}

function isShape(value: Json | undefined): value is number[] {
  return Array.isArray(value) && value.length <= MOST_DIMENSIONS && value.every((size) => Number.isSafeInteger(size));
}

/** @throws StepFailure `invalid_endpoint` */
function modelUrl(request: ModelRequest): URL {
  const url = new URL(endpointOf(request));
  const version = wordOf(own(request.options, 'model_version'));
  const base = url.pathname.replace(/\/+$/, '').replace(/\/v2$/, '');
  url.pathname = `${base}/v2/models/${segment(request.model)}${version === null ? '' : `/versions/${segment(version)}`}`;
  url.hash = '';
  return url;
}

function below(url: URL, last: string): URL {
  const longer = new URL(url);
  longer.pathname += `/${last}`;
  return longer;
}

/** A name as one segment of a path: `..` would lead elsewhere. */
function segment(name: string | null): string {
  if (name !== null && name !== '.' && name !== '..') return encodeURIComponent(name);
  throw new StepFailure('invalid_endpoint', 'The model has no name that can stand in an address.', { retryable: false });
}

/** A word that another side says, as far as it is one: what is longer is none, and no part of it may stay, as that could be part of a secret. */
function wordOf(value: Json | undefined, longest = Infinity): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : null;
}

function reasonOf(value: Json | undefined): string | null {
  const said = wordOf(value);
  return said === null ? null : cutText(said, LONGEST_REASON);
}
