import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generatedDocuments } from './generated-documents.js';

// Run from the root of the repository: `npm run openapi`.
for (const [name, text] of await generatedDocuments()) await writeFile(join('docs', name), text);
