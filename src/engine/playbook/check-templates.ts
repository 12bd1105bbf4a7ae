import { type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { type SourcePositions } from './source-positions.js';

export function checkTemplates(_root: JsonObject, _positions: SourcePositions, _findings: Findings): void {}
