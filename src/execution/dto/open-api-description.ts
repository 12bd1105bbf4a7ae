import { ApiProperty } from '@nestjs/swagger';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { type JsonObject } from '../../engine/values.js';

/** An OpenAPI 3.1 document. */
export class OpenApiDescription {
  @ApiProperty({ example: '3.1.0' })
  readonly openapi!: string;
  @ApiProperty(FREE_OBJECT)
  readonly info!: JsonObject;
  @ApiProperty({ type: 'array', items: FREE_OBJECT })
  readonly servers!: JsonObject[];
  @ApiProperty(FREE_OBJECT)
  readonly paths!: JsonObject;
  @ApiProperty(FREE_OBJECT)
  readonly components!: JsonObject;
  @ApiProperty({ type: 'array', items: FREE_OBJECT })
  readonly security!: JsonObject[];
}
