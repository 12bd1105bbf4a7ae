import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { type JsonObject } from '../../engine/values.js';
import { inputSchemaOf } from '../../engine/playbook/entry-schemas.js';
import { type DescribedEntry } from '../entry-descriptions.js';

/** What an entry takes and gives. */
export class CatalogSchema {
  @ApiProperty({ example: 'tools/data_validator' })
  readonly path!: string;

  @ApiProperty({ example: '2.0.0', description: 'Semantic version, canonical.' })
  readonly version!: string;

  @ApiProperty({ example: 'Tool' })
  readonly kind!: string;

  @ApiProperty({ example: '241817298272452608' })
  readonly catalog_id!: string;

  @ApiProperty({ ...FREE_OBJECT, description: 'JSON Schema 2020-12 of the parameters.' })
  readonly input_schema!: JsonObject;

  @ApiProperty({ ...FREE_OBJECT, nullable: true, description: 'JSON Schema 2020-12 of the result; null: anything.' })
  readonly output_schema!: JsonObject | null;

  @ApiProperty({
    type: Boolean,
    example: false,
    description: 'true: no schema is declared; input_schema is read off the defaults of the workload and checks nothing.',
  })
  readonly inferred!: boolean;

  static from({ entry, playbook }: DescribedEntry): CatalogSchema {
    const { schema, inferred } = inputSchemaOf(playbook);
    return {
      path: entry.path,
      version: entry.version,
      kind: entry.kind,
      catalog_id: entry.id,
      input_schema: schema,
      output_schema: playbook.contract.outputSchema,
      inferred,
    };
  }
}
