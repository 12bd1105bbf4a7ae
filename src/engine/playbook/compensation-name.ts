const SUFFIX = '.compensate';

/** Name of what undoes a step: in the history, in keys of effects and in what it calls. No step of a document can have such a name. */
export const compensationName = (step: string): string => step + SUFFIX;

/** The step that something of such a name undoes; null where the name is one of a document. */
export const compensatedStep = (name: string): string | null => (name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : null);
