import { type OpenAI } from 'openai';
import { compileJsonSchema } from '../../../engine/playbook/json-schema.js';
import { type OutboundStreams } from '../../../engine/outbound-port.js';
import { type LivePort } from '../../../engine/live-port.js';
import { type StepContext } from '../../../engine/step-executor.js';
import { isObject, type Json, type JsonObject, own } from '../../../engine/values.js';
import { type ModelRequest } from '../model.request.js';
import { type CircuitBreaker } from './circuit-breaker.js';
import { batchesOf, type ModelAnswer, type ModelProvider, refusedInput, total } from './provider.js';
import { endpointOf, garbled, guardedFetch, remoteFailure, statusFailure } from './remote.js';
import { TokenStream } from './token-stream.js';

/** Texts of one request for embeddings, where the entry does not say. */
const EMBEDDINGS_BATCH = 100;
const MOST_TEXTS = 2_048;
const LONGEST_NAME = 200;
/** Parts of the body that are not settings, whatever the entry calls them. */
const NO_SETTINGS: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'prompt',
  'input',
  'stream',
  'stream_options',
  'response_format',
  'tools',
]);

/** One attempt: the client of the library, and what it is told. */
interface Attempt {
  readonly client: OpenAI;
  readonly request: ModelRequest;
  readonly context: StepContext;
  readonly settings: JsonObject;
  readonly live: LivePort;
}

/**
 * Any server that speaks OpenAI's HTTP API (chat completions, completions, embeddings), through OpenAI's own client over our checked `fetch`. The
 * library's retries are off: the engine has its own, which survive restarts.
 */
export function openaiProvider(streams: OutboundStreams, live: LivePort, breaker: CircuitBreaker): ModelProvider {
  return {
    async infer(request, context) {
      const baseURL = endpointOf(request);
      const { default: Client, APIError } = await import('openai');
      const client = new Client({
        apiKey: 'none', // it insists on one; ours go by another way
        adminAPIKey: null,
        organization: null,
        project: null,
        webhookSecret: null,
        baseURL,
        maxRetries: 0,
        timeout: 2_147_483_647, // the engine owns time
        logLevel: 'off',
        fetch: guardedFetch(streams, request, context),
      });
      const settings = Object.fromEntries(Object.entries(request.settings).filter(([name]) => !NO_SETTINGS.has(name)));
      const attempt = { client, request, context, settings, live };
      return breaker.through(`${context.tenantId} ${baseURL}`, async () => {
        try {
          return await TASKS[request.task ?? 'chat']!(attempt);
        } catch (error) {
          const known = remoteFailure(error, context.signal);
          if (known) throw known;
          if (error instanceof APIError && typeof error.status === 'number')
            throw statusFailure(error.status, error.headers ?? new Headers(), { type: nameOf(error.type), code: nameOf(error.code) });
          // Whatever else the library throws, it could not read what it got.
          throw garbled('something that is not of its protocol');
        }
      });
    },
  };
}

const TASKS: Readonly<Record<string, (attempt: Attempt) => Promise<ModelAnswer>>> = { chat, completion, embeddings };

async function chat(attempt: Attempt): Promise<ModelAnswer> {
  const { client, request, context, settings } = attempt;
  const schema = own(request.options, 'response_schema');
  const format = isObject(schema)
    ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } }
    : {};
  const body = { ...settings, model: request.model!, messages: messagesOf(request), ...format };
  const read = own(request.options, 'stream') === true ? await streamed(attempt, body) : await whole();
  const outputs: JsonObject = { text: read.text, finish_reason: read.finish };
  return { ...read, outputs: isObject(schema) ? { ...outputs, json: structured(read.text, schema) } : outputs };

  async function whole(): Promise<Read> {
    const answer = (await client.chat.completions.create(body as never, { signal: context.signal })) as unknown as Json;
    const choice = firstChoice(answer);
    const message = own(choice, 'message');
    const content = isObject(message) ? (own(message, 'content') ?? own(message, 'refusal') ?? '') : undefined;
    if (typeof content !== 'string') throw garbled('no message');
    return { text: content, finish: nameOf(own(choice, 'finish_reason')), ...accountOf(answer, request) };
  }
}

