import { type JsonObject } from '../engine/values.js';
import { headerFaultOf } from './header-parameters.js';

const schema = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });

describe(headerFaultOf.name, () => {
  it.each<[string, JsonObject, RegExp | null]>([
    ['none', schema({ a: { type: 'string' } }), null],
    ['one for each plain type', schema({ a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'integer', 'x-mcp-header': 'B' } }), null],
    ['one of a property inside a property', schema({ a: schema({ b: { type: 'boolean', 'x-mcp-header': 'B' } }) }), null],
    ['a property of that name', schema({ 'x-mcp-header': { type: 'string' } }), null],
    ['an empty name', schema({ a: { type: 'string', 'x-mcp-header': '' } }), /no name/],
    ['a name with a space', schema({ a: { type: 'string', 'x-mcp-header': 'a b' } }), /no name/],
    ['a name that ends the line', schema({ a: { type: 'string', 'x-mcp-header': 'a\r\nb: c' } }), /no name/],
    ['a name that is no text', schema({ a: { type: 'string', 'x-mcp-header': 1 } }), /no name/],
    ['one at an object', schema({ a: { type: 'object', 'x-mcp-header': 'A' } }), /no text/],
    ['one at a number', schema({ a: { type: 'number', 'x-mcp-header': 'A' } }), /no text/],
    ['the same twice', schema({ a: { type: 'string', 'x-mcp-header': 'A' }, b: { type: 'string', 'x-mcp-header': 'a' } }), /twice/],
    ['one at items', schema({ a: { type: 'array', items: { type: 'string', 'x-mcp-header': 'A' } } }), /no property/],
    ['one below anyOf', schema({}, { anyOf: [schema({ a: { type: 'string', 'x-mcp-header': 'A' } })] }), /no property/],
    ['one at the root', { type: 'object', 'x-mcp-header': 'A' }, /no property/],
  ])('%s', (_name, input, fault) => {
    if (fault === null) expect(headerFaultOf(input)).toBeNull();
    else expect(headerFaultOf(input)).toMatch(fault);
  });
});
