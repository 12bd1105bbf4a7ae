import { parentPort } from 'node:worker_threads';
import { readSource } from './source.js';
import { packReading, type ThreadQuestion } from './thread-messages.js';

let source: ReturnType<typeof readSource> | undefined;

parentPort?.on('message', (question: ThreadQuestion) => {
  if ('read' in question) {
    source = readSource(question.read, question.options);
    parentPort?.postMessage(packReading(source.reading));
  } else {
    parentPort?.postMessage(JSON.stringify(source?.locate(question.locate) ?? question.locate));
  }
});