interface Read extends Omit<ModelAnswer, 'outputs'> {
  readonly text: string;
  readonly finish: string | null;
}

/** Token by token: told to whoever watches, and put together for the record. */
async function streamed({ client, request, context, live }: Attempt, body: object): Promise<Read> {
  let index = 0;
  const tokens = new TokenStream(context.secretForms(), (text) => {
    const { executionId: execution_id, step, attempt } = context;
    live.tell(context.executionId, { event: 'model_token', data: { execution_id, step, attempt, index: index++, text } });
  });
  let text = '';
  let finish: string | null = null;
  let account = accountOf({}, request);
  const chunks = (await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } } as never, {
    signal: context.signal,
  })) as unknown as AsyncIterable<Json>;
  for await (const chunk of chunks) {
    if (!isObject(chunk)) throw garbled('something else than a chunk');
    if (isObject(own(chunk, 'usage')) || account.served === request.model) account = accountOf(chunk, request);
    const choices = own(chunk, 'choices');
    const choice = Array.isArray(choices) ? choices[0] : undefined;
    if (!isObject(choice)) continue;
    finish = nameOf(own(choice, 'finish_reason')) ?? finish;
    const delta = own(choice, 'delta');
    const content = isObject(delta) ? own(delta, 'content') : undefined;
    if (typeof content !== 'string') continue;
    text += content;
    tokens.push(content);
  }
  context.signal.throwIfAborted();
  tokens.end();
  if (finish === null) throw garbled('a stream without an end');
  return { text, finish, ...account };
}

async function completion({ client, request, context, settings }: Attempt): Promise<ModelAnswer> {
  const { one, many } = textsOf(request.inputs, ['prompt', 'text'], ['prompts', 'texts']);
  const answers: Json[] = [];
  for (const prompt of one === null ? batchesOf(many, own(request.options, 'batch_size') ?? 20) : [one])
    answers.push(
      (await client.completions.create({ ...settings, model: request.model!, prompt } as never, { signal: context.signal })) as never,
    );
  const results = answers
    .flatMap((answer) => choicesOf(answer))
    .map((choice): JsonObject => {
      const text = own(choice, 'text');
      if (typeof text !== 'string') throw garbled('a choice without text');
      return { text, finish_reason: nameOf(own(choice, 'finish_reason')) };
    });
  if (results.length !== (one === null ? many.length : 1)) throw garbled('another number of choices than there are prompts');
  return { outputs: one === null ? { results } : results[0]!, ...sumOf(answers, request) };
}

async function embeddings({ client, request, context, settings }: Attempt): Promise<ModelAnswer> {
  const { one, many } = textsOf(request.inputs, ['text', 'input'], ['texts', 'inputs']);
  const texts = one === null ? many : [one];
  const answers: Json[] = [];
  const vectors: Json[] = [];
  for (const input of batchesOf(texts, own(request.options, 'batch_size') ?? EMBEDDINGS_BATCH)) {
    const body = { encoding_format: 'float', ...settings, model: request.model!, input };
    const answer = (await client.embeddings.create(body as never, { signal: context.signal })) as unknown as Json;
    vectors.push(...vectorsOf(answer, input.length));
    answers.push(answer);
  }
  return { outputs: one === null ? { embeddings: vectors } : { embedding: vectors[0] ?? null }, ...sumOf(answers, request) };
}

