/** Any JSON value, for `@ApiProperty`; spelled out, because a field without a type would be documented as an object. */
export const JSON_VALUE = {
  anyOf: [
    { type: 'object', additionalProperties: true },
    { type: 'array', items: {} },
    { type: 'string' },
    { type: 'number' },
    { type: 'boolean' },
    { type: 'null' as 'object' },
  ],
};

/** An object whose content is the caller's. */
export const FREE_OBJECT = { type: 'object', additionalProperties: true } as const;
