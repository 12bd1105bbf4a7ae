// The program of a worker thread: it imports nothing of ours, so that Node runs it from the sources as well.
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';

interface Question {
  readonly task: string;
  readonly texts: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
}
interface Answer {
  readonly outputs: unknown[];
  /** Of all texts together; null where nobody counts them. */
  readonly tokens: number | null;
}

/** Below this distance from 0 a score says nothing either way. */
const NEUTRAL = 0.05;
const CANDIDATES = 3;

type Analyser = (text: string, settings: Question['settings']) => Promise<readonly [output: unknown, tokens: number | null]>;

/** Loaded when the first text comes, and once. */
let english: Promise<Pick<WinkParts, 'read'>> | undefined;
let languages: Promise<LanguageModel> | undefined;

interface WinkParts {
  read(text: string): { score: number; sentences: { text: string; score: number }[]; entities: unknown[]; tokens: number };
}
interface LanguageModel {
  identify(text: string, top: number): Promise<{ alpha3: string; alpha2: string | null; refName: string; possibility: number }[]>;
}

async function loadEnglish(): Promise<WinkParts> {
  const { default: winkNLP } = await import('wink-nlp');
  const { default: model } = await import('wink-eng-lite-web-model');
  const nlp = winkNLP(model);
  const { its } = nlp;
  return {
    read(text) {
      const doc = nlp.readDoc(text);
      const sentences = doc.sentences().out() as string[];
      const scores = doc.sentences().out(its.sentiment as never) as unknown as number[];
      return {
        score: doc.out(its.sentiment as never) as unknown as number,
        sentences: sentences.map((sentence, index) => ({ text: sentence, score: rounded(scores[index] ?? 0) })),
        entities: (doc.entities().out(its.detail as never) as unknown as { value: string; type: string }[]).map(({ value, type }) => ({
          text: value,
          type,
        })),
        tokens: doc.tokens().length(),
      };
    },
  };
}

async function loadLanguages(): Promise<LanguageModel> {
  const { getLIDModel } = createRequire(import.meta.url)('fasttext.wasm.js') as {
    getLIDModel(): Promise<LanguageModel & { load(): Promise<unknown> }>;
  };
  const model = await getLIDModel();
  await model.load();
  return model;
}

const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
const labelOf = (score: number): string => (score > NEUTRAL ? 'positive' : score < -NEUTRAL ? 'negative' : 'neutral');

const ANALYSERS: Readonly<Record<string, Analyser>> = {
  async sentiment(text) {
    const { score, sentences, tokens } = (await (english ??= loadEnglish())).read(text);
    const rated = sentences.map((sentence) => ({ ...sentence, label: labelOf(sentence.score) }));
    return [{ label: labelOf(score), score: rounded(score), sentences: rated }, tokens];
  },
  async entities(text) {
    const { entities, tokens } = (await (english ??= loadEnglish())).read(text);
    return [{ entities }, tokens];
  },
  async language(text, { top_k: top = CANDIDATES }) {
    // Without a letter there is no language: the model would guess one all the same.
    if (!/\p{L}/u.test(text)) return [{ language: 'und', name: 'Undetermined', confidence: 0, candidates: [] }, null];
    const model = await (languages ??= loadLanguages());
    const found = await model.identify(text.replace(/\s+/gu, ' '), typeof top === 'number' ? top : CANDIDATES);
    const candidates = found.map(({ alpha2, alpha3, refName, possibility }) => ({
      language: alpha2 ?? alpha3,
      name: refName,
      confidence: rounded(Math.min(1, possibility)),
    }));
    return [{ ...(candidates[0] ?? { language: 'und', name: 'Undetermined', confidence: 0 }), candidates }, null];
  },
};

async function answer({ task, texts, settings }: Question): Promise<Answer> {
  const outputs: unknown[] = [];
  let tokens: number | null = null;
  for (const text of texts) {
    const [output, count] = await ANALYSERS[task]!(text, settings);
    outputs.push(output);
    if (count !== null) tokens = (tokens ?? 0) + count;
  }
  return { outputs, tokens };
}

parentPort?.on('message', (question: Question) => {
  answer(question).then(
    (found) => parentPort?.postMessage(found),
    (error: unknown) => parentPort?.postMessage({ error: error instanceof Error ? error.message : String(error) }),
  );
});