/** In the order of what was asked: servers number them. */
function vectorsOf(answer: Json, count: number): Json[] {
  const data = isObject(answer) ? own(answer, 'data') : undefined;
  if (!Array.isArray(data) || data.length !== count) throw garbled('another number of embeddings than there are texts');
  const vectors: Json[] = Array.from({ length: count }, () => null);
  data.forEach((item, place) => {
    const index = isObject(item) ? (own(item, 'index') ?? place) : -1;
    const vector = isObject(item) ? own(item, 'embedding') : undefined;
    if (typeof index !== 'number' || !(index in vectors) || !Array.isArray(vector) || !vector.every((each) => typeof each === 'number'))
      throw garbled('an embedding that is no list of numbers');
    vectors[index] = vector;
  });
  if (vectors.includes(null)) throw garbled('the same embedding twice');
  return vectors;
}

/** `messages`, or a `text` or `prompt` of the user; the entry's system message comes first. */
function messagesOf({ inputs, system }: ModelRequest): Json[] {
  const first: Json[] = system === null ? [] : [{ role: 'system', content: system }];
  const messages = own(inputs, 'messages') ?? null;
  if (messages === null) return [...first, { role: 'user', content: textsOf(inputs, ['text', 'prompt'], []).one }];
  if (
    !Array.isArray(messages) ||
    messages.length === 0 ||
    !messages.every((each) => isObject(each) && typeof own(each, 'role') === 'string')
  )
    throw refusedInput('"messages" must be a list of mappings with "role" and "content".');
  return [...first, ...messages];
}

function textsOf(inputs: JsonObject, single: readonly string[], several: readonly string[]): { one: string | null; many: string[] } {
  const find = (names: readonly string[]): Json =>
    names.map((name) => own(inputs, name)).find((value) => value !== undefined && value !== null) ?? null;
  const one = find(single);
  const many = find(several);
  if (typeof one === 'string' && many === null) return { one, many: [] };
  const isList = Array.isArray(many) && many.length > 0 && many.length <= MOST_TEXTS && many.every((text) => typeof text === 'string');
  if (one === null && isList) return { one: null, many: many };
  const list = several.length > 0 ? `, or a list "${several.at(-1)}" of at most ${MOST_TEXTS} texts` : '';
  throw refusedInput(`The model reads a text "${single[0]}"${list}.`);
}

/** The answer as the JSON the entry asked for. */
function structured(text: string, schema: JsonObject): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    throw garbled('text where JSON was asked for');
  }
  const [issue] = compileJsonSchema(schema).issuesOf(value);
  if (issue) throw garbled(`JSON that does not fit response_schema: ${issue.pointer ?? ''} ${issue.message}`);
  return value;
}

function firstChoice(answer: Json): JsonObject {
  const [choice] = choicesOf(answer);
  if (!choice) throw garbled('no choice');
  return choice;
}

function choicesOf(answer: Json): JsonObject[] {
  const choices = isObject(answer) ? own(answer, 'choices') : undefined;
  if (!Array.isArray(choices) || !choices.every(isObject)) throw garbled('no choices');
  return choices;
}

function sumOf(answers: readonly Json[], request: ModelRequest): Omit<ModelAnswer, 'outputs'> {
  const accounts = answers.map((answer) => accountOf(answer, request));
  return {
    served: accounts[0]?.served ?? request.model ?? '',
    inputTokens: total(accounts.map(({ inputTokens }) => inputTokens)),
    outputTokens: total(accounts.map(({ outputTokens }) => outputTokens)),
  };
}

/** Which model answered, and what it counted. */
function accountOf(answer: Json, request: ModelRequest): Omit<ModelAnswer, 'outputs'> {
  const usage = isObject(answer) ? own(answer, 'usage') : undefined;
  const count = (name: string): number | null => {
    const value = isObject(usage) ? own(usage, name) : undefined;
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  const served = isObject(answer) ? nameOf(own(answer, 'model')) : null;
  return { served: served ?? request.model ?? '', inputTokens: count('prompt_tokens'), outputTokens: count('completion_tokens') };
}

/** A word that another side says, as far as it is one. */
/** What is longer is no name, and no part of it may stay, as that could be part of a secret. */
function nameOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME ? value : null;
}
