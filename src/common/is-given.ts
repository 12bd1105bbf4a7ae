import { ValidateIf } from 'class-validator';

/** class-validator's IsOptional also lets null pass; this one only what was left out. */
export const IsGiven = (): PropertyDecorator => ValidateIf((_request, value) => value !== undefined);
