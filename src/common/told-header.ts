/** Documentation of a header of an answer. @param description one line for clients */
export const toldHeader = (description: string): { readonly description: string; readonly schema: { readonly type: 'string' } } => ({
  description,
  schema: { type: 'string' },
});
