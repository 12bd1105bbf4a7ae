import { EngineError } from '../engine/engine-error.js';
import { checkServes } from './served-names.js';

describe(checkServes.name, () => {
  const entry = { name: 'weather', path: 'tools/forecast', version: '1.0.0' };
  const contract = { toolName: null, serves: ['rain', 'weather'] };
  const refusal = (what: 'tool' | 'model', name: string, serves: readonly string[] = contract.serves): EngineError => {
    try {
      checkServes(what, name, '/tool_name', entry, { ...contract, serves });
    } catch (error) {
      if (error instanceof EngineError) return error;
    }
    throw new Error('it was not refused');
  };

  it.each(['weather', 'forecast', 'rain'])('knows the entry as %s', (name) =>
    expect(() => checkServes('tool', name, '/tool_name', entry, contract)).not.toThrow(),
  );

  it('refuses another name, and says each that there is once', () => {
    const message = 'tools/forecast 1.0.0 does not serve a tool "snow"; its names are weather, forecast, rain.';
    expect(refusal('tool', 'snow')).toMatchObject({ code: 'unknown_tool', message, issues: [{ pointer: '/tool_name', message }] });
  });

  it('refuses a model with the code of models, and names ten at most', () => {
    const many = refusal(
      'model',
      'snow',
      Array.from({ length: 20 }, (_, n) => `m${n}`),
    );
    expect(many).toMatchObject({ code: 'unknown_model' });
    expect(many.message).toMatch(/; its names are weather, forecast, m0, .*m7 and 12 more\.$/);
  });
});
