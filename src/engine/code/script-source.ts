import { EngineError } from '../engine-error.js';
import { StepFailure } from '../step-executor.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../template/template.js';
import { type Script, type ScriptSource } from '../script-port.js';
import { isObject, type Json, own } from '../values.js';

/** Compiles `script` of an action. Throws EngineError. */
export function compileScript(script: Json): ValueTemplate {
  try {
    return compileValue(script);
  } catch (error) {
    if (!(error instanceof TemplateSyntaxError)) throw error;
    const { message } = error;
    throw new EngineError('invalid', 'invalid_document', message, [{ code: 'template_syntax', message, pointer: '/script' }]);
  }
}

/** Reads a rendered `script: {uri, source: {type, endpoint}, sha256}` (playbook language §6.2). Throws StepFailure. */
export function scriptSourceOf(rendered: Json): ScriptSource {
  const script = isObject(rendered) ? rendered : {};
  const given = own(script, 'source') ?? null;
  const source = isObject(given) ? given : { type: given };
  const uri = own(script, 'uri') ?? own(script, 'path');
  if (typeof uri !== 'string' || uri.trim() === '') throw unavailable('script has no uri');
  const word = own(source, 'type') ?? null;
  const type = word === null ? (/^https?:/i.test(uri) ? 'http' : 'file') : String(word).toLowerCase();
  if (type !== 'file' && type !== 'http')
    throw new StepFailure('unsupported_script', `Scripts come from file or http, not from ${type.slice(0, 40)}`, { retryable: false });
  if ((own(source, 'auth') ?? null) !== null)
    throw new StepFailure('unsupported_auth', 'Scripts are loaded without credentials', { retryable: false });
  const pinned = own(script, 'sha256') ?? null;
  if (pinned !== null && !(typeof pinned === 'string' && /^[0-9a-f]{64}$/i.test(pinned)))
    throw unavailable('sha256 of the script is not 64 hexadecimal digits');
  return {
    type,
    uri: type === 'http' ? addressOf(uri.trim(), own(source, 'endpoint') ?? null) : uri.trim(),
    sha256: pinned?.toLowerCase() ?? null,
  };
}

/** What the logs of the step begin with: which text ran. */
export function scriptNote({ uri }: ScriptSource, { digest }: Script): string {
  const shown = uri.replace(/[?#].*$/s, '').replace(/[\p{Cc}]/gu, '');
  return `[script ${shown} sha256:${digest}]\n`;
}

/** An endpoint is the whole address, and the uri then only a name, except where it is a folder: a host alone, or ending with a slash. */
function addressOf(uri: string, endpoint: Json): string {
  if (/^https?:\/\//i.test(uri)) return uri;
  const address = typeof endpoint === 'string' ? endpoint.trim() : '';
  if (address === '') throw unavailable('uri of the script is no http address, and source has no endpoint');
  const isFolder = URL.parse(address)?.pathname.endsWith('/') ?? true;
  if (!isFolder) return address;
  return `${address.replace(/\/+$/, '')}/${uri.replace(/^\/+/, '')}`;
}

function unavailable(message: string): StepFailure {
  return new StepFailure('script_unavailable', message, { retryable: false });
}
