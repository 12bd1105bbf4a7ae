import { type Json, own } from '../../../engine/values.js';
import { BuiltinModels } from './builtin-models.js';
import { batchesOf, type ModelProvider, refusedInput, total } from './provider.js';

const MAX_TEXTS = 1_000;
const MAX_CHARACTERS = 100_000;
const BATCH = 50;

/** What the tasks are done by, in the words of whoever made them. */
const SERVED: Readonly<Record<string, string>> = {
  sentiment: 'wink-eng-lite-web-model@1.8.1/sentiment-lexicon',
  entities: 'wink-eng-lite-web-model@1.8.1/entities',
  language: 'fasttext.wasm.js@1.0.0/lid.176',
};

/**
 * Models that need nothing but the service: sentiment (a lexicon with negation, English) and entities by wink-nlp, language identification by the
 * trained fastText model lid.176. `text` is answered alone, `texts` as `results`, in their order.
 */
export function builtinProvider(models = new BuiltinModels()): ModelProvider {
  return {
    async infer({ task, inputs, settings, options }, { signal }) {
      const one = own(inputs, 'text') ?? null;
      const many = own(inputs, 'texts') ?? null;
      if ((one === null) === (many === null)) throw refusedInput('The model reads "text", or a list "texts".');
      const texts = one === null ? listOf(many) : [textOf(one)];
      const answers = [];
      for (const batch of batchesOf(texts, own(options, 'batch_size') ?? BATCH))
        answers.push(await models.analyse(task ?? '', batch, settings, signal));
      const outputs = answers.flatMap((answer) => answer.outputs);
      return {
        outputs: one === null ? { results: outputs } : outputs[0]!,
        served: SERVED[task ?? ''] ?? '',
        inputTokens: total(answers.map(({ tokens }) => tokens)),
        outputTokens: null,
      };
    },
  };
}

function listOf(value: Json): string[] {
  if (!Array.isArray(value)) throw refusedInput('"texts" must be a list of texts.');
  if (value.length > MAX_TEXTS) throw refusedInput(`"texts" has at most ${MAX_TEXTS} texts.`);
  return value.map(textOf);
}

function textOf(value: Json): string {
  if (typeof value !== 'string') throw refusedInput('What the model reads must be text.');
  if (value.length > MAX_CHARACTERS) throw refusedInput(`A text has at most ${MAX_CHARACTERS} characters.`);
  return value;
}
