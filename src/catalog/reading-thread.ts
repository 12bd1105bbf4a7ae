import { answerQuestions } from '../threads/answering.js';
import { readSource } from './source.js';
import { packReading, type ThreadQuestion } from './thread-messages.js';

let source: ReturnType<typeof readSource> | undefined;

answerQuestions((question: ThreadQuestion): string => {
  if ('locate' in question) return JSON.stringify(source?.locate(question.locate) ?? question.locate);
  source = readSource(question.read, question.options);
  return packReading(source.reading);
});
