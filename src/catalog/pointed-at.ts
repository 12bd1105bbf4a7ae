import { EngineError } from '../engine/engine-error.js';

/** Reads a field of a request: what is refused about it says where it stands. @param pointer JSON Pointer into the request */
export function pointedAt<Read>(pointer: string, read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'invalid' || error.issues.length > 0) throw error;
    const { code, message } = error;
    throw new EngineError('invalid', code, message, [{ code, pointer, message }]);
  }
}
