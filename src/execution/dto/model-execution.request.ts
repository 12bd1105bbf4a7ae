import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Equals, IsNotEmpty, IsObject, IsString, MaxLength } from 'class-validator';
import { FREE_OBJECT } from '../../common/dto/json-value.js';
import { IsGiven } from '../../common/is-given.js';
import { Aliases, AnyCase } from '../../common/wire-field.js';
import { type JsonObject } from '../../engine/values.js';
import { VersionedRequest } from './versioned-request.js';

/** ML model inference. The model's fields stand at the root or inside parameters. */
export class ModelExecutionRequest extends VersionedRequest {
  @ApiProperty({ type: String, ...{ const: 'model' }, description: 'Type of execution.' })
  @Equals('model')
  @AnyCase()
  @Aliases(['type', 'resource_kind', 'resource_type'], { type: String })
  readonly execution_type!: 'model';

  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: 256, example: 'sentiment_bert', description: 'Name of the model.' })
  @IsGiven()
  @IsString()
  @IsNotEmpty()
  @MaxLength(256)
  readonly model_name?: string;

  @ApiPropertyOptional({ ...FREE_OBJECT, description: 'Inputs of the model.' })
  @IsGiven()
  @IsObject()
  readonly inputs?: JsonObject;

  @ApiPropertyOptional({ ...FREE_OBJECT, description: 'Settings of the inference, such as temperature and max_tokens.' })
  @IsGiven()
  @IsObject()
  readonly inference_config?: JsonObject;
}
